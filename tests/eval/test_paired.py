import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from morelli.data_pipeline.images import write_map, write_mask
from morelli.eval.evaluate import write_scores
from morelli.eval.paired import paired
from morelli.eval.tables import markdown

COUNT = 24


def box_in(column: int) -> Any:
    mask = np.zeros((30, 30), bool)
    mask[2:8, 10 * column + 1 : 10 * column + 9] = True
    return mask


def finding(place: str) -> dict[str, Any]:
    return {"id": "F1", "instrument": "noise", "polarity": "anomalous", "place": place,
            "box": [0, 0, 10, 10], "statement": "The grain differs.", "value": 3.0,
            "expected": [0.0, 2.0], "unit": "", "reliability": 0.9, "status": "confirmed",
            "reason": "so it reads"}  # fmt: skip


def write_system(folder: Path, right_of_ten: int, names: range = range(COUNT)) -> Path:
    """Write a system's predictions: so many in ten have place and half of the mask right.

    Every third picture is authentic, of which nothing is claimed and nothing shown.
    """
    (folder / "maps").mkdir(parents=True)
    lines = []
    for number in names:
        tampered, right = number % 3 > 0, number % 10 < right_of_ten
        mask = box_in(0)
        heat = mask.astype(np.float32) * tampered
        if not right:
            heat[:5] = 0
        write_map(heat, folder / f"maps/{number}.png")
        write_mask(mask, folder / f"maps/{number}-truth.png")
        place = "upper left" if right else "lower right"
        chance = {"authentic": 0.2, "tampered": 0.8, "synthetic": 0.0}
        answer = {"rationale": "The grain differs [F1].", "withheld": 0, "findings":
                  [finding(place)] if tampered else []}  # fmt: skip
        label = "tampered" if tampered else "authentic"
        lines.append({"set": "made", "id": str(number), "version": "as is", "label": label,
                      "image": f"{number}.png", "checkpoint": folder.name, "verdict": label,
                      "mask": f"maps/{number}-truth.png" if tampered else None,
                      "probability": chance, "maps": {"model": f"maps/{number}.png"},
                      "answer": answer})  # fmt: skip
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "predictions.jsonl").write_text(text)
    return folder


def test_differences_are_of_the_same_pictures_and_worked_by_hand(tmp_path: Path) -> None:
    worse, better = write_system(tmp_path / "a", 5), write_system(tmp_path / "b", 8)
    (row,) = paired(better, [worse])
    assert (row["set"], row["version"], row["against"]) == ("made", "as is", str(worse))
    # a system that is wrong about a tampered picture finds the half of its mask: an IoU of 1 / 2
    rights = [sum(n % 3 > 0 and n % 10 < limit for n in range(COUNT)) for limit in (5, 8)]
    precision = row["true_precision"]
    assert [precision["before"], precision["after"]] == [right / 16 for right in rights]
    assert precision["difference"]["value"] == pytest.approx((rights[1] - rights[0]) / 16)
    assert precision["difference"]["n"] == COUNT
    overlap = row["iou"]
    assert overlap["before"] == pytest.approx((rights[0] + (16 - rights[0]) / 2) / 16)
    assert overlap["difference"]["value"] == pytest.approx((rights[1] - rights[0]) / 32)
    assert overlap["difference"]["n"] == 16
    assert 0 < overlap["difference"]["low"] < overlap["difference"]["value"]
    # nothing is shown of the eight authentic pictures, as it should be
    assert row["shown_iou"]["before"] == pytest.approx((16 * overlap["before"] + 8) / COUNT)
    assert row["accuracy"]["after"] == 1
    assert row["likeliest"]["after"] == pytest.approx(16 / COUNT)


def test_the_interval_of_equal_systems_is_a_point_however_much_pictures_differ(
    tmp_path: Path,
) -> None:
    one, same = write_system(tmp_path / "a", 5), write_system(tmp_path / "b", 5)
    (row,) = paired(one, [same])
    for name in ("true_precision", "true_coverage", "iou", "f1", "shown_iou", "accuracy"):
        assert [row[name]["difference"][end] for end in ("value", "low", "high")] == [0, 0, 0]


def test_other_pictures_are_not_compared(tmp_path: Path) -> None:
    one, other = write_system(tmp_path / "a", 5), write_system(tmp_path / "b", 5, range(1, 25))
    with pytest.raises(ValueError, match="the same pictures only"):
        paired(one, [other])


def test_the_tables_tell_the_differences(tmp_path: Path) -> None:
    worse, better = write_system(tmp_path / "a", 5), write_system(tmp_path / "b", 8)
    write_scores(worse, {})
    scores = write_scores(better, {}, [worse])
    assert f"| made | as is | {worse} | Precision of places | 24 | 0.625 |" in markdown(scores)
