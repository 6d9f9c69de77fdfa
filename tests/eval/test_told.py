from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from morelli.data_pipeline.images import open_picture
from morelli.data_pipeline.instruments import measure
from morelli.data_pipeline.places import place_of_mask
from morelli.data_pipeline.prompts import QUESTION, line_of, question
from morelli.data_pipeline.verifier import cannot_tell
from morelli.eval.told import READINGS


@pytest.fixture
def tampered(tmp_path: Path, paint: Any) -> Path:
    paint(tmp_path / "a.jpg", 0, True)
    return tmp_path / "a.jpg"


def test_without_readings_only_the_question_is_left(tampered: Path) -> None:
    told = READINGS["removed"](open_picture(tampered), None, tampered)
    assert question(told.measurements, told.height, told.width) == QUESTION


def test_shuffled_readings_are_those_of_the_other_picture(
    tampered: Path, tmp_path: Path, paint: Any
) -> None:
    other = tmp_path / "b.png"
    paint(other, 1, False)
    told = READINGS["shuffled"](open_picture(tampered), None, other)
    picture = open_picture(other)
    own = question(measure(picture), picture.height, picture.width)
    assert question(told.measurements, told.height, told.width) == own


def test_contradicting_readings_turn_every_anomaly_round_and_leave_the_altered_part_alone(
    tampered: Path, red_box: NDArray[np.bool_]
) -> None:
    picture = open_picture(tampered)
    mask = np.zeros_like(red_box)
    mask[:20, :20] = True
    told = READINGS["contradicting"](picture, mask, tampered)
    for before, after in zip(measure(picture), told.measurements, strict=True):
        if cannot_tell(before):
            assert cannot_tell(after)
            continue
        assert after.anomalous is not before.anomalous
        line = line_of(after, picture.height, picture.width)
        if after.anomalous:
            assert line.endswith(("anomalous lower right", "anomalous whole picture"))
            assert place_of_mask(mask) not in line
        else:
            assert line.endswith("normal")
    assert any(not cannot_tell(one) for one in told.measurements)
