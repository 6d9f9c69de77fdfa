from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morelli.eval.quality_bins import (
    LOSSLESS,
    MEGAPIXELS,
    QUALITY,
    merged_bins,
    reliability_by,
)
from morelli.eval.verdict_metrics import Verdicts

few = settings(max_examples=40, deadline=None)
pictures = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 200)), min_size=1, max_size=300)


def split(drawn: list[tuple[int, int]]) -> tuple[Any, list[str]]:
    return np.array([one for one, _ in drawn]), [str(photo) for _, photo in drawn]


@few
@given(pictures, st.integers(1, 60))
def test_every_bin_left_has_enough_photographs_or_is_the_only_one(
    drawn: list[tuple[int, int]], fewest: int
) -> None:
    bins, photographs = split(drawn)
    joined = merged_bins(bins, photographs, fewest)
    for first, last in joined:
        held = {photographs[one] for one in np.flatnonzero((first <= bins) & (bins <= last))}
        assert len(held) >= fewest or len(joined) == 1


@few
@given(pictures, st.integers(1, 60))
def test_joined_bins_hold_every_picture_once_and_stay_in_order(
    drawn: list[tuple[int, int]], fewest: int
) -> None:
    bins, photographs = split(drawn)
    joined = merged_bins(bins, photographs, fewest)
    held = sum(((first <= bins) & (bins <= last)).astype(int) for first, last in joined)
    assert (np.asarray(held) == 1).all()
    assert joined == sorted(joined)
    assert merged_bins(bins[::-1], photographs[::-1], fewest) == joined


def test_many_pictures_of_few_photographs_do_not_make_a_bin() -> None:
    bins = np.repeat([0, 1], [500, 60])
    photographs = ["the same"] * 500 + [f"photo {number}" for number in range(60)]
    assert merged_bins(bins, photographs) == [(0, 1)]
    assert merged_bins(bins, [str(number) for number in range(560)]) == [(0, 0), (1, 1)]


@pytest.mark.parametrize(
    ("value", "name"),
    [(12, "quality below 60"), (60, "quality 60 to 74"), (94, "quality 85 to 94"),
     (100, "quality 95 to 100"), (LOSSLESS, "quality of no JPEG")],
)  # fmt: skip
def test_a_quality_lies_in_the_bin_of_its_name(value: float, name: str) -> None:
    (place,) = QUALITY.place([value])
    assert QUALITY.name(place, place) == name
    assert len(QUALITY.names) == len(QUALITY.edges) + 1
    assert len(MEGAPIXELS.names) == len(MEGAPIXELS.edges) + 1


def test_what_is_overstated_on_bad_files_alone_is_seen_there_alone() -> None:
    rng = np.random.default_rng(0)
    positive = rng.random(400) < 0.5
    bad = np.arange(400) % 2 == 0
    score = np.where(bad, 0.9, 0.5)
    probability = np.stack([1 - score, score, np.zeros(400)], 1)
    verdicts = Verdicts(positive.astype(np.intp), np.zeros(400, np.intp), probability)
    names = [str(number) for number in range(400)]
    rows = reliability_by(verdicts, np.where(bad, 40, 90).tolist(), names, QUALITY)
    assert list(rows) == ["quality below 60", "quality 85 to 94"]
    bad_files, good_files = rows.values()
    assert bad_files["photographs"] == good_files["photographs"] == 200
    assert bad_files["excess"]["low"] > 0.3
    assert good_files["excess"]["low"] < 0 < good_files["excess"]["high"]
    assert bad_files["ece"]["value"] == pytest.approx(bad_files["stated"] - bad_files["share"])
    whole = verdicts.calibration_figures()["brier"].value
    parts = [row["brier"]["value"] * row["n"] for row in rows.values()]
    assert sum(parts) / 400 == pytest.approx(whole)


def test_a_set_of_authentic_pictures_alone_has_bins_too() -> None:
    probability = np.tile([0.8, 0.1, 0.1], (60, 1))
    verdicts = Verdicts(np.zeros(60, np.intp), np.zeros(60, np.intp), probability)
    (row,) = reliability_by(verdicts, [2.0] * 60, ["a"] * 60, MEGAPIXELS).values()
    assert (row["share"], row["photographs"]) == (0.0, 1)
    assert row["excess"]["value"] == pytest.approx(0.2)
