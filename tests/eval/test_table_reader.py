from dataclasses import replace

import cv2
import numpy as np
import pytest

from morelli.data_pipeline.images import Picture, picture_from_bytes
from morelli.data_pipeline.instruments import measure
from morelli.data_pipeline.places import WHOLE
from morelli.data_pipeline.schema import Measurement, Status
from morelli.eval.claims import Words
from morelli.eval.table_reader import table_reader


@pytest.fixture
def picture() -> Picture:
    pixels = np.random.default_rng(0).integers(0, 255, (90, 120, 3), np.uint8)
    return picture_from_bytes(cv2.imencode(".png", pixels)[1].tobytes(), "grain.png")


def reading(name: str, value: float | None, reliability: float = 0.9) -> Measurement:
    heat = np.zeros((90, 120), np.float32)
    heat[60:, :40] = 1
    reliability = 0.0 if value is None else reliability
    return Measurement(name, value, "times", (0.2, 1.8), reliability, "It is stronger.", heat)


def test_every_reading_out_of_its_range_is_put_into_words_and_no_other(picture: Picture) -> None:
    readings = (
        reading("noise", 3.4), reading("jpeg", 1.0), reading("copy-move", None),
        reading("sharpness", 4.0), reading("error-level", 9.0, 0.1), reading("spectrum", 2.5),
        reading("resampling", 2.0), reading("jpeg-ghosts", 5.0), reading("aberration", 6.0),
    )  # fmt: skip
    said = Words.from_json(table_reader(picture, readings))
    named = [finding.instrument for finding in said.findings]
    assert named == ["noise", "sharpness", "spectrum", "resampling", "jpeg-ghosts", "aberration"]
    assert {finding.status for finding in said.findings} == {Status.CONFIRMED}
    assert {finding.place for finding in said.findings} == {"lower left"}
    assert "3.4" in said.text


def test_it_says_the_same_each_time_and_nothing_of_an_ordinary_picture(picture: Picture) -> None:
    readings = (reading("noise", 3.4), replace(reading("jpeg", 3.0), map=None))
    assert table_reader(picture, readings) == table_reader(picture, readings)
    assert [one["place"] for one in table_reader(picture, readings)["findings"]] == [
        "lower left", WHOLE]  # fmt: skip
    silent = table_reader(picture, [reading("noise", 1.0)])
    assert silent == {"rationale": "", "withheld": 0, "findings": []}


def test_its_words_stand_up_to_the_verifier_on_real_readings(picture: Picture) -> None:
    said = Words.from_json(table_reader(picture, measure(picture)))
    assert all(finding.status is Status.CONFIRMED for finding in said.findings)
