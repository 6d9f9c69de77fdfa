from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from morelli.data_pipeline.images import Picture, picture_from_bytes
from morelli.eval import bounds, speed
from morelli.eval.bounds import Peaks
from morelli.model import checkpoint, examiner


@dataclass(frozen=True)
class TimedLook:
    seconds: dict[str, float]


class TimedExaminer:
    def look(self, picture: Picture) -> TimedLook:
        return TimedLook({"instruments": 1.0, "stability": 0.5})


def test_the_made_photograph_is_the_same_every_time_and_has_the_size_asked_for() -> None:
    pixels = speed.made_photograph(200, 120)
    assert pixels.shape == (120, 200, 3)
    assert (pixels == speed.made_photograph(200, 120)).all()
    assert pixels.std() > 10


@pytest.mark.parametrize("megapixels", [0.05, 0.5, 1.0, 12.0])
def test_a_size_has_as_many_pixels_as_it_says(megapixels: float) -> None:
    width, height = speed.size_of(megapixels)
    assert width * height == pytest.approx(megapixels * 1e6, rel=0.005)


def test_a_photograph_fills_the_size_it_is_timed_at(tmp_path: Path) -> None:
    path = tmp_path / "small.png"
    speed.Image.fromarray(speed.made_photograph(90, 130)).save(path)
    picture = picture_from_bytes(speed.picture_of(0.06, path), "filled.jpg")
    assert (picture.width, picture.height) == speed.size_of(0.06)


def test_every_stage_gets_a_figure_and_goals_only_the_sizes_they_are_for() -> None:
    data = speed.picture_of(0.02, None)
    looks = speed.measure_looks(TimedExaminer(), data, 1.0, 2)  # type: ignore[arg-type]
    assert [figure.name for figure in looks] == [
        "1 megapixel: verdict and map",
        "1 megapixel: instruments",
        "1 megapixel: stability",
    ]
    assert [figure.goal for figure in looks] == ["at most 4", "at most 1.5", "at most 1.5"]
    assert [figure.value for figure in looks[1:]] == [1.0, 0.5]
    assert looks[0].value < 0
    other = speed.measure_looks(TimedExaminer(), data, 2.5, 2)  # type: ignore[arg-type]
    assert other[0].name == "2.5 megapixels: verdict and map"
    assert other[0].goal == ""


def test_seconds_and_rates_stand_beside_the_least_they_could_be(random_examiner: Any) -> None:
    data = speed.picture_of(0.02, None)
    looks = [
        speed.Figure(f"1 megapixel: {stage}", 2.0, "s")
        for stage in ("verdict and map", "instruments", "encoders", "verdict", "map")
    ]
    peaks = Peaks(1e9, 1e9, 1e9)
    bounded, rates = speed.measure_rates(random_examiner, data, looks, peaks)
    least = {one.name: one.bound for one in bounded}
    assert least["1 megapixel: instruments"] is None
    found = {one.name: one for one in rates}
    for stage in ("encoders", "verdict"):
        counted = found[f"1 megapixel: {stage}, counted"].value
        assert found[f"1 megapixel: {stage}, reached"].value == pytest.approx(counted / 2)
        assert least[f"1 megapixel: {stage}"] == pytest.approx(counted)
    assert least["1 megapixel: verdict and map"] > sum(  # type: ignore[operator]
        least[f"1 megapixel: {stage}"] or 0 for stage in ("encoders", "verdict")
    )


def test_words_stand_beside_what_reading_the_weights_allows(random_examiner: Any) -> None:
    data = speed.picture_of(0.02, None)
    words = speed.measure_words(random_examiner, data, 1, Peaks(1e9, 1e9, 1e9))
    rate, _, weights, cache = words
    assert rate.bound == pytest.approx(1e3 / (weights.value + cache.value))


def test_memory_is_told_in_gigabytes() -> None:
    held = np.ones(30_000_000, np.uint8)
    assert 0.03 < speed.peak_memory().value < 100
    assert held.all()


def test_the_table_has_a_row_for_every_figure() -> None:
    figures = [
        {"name": "imports", "value": 1.5, "unit": "s", "goal": "at most 8", "bound": None},
        {"name": "words", "value": 20.0, "unit": "tokens/s", "goal": "", "bound": 31.25},
    ]
    text = speed.table({"figures": figures, "circumstances": {"cores": 2}})
    assert "| imports | 1.50 |  | s | at most 8 |" in text
    assert "| words | 20.00 | 31.25 | tokens/s |  |" in text
    assert "cores 2" in text


def test_everything_is_measured_in_one_run(
    random_examiner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = [{"instruments": 0.5}, {"instruments": 0.75}]
    stored = random_examiner.checkpoint
    monkeypatch.setattr(speed, "measure_start", lambda _: [speed.Figure("imports", 1.0, "s")])
    monkeypatch.setattr(speed, "measure_memory", lambda *_: held)
    monkeypatch.setattr(examiner.Examiner, "load", lambda *_: random_examiner)
    monkeypatch.setattr(checkpoint, "load_checkpoint", lambda *_: stored)
    monkeypatch.setattr(bounds, "_MATRIX", 128)
    monkeypatch.setattr(bounds, "_READ_BYTES", 4_000_000)
    measured = speed.measure_all(speed.Settings(megapixels=(0.02, 0.01), repeats=1, plain=1))
    figures = {one["name"]: one for one in measured["figures"]}
    for size in ("0.02 megapixels", "0.01 megapixels"):
        assert figures[f"{size}: encoders"]["bound"] > 0
        assert figures[f"{size}: verdict, reached"]["bound"] > 0
    assert figures["0.01 megapixels: instruments, memory"]["value"] == 0.75
    assert figures["words"]["bound"] > 0
    assert figures["times as fast as plain generate"]["value"] > 0
    assert measured["circumstances"]["picture"] == "made"
    assert all(f"| {name} |" in speed.table(measured) for name in figures)
