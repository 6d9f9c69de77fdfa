import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morelli.eval.operating_points import (
    CHOICES,
    Rate,
    for_balance,
    for_evidence,
    for_screening,
    operating_points,
)


def drawn(seed: int, count: int = 400) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    positive = rng.random(count) < 0.5
    positive[:10] = np.arange(10) % 2 == 0
    return np.round(np.clip(rng.normal(0.4 + 0.3 * positive, 0.2), 0, 1), 2), positive


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_each_threshold_keeps_what_it_promises(seed: int) -> None:
    scores, positive = drawn(seed)
    assert (scores[positive] >= for_screening(scores, positive)).mean() >= 0.95
    assert (scores[~positive] >= for_evidence(scores, positive)).mean() <= 0.01
    best = for_balance(scores, positive)
    for other in np.unique(scores):
        gain = [(scores[positive] >= one).mean() - (scores[~positive] >= one).mean()
                for one in (best, other)]  # fmt: skip
        assert gain[0] >= gain[1] - 1e-12


def test_with_few_authentic_pictures_evidence_lies_above_all_of_them() -> None:
    scores = np.array([0.1, 0.6, 0.9, 0.7])
    positive = np.array([False, False, True, True])
    assert 0.6 < for_evidence(scores, positive) < 0.7


def test_rates_are_measured_where_the_threshold_was_not_chosen() -> None:
    # one fold's authentic picture scores highest: chosen on it, evidence would let none through
    scores = np.array([0.1, 0.2, 0.99, 0.3, 0.8, 0.9, 0.85, 0.95])
    positive = np.array([False] * 4 + [True] * 4)
    folds = np.array([0, 0, 1, 0, 0, 1, 0, 1])
    points = {point.name: point for point in operating_points(scores, positive, folds)}
    assert tuple(points) == tuple(CHOICES)
    assert points["evidence"].threshold_at_even_odds > 0.99
    assert points["evidence"].false_positives.value == pytest.approx(1 / 4)


def test_precision_falls_with_the_base_rate() -> None:
    scores, positive = drawn(1)
    folds = np.arange(len(scores)) % 5
    for point in operating_points(scores, positive, folds):
        assert point.precision(0.5) > point.precision(0.02)
        recall, false = point.recall.value, point.false_positives.value
        assert point.precision(0.5) == pytest.approx(recall / (recall + false))


def test_of_nothing_nothing_is_known() -> None:
    nothing = Rate.of(0, 0)
    assert (nothing.low, nothing.high) == (0.0, 1.0)
    assert Rate.of(0, 300).high == pytest.approx(0.0126, abs=0.001)


def test_a_fold_that_holds_a_whole_class_is_refused() -> None:
    with pytest.raises(ValueError, match="a class is missing"):
        operating_points(np.array([0.1, 0.9]), np.array([False, True]), np.array([0, 1]))


def test_the_command_line_knows_every_operating_point() -> None:
    from morelli.serve.arguments import OPERATING_POINTS

    assert tuple(CHOICES) == OPERATING_POINTS
