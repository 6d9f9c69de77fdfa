import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from morelli.data_pipeline.images import write_map, write_mask
from morelli.eval.evaluate import Selection, write_scores
from morelli.eval.external import import_answers
from morelli.eval.predict import Case, predict
from morelli.eval.scoring import score


@pytest.fixture
def cases(forgeries: Path) -> list[Case]:
    return Selection(["manifest"], forgeries).cases()


@pytest.fixture
def masks(tmp_path: Path, red_box: NDArray[np.bool_]) -> Path:
    """Return a tool's folder: right on the tampered pictures, empty on the others."""
    folder = tmp_path / "masks"
    folder.mkdir()
    for number in range(6):
        write_mask(red_box if number % 2 == 0 else red_box & False, folder / f"{number}.png")
    return folder


def test_a_folder_of_masks_is_scored_like_a_checkpoint(
    masks: Path, cases: list[Case], tmp_path: Path
) -> None:
    one = score(import_answers(masks, "theirs", cases, tmp_path / "out"))["sets"][0]
    assert one["pixel"]["f1"]["value"] == 1.0
    assert one["false_alarm_area"]["ungated"]["value"] == 0.0
    assert one["image"] is None


def test_json_lines_give_scores_verdicts_and_maps(
    masks: Path, cases: list[Case], tmp_path: Path
) -> None:
    lines = [{"id": f"{number}.jpg", "score": 0.8 - 0.5 * (number % 2)} for number in range(6)]
    lines[0]["map"] = "masks/0.png"
    answers = tmp_path / "answers.jsonl"
    answers.write_text("".join(json.dumps(line) + "\n" for line in lines))
    scores = score(import_answers(answers, "theirs", cases, tmp_path / "out"))
    assert scores["checkpoint"] == ["tool theirs"]
    assert scores["sets"][0]["image"]["auc"]["value"] == 1.0
    assert scores["sets"][0]["image"]["accuracy"]["value"] == 1.0
    assert scores["sets"][0]["calibration"]["brier"]["value"] > 0
    assert scores["sets"][0]["pixel"]["f1"]["n"] == 1


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"id": "0.jpg", "score": 2}', r"jsonl:1: score must lie in 0 to 1"),
        ('{"score": 0.5}', r"jsonl:1: lacks 'id'"),
        ("[]", r"jsonl:1: "),
        ('{"id": "0.jpg", "verdict": "forged"}', r"jsonl:1: .*forged"),
        ('{"id": "0.jpg"}\n{"id": "0.jpg"}', r"jsonl:2: 0\.jpg is there twice"),
        ('{"id": "9.jpg", "score": 0.5}', r"manifest\.csv:2: .*no line with id '0\.jpg'"),
        ('{"id": "0.jpg", "map": "gone.png"}', r"jsonl:1: .*gone\.png is no picture"),
    ],
)
def test_a_broken_answer_is_named_with_its_line(
    line: str, reason: str, cases: list[Case], tmp_path: Path
) -> None:
    (tmp_path / "answers.jsonl").write_text(line + "\n")
    with pytest.raises(ValueError, match=reason):
        import_answers(tmp_path / "answers.jsonl", "theirs", cases, tmp_path / "out")


def test_a_missing_or_smaller_mask_is_named(masks: Path, cases: list[Case], tmp_path: Path) -> None:
    write_map(np.zeros((40, 40)), masks / "3.png")
    with pytest.raises(ValueError, match=r"3\.png is 40 x 40 pixels but its picture 128 x 96"):
        import_answers(masks, "theirs", cases, tmp_path / "out")
    (masks / "3.png").unlink()
    with pytest.raises(ValueError, match=r"manifest\.csv:5: .*no mask for 3\.jpg"):
        import_answers(masks, "theirs", cases, tmp_path / "out")


def test_systems_are_put_beside_each_other_on_the_same_pictures_only(
    examiner: Any, masks: Path, cases: list[Case], tmp_path: Path
) -> None:
    predict(examiner, "c" * 64, cases, tmp_path / "ours")
    import_answers(masks, "theirs", cases, tmp_path / "theirs")
    write_scores(tmp_path / "theirs", {})
    shared = write_scores(tmp_path / "ours", {}, [tmp_path / "theirs"])["beside"]
    assert [(one["set"], one["system"]) for one in shared] == [
        ("boxes", "c" * 24), ("boxes", "tool theirs"), ("more", "c" * 24), ("more", "tool theirs"),
    ]  # fmt: skip
    assert "tool theirs" in (tmp_path / "ours" / "scores.md").read_text()
    import_answers(masks, "fewer", cases[:3], tmp_path / "fewer")
    write_scores(tmp_path / "fewer", {})
    with pytest.raises(ValueError, match="compare on the same pictures only"):
        write_scores(tmp_path / "ours", {}, [tmp_path / "fewer"])
