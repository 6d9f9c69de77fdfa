"""Forensics-Bench: what the words of options mean, and the scores of a small table."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from morelli.data_pipeline.images import open_picture
from morelli.data_pipeline.schema import Verdict
from morelli.eval.benchmarks.forensics_bench import option_of
from morelli.eval.benchmarks.item import checked
from morelli.eval.benchmarks.registry import BENCHMARKS
from morelli.eval.evaluate import Selection, write_scores
from morelli.eval.external import import_answers

A, T, S = Verdict.AUTHENTIC, Verdict.TAMPERED, Verdict.SYNTHETIC


@pytest.fixture
def root(tmp_path: Path, trees: dict[str, tuple[Callable[[Path], None], Any, Any]]) -> Path:
    """Return the tree: five questions about four pictures, and one about a video."""
    trees["forensicsbench"][0](tmp_path / "bench")
    return tmp_path / "bench"


@pytest.mark.parametrize(
    ("text", "option"),
    [
        ("Real media without being forged", (A,)),
        ("This image is authentic.", (A,)),
        ("Entire Synthesis", (S,)),
        ("AI-generated", (S,)),
        ("Forged", (T, S)),
        ("Forged by entire synthesis", (S,)),
        ("Copy-Move", (T,)),
        ("Face Swap (Single Face) & Face Editing", (T,)),
        ("not real", ()),
        ("Not authentic but forged", ()),
        ("not forged", ()),
        ("A generated face swapped in", ()),
        ("Text Swap", ()),
        ("Spoofing", ()),
        ("Style Translation", ()),
        ("Yes", ()),
        ("[12, 30, 80, 95]", ()),
        ("unrealistic", ()),
    ],
)
def test_an_option_is_true_under_the_verdicts_that_its_words_name(
    text: str, option: tuple[Verdict, ...]
) -> None:
    assert option_of(text) == option


def test_pictures_are_read_in_the_table_and_videos_left_out(root: Path) -> None:
    items = list(checked(BENCHMARKS["forensicsbench"].read(root)))
    assert [item.sample.id for item in items] == ["0", "1", "2", "4"]
    assert [[one.id for one in item.questions] for item in items] == [
        ["0"],
        ["1"],
        ["2", "3"],
        ["4"],
    ]
    assert [item.sample.kind for item in items] == [
        None, "entiresynthesis", "faceswaponeface", "faceswaponeface"]  # fmt: skip
    for item in items:
        assert open_picture(item.sample.image).pixels.shape == (96, 128, 3)
    assert (root / "ForensicsBench.tsv").is_file()
    assert not (root / "LMUData").exists()


def test_scores_are_those_worked_out_by_hand(root: Path, tmp_path: Path) -> None:
    # 0 real: right. 1 generated, said to be tampered: neither option, unanswered. 2 face swap, said
    # to be tampered: two options are, unanswered. 3 boxes: unanswerable. 4 forged: right.
    said = [{"id": name, "verdict": verdict} for name, verdict in (
        ("0", "authentic"), ("1", "tampered"), ("2", "tampered"), ("4", "tampered"))]  # fmt: skip
    (tmp_path / "said.jsonl").write_text("\n".join(map(json.dumps, said)))
    cases = Selection(["forensicsbench"], root).cases()
    import_answers(tmp_path / "said.jsonl", "tool", cases, tmp_path / "out")
    found = write_scores(tmp_path / "out", {})["sets"][0]["questions"]
    binary, boxes, whole = (
        found[name]
        for name in ("binary classification", "localization (detection)", "all")
    )  # fmt: skip
    assert binary["accuracy"]["value"] == 2 / 4
    assert binary["answered"]["value"] == 2 / 4
    assert binary["answerable"]["value"] == 1
    assert binary["accuracy_when_answered"]["value"] == 1
    assert binary["chance"]["value"] == pytest.approx((3 / 2 + 1 / 4) / 4)
    assert (boxes["accuracy"]["value"], boxes["answerable"]["value"]) == (0, 0)
    assert whole["accuracy"]["value"] == pytest.approx(2 / 5)
    assert whole["answerable"]["value"] == pytest.approx(4 / 5)
    assert whole["by_part"]["faceswaponeface"]["value"] == pytest.approx(1 / 3)


def test_a_row_that_is_not_as_published_is_named(root: Path) -> None:
    table = root / "ForensicsBench.tsv"
    text = table.read_text()
    table.write_text(text.replace("\tA\thuman_real", "\tE\thuman_real"))
    with pytest.raises(ValueError, match=r"ForensicsBench\.tsv: index 0: not as published"):
        list(BENCHMARKS["forensicsbench"].read(root))
    table.write_text(text.replace("swaponeface_gan_visibleimage_det", "edit_gan_visibleimage_det"))
    with pytest.raises(ValueError, match=r"index 3: .*faceedit here, faceswaponeface"):
        list(BENCHMARKS["forensicsbench"].read(root))
    table.unlink()
    with pytest.raises(ValueError, match=r"ForensicsBench\.tsv does not exist; expected"):
        list(BENCHMARKS["forensicsbench"].read(root))
