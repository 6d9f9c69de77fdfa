import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from morelli.eval.charts import Chart, Line
from morelli.eval.evaluate import Selection, write_scores
from morelli.eval.page import render_page, split_figure
from morelli.eval.predict import predict
from morelli.eval.transforms import Transform


@pytest.fixture
def scores(examiner: Any, forgeries: Path, tmp_path: Path) -> dict[str, Any]:
    transforms = Transform.read(["jpeg:90", "jpeg:70"])
    cases = Selection(["manifest"], forgeries, changes=transforms).cases()
    predict(examiner, "c" * 64, cases, tmp_path / "out")
    return write_scores(tmp_path / "out", {"manifest": "as <given>"})


class Tags(HTMLParser):
    """Checks that what is opened is closed, in order."""

    EMPTY = ("meta", "br", "img")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.seen.append(tag)
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_holds_tables_curves_and_pictures_and_nothing_from_elsewhere(
    scores: dict[str, Any],
) -> None:
    page = render_page(scores)
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert tags.seen.count("img") >= 4
    assert tags.seen.count("svg") >= 4
    for title in ("ROC", "Reliability", "Where", "Robustness", "Best maps"):
        assert title in page
    assert not re.search(r'(?:src|href)="(?!data:)', page)
    assert "as &lt;given&gt;" in page


def test_pictures_that_are_gone_are_left_out(scores: dict[str, Any], forgeries: Path) -> None:
    for path in forgeries.glob("*.jpg"):
        path.unlink()
    assert "<img" not in render_page(scores)


def test_names_from_outside_stay_text(scores: dict[str, Any]) -> None:
    scores["sets"][0]["set"] = "<script>alert(1)</script>"
    page = render_page(scores)
    assert "<script" not in page


def test_a_chart_puts_its_corners_where_its_axes_end() -> None:
    chart = Chart("t", "x", "y", [Line("a", [(2, 0), (4, 1)])], x_range=(2, 4))
    (points,) = re.findall(r'polyline class="c0" points="([^"]+)"', chart.svg())
    first, last = ([float(number) for number in point.split(",")] for point in points.split())
    assert first[0] < last[0]
    assert first[1] > last[1]
    assert chart.legend == [("c0", "a")]


def test_figures_are_parted_from_their_intervals() -> None:
    assert split_figure("0.5 [0.4, 0.6]") == "<b>0.5</b> <small>[0.4, 0.6]</small>"
    assert split_figure("as is") == "as is"
