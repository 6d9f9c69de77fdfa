import numpy as np
import pytest

from morelli.eval.slopes import fit_slopes, slopes_and_agreement, told_out_of_fold
from morelli.eval.stability import ALL, Trial, agreements
from morelli.model.calibration import Calibrator

CHANGES = ("one", "two", "three")
TRUE = np.array([0.2, 0.7, 1.0])


def trials_of(count: int, noise: float = 0.1, seed: int = 0) -> list[Trial]:
    """Return trials whose pictures move `TRUE` times as far as their copies, and a bit at random.

    What is added to all three logits alike is large, and means nothing.
    """
    rng = np.random.default_rng(seed)
    trials = []
    for number in range(count):
        before = rng.normal(0, 1, 3)
        told = rng.normal(0, 1, (3, 3))
        after = TRUE[:, None] * told + rng.normal(0, noise, (3, 3)) + rng.normal(0, 9, (3, 1))
        trials.append(
            Trial(str(number), before, before + after, before + told, np.zeros(len(after) + 1))
        )
    return trials


def test_slopes_are_recovered_change_by_change() -> None:
    slopes = fit_slopes(trials_of(400), CHANGES)
    assert list(slopes) == list(CHANGES)
    assert list(slopes.values()) == pytest.approx(TRUE, abs=0.02)


def test_copies_that_tell_nothing_or_the_opposite_or_too_little_move_nothing_or_as_they_are() -> (
    None
):
    for factor, slope in ((0, 0.0), (-1, 0.0), (3, 1.0)):
        told = [
            Trial(t.key, t.before, t.before + factor * (t.told - t.before), t.told, t.peaks)
            for t in trials_of(20)
        ]
        assert set(fit_slopes(told, CHANGES).values()) == {slope}
    still = [
        Trial(t.key, t.before, t.after, np.stack([t.before] * 3), t.peaks) for t in trials_of(5)
    ]
    assert set(fit_slopes(still, CHANGES).values()) == {0.0}


def test_no_trial_is_told_with_slopes_that_were_fitted_on_it() -> None:
    trials, folds = trials_of(20), np.arange(20) % 5
    first = told_out_of_fold(trials, CHANGES, folds)
    others = [
        t if fold != 2 else Trial(t.key, t.before, -3 * t.after, t.told, t.peaks)
        for t, fold in zip(trials, folds, strict=True)
    ]
    second = told_out_of_fold(others, CHANGES, folds)
    for a, b, fold in zip(first, second, folds, strict=True):
        assert (a.told.tolist() == b.told.tolist()) is bool(fold == 2)


def test_slopes_tell_better_than_copies_alone_on_pictures_that_they_were_not_fitted_on() -> None:
    trials, folds = trials_of(40, noise=0.5), np.arange(40) % 5
    _, with_slopes = slopes_and_agreement(trials, CHANGES, folds, Calibrator())
    alone = agreements(trials, CHANGES, Calibrator())
    assert [one.change for one in with_slopes] == [*CHANGES, ALL]
    assert with_slopes[-1].logit_error < 0.8 * alone[-1].logit_error
    assert with_slopes[-1].logit_error < with_slopes[-1].logit_movement


def test_pictures_of_one_fold_are_refused() -> None:
    with pytest.raises(ValueError, match="one fold"):
        slopes_and_agreement(trials_of(3), CHANGES, np.zeros(3, np.intp), Calibrator())
