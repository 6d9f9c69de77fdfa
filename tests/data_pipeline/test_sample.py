from pathlib import Path

import pytest

from morelli.data_pipeline.images import open_picture
from morelli.data_pipeline.instruments import measure
from morelli.data_pipeline.sample import make_sample
from morelli.data_pipeline.schema import Measurement


@pytest.fixture(scope="module")
def readings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Measurement]:
    path = tmp_path_factory.mktemp("sample") / "sample.jpg"
    make_sample(path)
    return {reading.instrument: reading for reading in measure(open_picture(path))}


def test_the_sample_is_the_same_file_every_time(tmp_path: Path) -> None:
    make_sample(tmp_path / "first.jpg")
    make_sample(tmp_path / "second.jpg")
    assert (tmp_path / "first.jpg").read_bytes() == (tmp_path / "second.jpg").read_bytes()


def test_the_copied_grass_is_found_with_its_displacement(readings: dict[str, Measurement]) -> None:
    reading = readings["copy-move"]
    assert reading.anomalous
    across, down = reading.details["pairs"][0]["displacement"]
    assert abs(abs(across) - 110) < 3
    assert abs(abs(down) - 66) < 3


def test_the_man_from_elsewhere_was_not_saved_with_the_rest(
    readings: dict[str, Measurement],
) -> None:
    reading = readings["jpeg"]
    assert reading.anomalous
    assert reading.box is not None
    assert reading.box.x1 > 500
    assert reading.box.y1 > 500
    assert reading.box.area < 512 * 512 / 3
