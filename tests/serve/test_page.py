"""The web page in a real browser: what a visitor sees, does and leaves behind."""

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import cv2
import numpy as np
import pytest

from morelli.data_pipeline.report import validate
from morelli.data_pipeline.sample import make_sample

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytest.importorskip("gradio", reason="gradio is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
PATIENCE = 120_000
"""Milliseconds; a page waits for its turn on a machine that trains at the same time."""

TABS = {
    "Metadata and Content Credentials": "Content Credentials (C2PA)",
    "Stability": "JPEG quality 90",
    "Method and limits": "How to read the probability",
    "Instruments": "Look for",
}
"""Tab -> words that stand in it."""

SCRIPT = Path(__file__).with_name("scripted_page.py")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@contextlib.contextmanager
def served(store: Path, seconds: float = 0.0) -> Iterator[str]:
    """Run the page over an examiner that takes so long for a verdict."""
    port, said = free_port(), store.with_suffix(".log")
    with said.open("w") as log:
        server = subprocess.Popen(
            [sys.executable, str(SCRIPT), str(port), str(store), str(seconds)],
            stdout=log, stderr=log,
        )  # fmt: skip
    url = f"http://127.0.0.1:{port}/"
    try:
        for _ in range(960):
            assert server.poll() is None, said.read_text()
            try:
                urlopen(url, timeout=1).close()
                break
            except (URLError, OSError):
                time.sleep(0.25)
        yield url
    finally:
        server.terminate()
        server.wait(10)


@pytest.fixture(scope="module")
def address(store: Path) -> Iterator[str]:
    with served(store) as url:
        yield url


@pytest.fixture
def slow_address(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "slow").mkdir()
    with served(tmp_path / "slow", seconds=4.0) as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright.expect.set_options(timeout=PATIENCE)
    with playwright.sync_playwright() as driver:
        one = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield one
        one.close()


@pytest.fixture(scope="module")
def forgery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pictures") / "photo.jpg"
    make_sample(path)
    return path


def opened(browser: Any, address: str, **settings: Any) -> Any:
    page = browser.new_context(**settings).new_page()
    page.set_default_timeout(PATIENCE)
    page.errors = []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.goto(address)
    page.locator("#drop input[type=file]").wait_for(state="attached")
    return page


def give(page: Any, path: Path) -> None:
    page.locator("#drop input[type=file]").set_input_files(str(path))
    page.locator(".reasons [aria-busy=false]").wait_for()


def test_a_visitor_sees_the_verdict_lays_the_mask_over_asks_and_takes_the_report_away(
    browser: Any, address: str, forgery: Path, store: Path, tmp_path: Path
) -> None:
    page = opened(browser, address, viewport={"width": 1280, "height": 900})
    page.screenshot(path=tmp_path / "empty.png", full_page=True)
    give(page, forgery)
    card = page.locator(".card.verdict")
    assert "Tampered" in card.inner_text()
    assert "calibrated probability" in card.inner_text()
    assert "base rate" in card.inner_text()

    chips = page.locator(".reasons button.chip")
    assert chips.count() == 3
    assert "1 sentence that could not be checked was withheld" in page.inner_text(".reasons")
    detail = page.locator("#detail-F1")
    assert detail.is_hidden()
    chips.first.focus()
    page.keyboard.press("Enter")
    assert detail.is_visible()
    assert "Measured" in detail.inner_text()
    assert detail.locator("img").get_attribute("src").startswith("data:image/")
    assert page.locator(".stage .spot").is_visible()
    for tab, words in TABS.items():
        page.get_by_role("tab", name=tab).click()
        playwright.expect(page.get_by_role("tabpanel").filter(visible=True)).to_contain_text(words)
    page.screenshot(path=tmp_path / "light.png", full_page=True)

    layer = page.locator(".stage .layer.mask")
    assert layer.is_visible()
    page.locator("input[name=wipe]").fill("40")
    assert "60%" in layer.evaluate("one => getComputedStyle(one).clipPath")
    page.locator("input[name=strength]").fill("30")
    assert float(layer.evaluate("one => getComputedStyle(one).opacity")) == pytest.approx(0.3)
    page.get_by_label("Original").check()
    assert layer.is_hidden()

    for kind in ("html", "json", "pdf"):
        button = page.locator(f"#download-{kind}")
        with page.expect_download() as taken:
            button.click()
        taken.value.save_as(tmp_path / f"report.{kind}")
    validate(json.loads((tmp_path / "report.json").read_text()))
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")

    page.get_by_label("Your question").fill("Where is it?")
    page.keyboard.press("Enter")
    talk = page.locator("#talk")
    playwright.expect(talk).to_contain_text("I do not know more.")
    assert "'Where is it?' after 0 earlier" in talk.inner_text()
    assert "This picture is authentic" not in talk.inner_text()
    assert "1 withheld" in talk.inner_text()
    assert "Limited chat" in page.inner_text(".chatnote")
    page.screenshot(path=tmp_path / "talk.png", full_page=True)
    assert page.errors == []
    page.context.close()


def test_a_second_picture_has_turns_of_its_own_and_the_first_keeps_its(
    browser: Any, address: str, forgery: Path, tmp_path: Path
) -> None:
    page = opened(browser, address)
    give(page, forgery)
    talk = page.locator("#talk")
    for count, words in enumerate(("First thing?", "Second thing?")):
        page.get_by_label("Your question").fill(words)
        page.get_by_role("button", name="Ask", exact=True).click()
        playwright.expect(talk).to_contain_text(f"'{words}' after {count} earlier")
        playwright.expect(talk).to_contain_text("I do not know more.")
    other = tmp_path / "other.png"
    noise = np.random.default_rng(5).integers(0, 255, (160, 90, 3), np.uint8)
    cv2.imwrite(str(other), cv2.GaussianBlur(noise, (0, 0), 3))
    page.locator("#drop input[type=file]").set_input_files(str(other))
    playwright.expect(page.locator("#viewer img.base")).to_have_attribute("width", "90")
    page.get_by_role("button", name="Why do you think so?").click()
    playwright.expect(talk).to_contain_text("'Why do you think so?' after 0 earlier")
    page.locator("#choice label").first.click()
    playwright.expect(page.locator("#viewer img.base")).to_have_attribute("width", "512")
    page.get_by_label("Your question").fill("Third thing?")
    page.keyboard.press("Enter")
    playwright.expect(talk).to_contain_text("'Third thing?' after 2 earlier")
    page.context.close()


def test_one_visitor_sees_nothing_of_another_and_nothing_is_left_when_both_go(
    browser: Any, address: str, forgery: Path, store: Path
) -> None:
    one, other = (opened(browser, address) for _ in range(2))
    give(one, forgery)
    assert "What you get" in other.inner_text(".card.verdict")
    assert other.locator(".reasons").count() == 0
    uploads = [path for path in store.rglob("*") if path.name == forgery.name]
    assert uploads == []
    for page in (one, other):
        page.context.close()
    for _ in range(60):
        left = [path for path in store.rglob("morelli-photo*") if path.is_file()]
        if not left:
            break
        time.sleep(0.25)
    assert left == []


def test_those_who_wait_are_told_their_place_and_are_all_served(
    browser: Any, slow_address: str, forgery: Path
) -> None:
    first, second, third = (opened(browser, slow_address) for _ in range(3))
    for page in (first, second, third):
        page.locator("#drop input[type=file]").set_input_files(str(forgery))
        page.locator("#verdict [aria-busy=true], .card.verdict[data-verdict]").first.wait_for()
    playwright.expect(third.locator("#verdict")).to_contain_text("Waiting: ")
    for page in (first, second, third):
        page.locator(".reasons [aria-busy=false]").wait_for()
        assert "Tampered" in page.inner_text(".card.verdict")
        page.context.close()


def test_an_answer_is_stopped_asked_for_again_and_forgotten(
    browser: Any, address: str, forgery: Path
) -> None:
    page = opened(browser, address)
    give(page, forgery)
    talk = page.locator("#talk")
    page.get_by_label("Your question").fill("First?")
    page.keyboard.press("Enter")
    playwright.expect(talk).to_contain_text("'First?' after 0 earlier")
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Retry").first.click()
    playwright.expect(talk).to_contain_text("I do not know more.")
    # Answered again it is still one turn.
    page.get_by_label("Your question").fill("Next?")
    page.keyboard.press("Enter")
    playwright.expect(talk).to_contain_text("'Next?' after 1 earlier")
    page.get_by_role("button", name="Clear").last.click()
    playwright.expect(talk).not_to_contain_text("First?")
    page.get_by_label("Your question").fill("Second?")
    page.keyboard.press("Enter")
    playwright.expect(talk).to_contain_text("'Second?' after 0 earlier")
    page.context.close()


def test_a_file_that_is_no_picture_is_refused_in_words(
    browser: Any, address: str, tmp_path: Path
) -> None:
    page = opened(browser, address)
    words = tmp_path / "{{7*7}}${alert(1)}<img src=x onerror=alert(2)>.jpg"
    words.write_text("no picture")
    page.locator("#drop input[type=file]").set_input_files(str(words))
    card = page.locator(".card.failed")
    card.wait_for()
    assert "holds no image of a known format" in card.inner_text()
    assert "49" not in card.inner_text()
    assert card.locator("img").count() == 0
    assert page.errors == []
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_it_all_without_scrolling_sideways(
    browser: Any, address: str, forgery: Path, scheme: str, tmp_path: Path
) -> None:
    page = opened(
        browser,
        address,
        color_scheme=scheme,
        viewport={"width": 390, "height": 844},
        has_touch=True,
    )
    give(page, forgery)
    page.locator(".reasons button.chip").first.click()
    page.screenshot(path=tmp_path / f"phone-{scheme}.png", full_page=True)
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 390
    for panel in ("#viewer .card", "#verdict .card", "#reasons .card", "#talk"):
        assert page.locator(panel).bounding_box()["width"] > 300
    page.context.close()


def test_every_control_and_picture_has_a_name_for_a_screen_reader(
    browser: Any, address: str, forgery: Path, tmp_path: Path
) -> None:
    page = opened(browser, address, color_scheme="dark", viewport={"width": 1280, "height": 900})
    give(page, forgery)
    page.screenshot(path=tmp_path / "dark.png", full_page=True)
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('.morelli img, .morelli button, .morelli input')]
            .filter((one) => !(one.alt || one.getAttribute('aria-label') || one.textContent.trim()
                || one.closest('label')?.textContent.trim()))
            .map((one) => one.outerHTML.slice(0, 120))"""
    )
    assert nameless == []
    page.context.close()
