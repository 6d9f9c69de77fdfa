import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from morelli.data_pipeline.images import Picture
from morelli.data_pipeline.report import Report, ReportPaths
from morelli.data_pipeline.schema import Verdict
from morelli.serve.render import (
    HEADLINES,
    Views,
    cited,
    doubt,
    mask_layer,
    number,
    overlay,
    percent,
    printable,
    render_html,
    render_text,
    turning,
)

PATHS = ReportPaths(map="p/map.png", mask="p/mask.png", instruments={})
VOID = {"meta", "link", "img", "input", "br", "hr"}


class Page(HTMLParser):
    """Collects what a page holds, and refuses tags that do not nest."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data

    def values(self, name: str) -> list[str]:
        return [value for _, found in self.tags if (value := found.get(name)) is not None]


def page_of(report: Report, **changes: Any) -> Page:
    record = report.as_json(PATHS) | changes
    return Page(render_html(record, Views.of(report)))


@pytest.mark.parametrize("verdict", list(Verdict))
def test_a_page_says_its_verdict_and_its_tags_nest(
    picture: Picture, report_of: Callable[..., Report], verdict: Verdict
) -> None:
    page = page_of(report_of(picture, verdict))
    assert page.open == []
    assert HEADLINES[verdict][0] in page.words
    assert HEADLINES[verdict][1] in page.words


def test_an_authentic_verdict_is_never_put_as_proof(
    picture: Picture, report_of: Callable[..., Report]
) -> None:
    page = page_of(report_of(picture, Verdict.AUTHENTIC))
    assert "No sign of manipulation found" in page.words
    assert "Not detected is not the same as proven" in page.words


def test_a_page_asks_nothing_of_any_network_and_runs_no_script(
    picture: Picture, report_of: Callable[..., Report]
) -> None:
    page = page_of(report_of(picture))
    addresses = page.values("src") + page.values("href") + page.values("srcset")
    assert addresses
    assert all(address.startswith(("data:image/", "#")) for address in addresses)
    assert not [tag for tag, _ in page.tags if tag in ("script", "link", "iframe", "object")]
    assert not [name for _, found in page.tags for name in found if name.startswith("on")]
    assert any("default-src 'none'" in content for content in page.values("content"))


def test_hostile_words_stay_words(picture: Picture, report_of: Callable[..., Report]) -> None:
    attack = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'"
    report = report_of(
        picture,
        rationale=f"{attack} [F1]",
        metadata={attack: [attack, {attack: attack}]},
        limits=(attack,),
        manipulation=attack,
    )
    record = report.as_json(PATHS)
    record["image"]["path"] = f"{attack}.jpg"
    page = Page(render_html(record, Views.of(report)))
    assert "script" not in [tag for tag, _ in page.tags]
    assert "onerror" not in [name for _, found in page.tags for name in found]
    assert page.words.count(attack) >= 5


def test_every_citation_leads_to_a_finding_on_the_page(
    picture: Picture, report_of: Callable[..., Report]
) -> None:
    page = page_of(report_of(picture))
    links = [link[1:] for link in page.values("href") if re.fullmatch(r"#F\d+", link)]
    assert set(links) == {"F1", "F2", "F3"}
    assert set(links) <= set(page.values("id"))


def test_every_link_within_the_page_has_its_target_once(
    picture: Picture, report_of: Callable[..., Report]
) -> None:
    page = page_of(report_of(picture))
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    targets = [link[1:] for link in page.values("href") if link.startswith("#")]
    assert set(targets) | set(page.values("for")) <= set(ids)


def test_a_contradicted_claim_is_struck_through_and_the_others_are_not(
    picture: Picture, report_of: Callable[..., Report]
) -> None:
    report = report_of(picture)
    html = render_html(report.as_json(PATHS), Views.of(report))
    statement = report.findings[1].statement
    # once in the explanation, where the citation stands before its full stop, and in the finding
    assert re.findall(r"<s>(.*?)</s>", html) == [f"{statement[:-1]} ", statement]


def test_the_altered_region_can_be_seen_only_where_there_is_one(
    picture: Picture, report_of: Callable[..., Report]
) -> None:
    assert "see-mask" in page_of(report_of(picture)).values("id")
    assert "see-mask" not in page_of(report_of(picture, Verdict.INCONCLUSIVE)).values("id")


def test_a_report_with_nothing_in_its_lists_still_makes_a_page(
    picture: Picture, report_of: Callable[..., Report]
) -> None:
    empty: dict[str, Any] = {"measurements": (), "findings": (), "rationale": "", "limits": ()}
    more: dict[str, Any] = {"stability": [], "custody": [], "run": {}, "validation": {}}
    page = page_of(report_of(picture, Verdict.AUTHENTIC, **empty, **more))
    assert "The model gave no reasons" in page.words


def test_doubt_names_the_threshold_or_the_two_answers_that_cannot_be_told_apart(
    picture: Picture, report_of: Callable[..., Report]
) -> None:
    record = report_of(picture, Verdict.INCONCLUSIVE).as_json(PATHS)
    assert "threshold of 50%" in str(doubt(record))
    sure = record | {
        "interval": [0.9, 0.97],
        "probability": {"authentic": 0.06, "tampered": 0.5, "synthetic": 0.44},
    }
    assert "tampered and synthetic" in str(doubt(sure))
    assert doubt(record | {"verdict": "tampered"}) is None


def test_doubt_names_the_changes_that_turn_the_verdict(
    picture: Picture, report_of: Callable[..., Report]
) -> None:
    record = report_of(picture, Verdict.INCONCLUSIVE).as_json(PATHS)
    threshold = record["operating_point"]
    changes = [("JPEG 90", 0.9), ("JPEG 75", 0.2), ("one-pixel crop", 0.3)]
    widened = record | {
        "interval": [0.2, 0.95],
        "probability": {"authentic": 0.1, "tampered": 0.8, "synthetic": 0.1},
        "stability": [
            {"transform": name, "probability": p, "verdict": "inconclusive"} for name, p in changes
        ],
    }
    assert 0.3 < threshold < 0.9
    assert str(doubt(widened)).endswith("turns. It turns after JPEG 75, one-pixel crop.")
    assert "It turns after" not in str(doubt(widened | {"stability": []}))


def test_the_overlay_changes_the_masked_pixels_and_the_line_round_them_only() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (120, 160, 3), np.uint8)
    mask = np.zeros((120, 160), bool)
    mask[40:80, 50:100] = True
    marked = overlay(pixels, mask)
    assert marked.shape == pixels.shape
    assert marked.dtype == np.uint8
    far = np.ones_like(mask)
    far[36:84, 46:104] = False
    assert np.array_equal(marked[far], pixels[far])
    assert (marked[mask] != pixels[mask]).any(axis=1).mean() > 0.95


@pytest.mark.parametrize("level", [0, 128, 255])
def test_the_outline_stands_out_from_black_from_grey_and_from_white(level: int) -> None:
    pixels = np.full((120, 160, 3), level, np.uint8)
    mask = np.zeros((120, 160), bool)
    mask[40:80, 50:100] = True
    brightness = overlay(pixels, mask).mean(axis=2)
    assert np.abs(brightness - level).max() > 100


def test_an_empty_mask_gives_a_clear_layer_and_a_single_pixel_does_not() -> None:
    mask = np.zeros((100, 100), bool)
    assert not mask_layer(mask).any()
    mask[50, 50] = True
    assert mask_layer(mask)[50, 50, 3] == 255


def test_a_small_region_of_a_large_picture_is_still_marked_on_the_page(
    report_of: Callable[..., Report],
) -> None:
    pixels = np.zeros((64, 4000, 3), np.uint8)
    picture = Picture("wide.png", b"x", "0" * 64, "PNG", pixels, 1, ())
    mask = np.zeros((64, 4000), bool)
    mask[30, 3000] = True
    clear = report_of(picture, mask=np.zeros_like(mask))
    assert Views.of(report_of(picture, mask=mask)).overlay != Views.of(clear).overlay


@pytest.mark.parametrize(
    ("share", "words"),
    [(0, "0%"), (0.004, "under 1%"), (0.5, "50%"), (0.996, "over 99%"), (1, "100%")],
)
def test_a_share_is_said_with_no_more_digits_than_a_calibration_has(
    share: float, words: str
) -> None:
    assert percent(share) == words


def test_a_number_has_three_digits_and_a_missing_one_a_word() -> None:
    assert [number(value) for value in (0.123456, 12345.6, None)] == [
        "0.123",
        "12,346",
        "not measurable",
    ]


def test_text_for_a_terminal_says_verdict_probability_where_why_and_the_page(
    picture: Picture, report_of: Callable[..., Report]
) -> None:
    report = report_of(picture)
    text = render_text(report.as_json(PATHS), report.where, Path("out/p/report.html"), 80)
    for words in ("Tampered", "92%", "lower left", "[F1] confirmed", "[F2] contradicted"):
        assert words in text
    assert "out/p/report.html" in text
    assert max(len(line) for line in text.splitlines()) <= max(80, len(picture.path))


def test_escape_codes_in_a_file_name_never_reach_the_terminal() -> None:
    assert printable("a\x1b[31m\nb\u202e\udcff") == "a?[31m?b??"


def test_doubt_names_the_other_verdict_that_mild_changes_bring(
    picture: Picture, report_of: Callable[..., Report]
) -> None:
    record = report_of(picture, Verdict.INCONCLUSIVE).as_json(PATHS) | {
        "interval": [0.71, 0.99],
        "probability": {"authentic": 0.06, "tampered": 0.86, "synthetic": 0.08},
        "stability": [
            {"transform": "JPEG 90", "probability": 0.85, "verdict": "inconclusive"},
            {"transform": "JPEG 75", "probability": 0.95, "verdict": "tampered"},
            {"transform": "resize 0.75", "probability": 0.72, "verdict": "synthetic"},
        ],
    }
    words = "It looks tampered, but mild changes turn that: synthetic after resize 0.75."
    assert doubt(record) == words


def test_pieces_of_a_rationale_make_it_whole_again_and_sentences_stand_alone() -> None:
    rationale = "The grain differs [F1]. Nothing is copied [F2]."
    pieces = cited(rationale)
    assert [words for words, is_citation in pieces if is_citation] == ["F1", "F2"]
    assert ("Nothing is copied ", False) in pieces
    whole = "".join(f"[{words}]" if is_citation else words for words, is_citation in pieces)
    assert whole == rationale


def test_an_operating_point_is_told_with_what_was_measured_of_it(
    picture: Picture, report_of: Callable[..., Report]
) -> None:
    record = report_of(picture, Verdict.TAMPERED).as_json(PATHS)
    assert turning(record) == "50%"
    rate = {"low": 0.02, "high": 0.1}
    point = {"name": "evidence", "false_positives": {"value": 0.05, "n": 56, **rate},
             "recall": {"value": 0.06, "n": 114, **rate}}  # fmt: skip
    named = record | {
        "run": {"settings": {"decides at": "evidence"}},
        "validation": {"calibration": {"operating_points": [point]}},
    }
    assert turning(named) == (
        "50%, the operating point evidence, which called 5% (2% to 10%) of 56 authentic pictures "
        "manipulated, and found 6% (2% to 10%) of 114 manipulated ones"
    )
    told = " ".join(render_text(named, None, None, 80).split())
    assert "the operating point evidence, which called 5%" in told
    assert "operating point" not in render_text(record, None, None, 80)
