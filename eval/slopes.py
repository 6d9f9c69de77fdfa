"""Fits by how much what a copy tells of mild changes is shrunk, and measures what that is worth.

A copy moves more than the whole picture does, and not always the same way. The best linear guess
shrinks what it tells; it is fitted on made pictures alone.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from morelli.eval.stability import Agreement, Trial, agreements, centred
from morelli.model.calibration import Calibrator


def fit_slopes(trials: Sequence[Trial], changes: Sequence[str]) -> dict[str, float]:
    """Fit by how much each change moves whole pictures for each unit by which it moves copies.

    Least squares through the origin, kept from 0 to 1: a copy that tells nothing moves nothing.

    Args:
        trials: of made pictures, joined.
        changes: names of the rows of each trial.
    """
    told = np.stack([centred(one.told - one.before) for one in trials])
    moved = np.stack([centred(one.after - one.before) for one in trials])
    weight = (told**2).sum((0, 2))
    slopes = (told * moved).sum((0, 2)) / np.where(weight > 0, weight, 1)
    return dict(zip(changes, np.clip(slopes, 0, 1).tolist(), strict=True))


def told_out_of_fold(
    trials: Sequence[Trial], changes: Sequence[str], folds: NDArray[np.intp]
) -> list[Trial]:
    """Return each trial as it is told with slopes that were fitted without its fold.

    Args:
        trials: joined.
        changes: names of the rows of each trial.
        folds: (n,) the fold of each trial.
    """
    fitted = {
        fold: Calibrator(
            slopes=fit_slopes([t for t, f in zip(trials, folds, strict=True) if f != fold], changes)
        )
        for fold in np.unique(folds)
    }
    return [one.told_by(fitted[fold], changes) for one, fold in zip(trials, folds, strict=True)]


def slopes_and_agreement(
    trials: Sequence[Trial],
    changes: Sequence[str],
    folds: NDArray[np.intp],
    calibrator: Calibrator,
) -> tuple[dict[str, float], list[Agreement]]:
    """Fit slopes on all trials, and measure by folds how well they tell.

    Args:
        trials: of made pictures, joined.
        changes: names of the rows of each trial.
        folds: (n,) the fold of each trial.
        calibrator: by which logits become probabilities and verdicts.

    Raises:
        ValueError: all trials are in one fold.
    """
    if len(set(folds.tolist())) < 2:
        raise ValueError(
            f"{len(trials)} pictures of one fold cannot say how well slopes tell; try more"
        )
    unseen = told_out_of_fold(trials, changes, folds)
    return fit_slopes(trials, changes), agreements(unseen, changes, calibrator)
