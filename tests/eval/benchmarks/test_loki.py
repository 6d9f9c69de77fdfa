"""LOKI's questions get the answers that verdicts and probabilities give, and nothing else."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from morelli.data_pipeline.schema import Verdict
from morelli.eval.benchmarks.item import checked
from morelli.eval.benchmarks.registry import BENCHMARKS
from morelli.eval.evaluate import Selection, write_scores
from morelli.eval.external import import_answers
from morelli.eval.tables import markdown

A, T, S = Verdict.AUTHENTIC, Verdict.TAMPERED, Verdict.SYNTHETIC


@pytest.fixture
def root(tmp_path: Path, trees: dict[str, tuple[Callable[[Path], None], Any, Any]]) -> Path:
    """Return the tree: a real and a generated picture, four yes or no, two to choose from."""
    trees["loki"][0](tmp_path / "loki")
    return tmp_path / "loki"


def test_each_picture_is_one_item_with_all_that_is_asked_about_it(root: Path) -> None:
    real, fake = checked(BENCHMARKS["loki"].read(root))
    assert [one.id for one in real.questions] == [
        "doc_tf_fake_real", "doc_tf_real_real", "real_from_fake_0", "fake_from_real_0"]  # fmt: skip
    assert [one.options for one in fake.questions] == [((S,), (A, T)), ((A,), (T, S))]
    assert [one.answer for one in fake.questions] == [0, 1]
    assert [one.answer for one in real.questions] == [1, 0, 0, 1]
    assert fake.sample.answer == "All is too smooth. An odd ear."
    assert real.sample.answer is None


def test_scores_are_those_worked_out_by_hand(root: Path, tmp_path: Path) -> None:
    # Of a tool that calls the real one authentic and the generated one tampered:
    # generated? no, no (right, wrong); from the real world? yes, no (both right).
    said = [
        {"id": "media_data/image/real.png", "score": 0.1},
        {"id": "media_data/image/fake.png", "score": 0.9},
    ]
    (tmp_path / "said.jsonl").write_text("\n".join(map(json.dumps, said)))
    out = tmp_path / "out"
    import_answers(tmp_path / "said.jsonl", "tool", Selection(["loki"], root).cases(), out)
    scores = write_scores(out, {"loki": BENCHMARKS["loki"].protocol})
    found = scores["sets"][0]["questions"]
    assert found["true or false"]["accuracy"]["value"] == 0.75
    # The real picture's two are right, of the generated one's one.
    assert found["true or false"]["balanced_accuracy"]["value"] == (1 + 0.5) / 2
    # The tool has no probability of synthetic, so that both pictures tie.
    assert found["multiple choice"]["answered"]["value"] == 0
    assert found["multiple choice"]["accuracy"]["value"] == 0
    assert found["all"]["accuracy"]["value"] == pytest.approx(3 / 6)
    assert "| loki | as is | true or false | 4 | 0.750 [" in markdown(scores)
    assert "not LOKI's GPT-4o scores" in (out / "scores.html").read_text().replace("&#39;", "'")


def test_a_label_that_changes_and_an_unknown_kind_of_question_are_named(root: Path) -> None:
    table = root / "data_json" / "image" / "multi_choice.json"
    text = table.read_text()
    table.write_text(text.replace('"answer": "A"', '"answer": "B"'))
    with pytest.raises(ValueError, match=r"multi_choice\.json: entry 0: .*real\.png is synthetic"):
        list(BENCHMARKS["loki"].read(root))
    table.write_text(text.replace("image_mc_real_from", "video_mc_real_from"))
    with pytest.raises(ValueError, match=r"entry 0: not as published: .*video_mc_real_from"):
        list(BENCHMARKS["loki"].read(root))
    table.unlink()
    with pytest.raises(ValueError, match=r"multi_choice\.json does not exist; expected"):
        list(BENCHMARKS["loki"].read(root))
