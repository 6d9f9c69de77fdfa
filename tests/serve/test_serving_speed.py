"""The measurement of the page under load, on a page whose examiner is scripted."""

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import psutil
import pytest

pytest.importorskip("gradio", reason="gradio is not installed")

from morelli.serve import serving_speed
from morelli.serve.load_visitors import LoadError, Page, Visit, visitor
from morelli.serve.serving_speed import measure, photograph, reached

SCRIPT = Path(__file__).with_name("scripted_page.py")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, psutil.Process]]:
    store = tmp_path_factory.mktemp("load")
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    running = subprocess.Popen([sys.executable, str(SCRIPT), str(port), str(store)])
    url = f"http://127.0.0.1:{port}"
    try:
        while True:
            assert running.poll() is None
            try:
                urlopen(url, timeout=1).close()
                break
            except (URLError, OSError):
                time.sleep(0.25)
        yield url, psutil.Process(running.pid)
    finally:
        running.terminate()
        running.wait(30)


def test_visitors_without_a_browser_see_what_those_with_one_see(
    server: tuple[str, psutil.Process],
) -> None:
    async def visit() -> tuple[Visit, str, Visit]:
        async with visitor(await Page.at(server[0])) as one:
            seen = await one.examine(photograph(1, 320), "photo.jpg")
            said = await one.ask("Where is it?")
            return seen, said, await one.examine(b"no picture", "other.jpg")

    seen, said, refused = asyncio.run(visit())
    assert seen.verdict == "tampered 92%"
    assert seen.verdict_seconds is not None
    assert not seen.refused
    assert "I do not know more" in said
    assert refused.refused
    with pytest.raises(LoadError, match="no verdict"):
        _ = refused.verdict


def test_a_page_under_load_is_measured(
    server: tuple[str, psutil.Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving_speed, "_SAMPLE_SECONDS", 0.2)
    figures = asyncio.run(measure(*server, users=3, minutes=0.1))
    assert figures["together"]["errors"] == []
    assert len(figures["together"]["seconds"]) == 3
    assert figures["load"]["visits"] > 0
    kept = reached({"ready_seconds": 1.0, **figures})
    assert kept["no_cross_talk"]
    assert kept["no_failure_under_load"]


def test_what_a_visitor_should_not_have_seen_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    card = 'data-verdict=\\"tampered\\" class=\\"big\\">92%<'

    class Leaky:
        async def __aenter__(self) -> "Leaky":
            return self

        async def __aexit__(self, *_: object) -> None:
            return None

        async def examine(self, data: bytes, name: str) -> Visit:
            return Visit(1.0, [card, "visitor-0-only.jpg"])

    monkeypatch.setattr(serving_speed, "visitor", lambda page: Leaky())
    monkeypatch.setattr(serving_speed, "photograph", lambda seed: b"")
    page: Any = None
    told = {0: "tampered 92%", 1: "authentic 3%"}
    crowd = asyncio.run(serving_speed.together(page, 2, told))
    assert crowd["saw_of_others"] == [(1, 0)]
    assert crowd["other_verdict_than_alone"] == [1]
    figures = {"ready_seconds": 1.0, "together": crowd | {"limit_seconds": 8.0}, "load": {}}
    assert not reached(figures)["no_cross_talk"]
