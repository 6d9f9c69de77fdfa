from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from morelli.data_pipeline.images import Picture, picture_from_bytes
from morelli.eval import speed


@dataclass(frozen=True)
class TimedLook:
    seconds: dict[str, float]


@dataclass(frozen=True)
class SpokenReport:
    run: dict[str, int]
    seconds: dict[str, float]


class TimedExaminer:
    def look(self, picture: Picture) -> TimedLook:
        return TimedLook({"instruments": 1.0, "stability": 0.5})

    def examine(self, picture: Picture) -> SpokenReport:
        return SpokenReport({"words": 60}, {"words": 2.0})


def test_the_made_photograph_is_the_same_every_time_and_has_the_size_asked_for() -> None:
    pixels = speed.made_photograph(200, 120)
    assert pixels.shape == (120, 200, 3)
    assert (pixels == speed.made_photograph(200, 120)).all()
    assert pixels.std() > 10


def test_a_photograph_fills_the_size_it_is_timed_at(tmp_path: Path) -> None:
    path = tmp_path / "small.png"
    speed.Image.fromarray(speed.made_photograph(90, 130)).save(path)
    picture = picture_from_bytes(speed._jpeg(300, 200, path), "filled.jpg")
    assert (picture.width, picture.height) == (300, 200)


def test_every_stage_and_the_words_get_a_figure() -> None:
    data = speed._jpeg(128, 96, None)
    looks = speed.measure_looks(TimedExaminer(), data, "1 megapixel", 2)  # type: ignore[arg-type]
    assert [figure.name for figure in looks] == [
        "1 megapixel: verdict and map",
        "1 megapixel: instruments",
        "1 megapixel: stability",
    ]
    assert [figure.goal for figure in looks] == ["at most 4", "", "at most 1.5"]
    assert [figure.value for figure in looks[1:]] == [1.0, 0.5]
    assert looks[0].value < 0
    words = speed.measure_words(TimedExaminer(), data, 2)  # type: ignore[arg-type]
    assert (words[0].value, words[0].unit) == (30.0, "tokens/s")


def test_memory_is_told_in_gigabytes() -> None:
    held = np.ones(30_000_000, np.uint8)
    assert 0.03 < speed.peak_memory().value < 100
    assert held.all()


def test_the_table_has_a_row_for_every_figure() -> None:
    figure = {"name": "imports", "value": 1.5, "unit": "s", "goal": "at most 8"}
    text = speed.table({"figures": [figure], "circumstances": {"cores": 2}})
    assert "| imports | 1.50 | s | at most 8 |" in text
    assert "cores 2" in text


def test_a_checkpoint_that_is_none_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("no checkpoint")

    monkeypatch.setattr(speed, "measure_all", refuse)
    assert speed.main([]) == 1
    assert capsys.readouterr().err == "no checkpoint\n"
