"""From raw verdict logits and peaks of maps to a calibrator, by likelihood."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from morelli.eval.verdict_metrics import Flags
from morelli.model.calibration import Calibrator

FOLDS = 5

_PENALTY = 0.05
"""Of the mean square of offsets and weights."""


@dataclass(frozen=True, slots=True, eq=False)
class Raw:
    """What an uncalibrated model says of n pictures.

    Attributes:
        logits: (n, 3) of the verdict.
        peaks: (n,) of the maps.
    """

    logits: NDArray[np.float64]
    peaks: NDArray[np.float64]

    def __getitem__(self, chosen: Flags) -> "Raw":
        """Return those that an (n,) bool array marks."""
        return Raw(self.logits[chosen], self.peaks[chosen])

    def by(self, calibrator: Calibrator) -> NDArray[np.float64]:
        """Return the (n, 3) probabilities that a calibrator makes of them."""
        return calibrator.probabilities(calibrator.joined(self.logits, self.peaks))


def folds_of(groups: Sequence[str]) -> NDArray[np.intp]:
    """Return the (n,) fold of each picture; those of one photograph are in the same one."""
    names = sorted(set(groups), key=lambda name: hashlib.sha256(name.encode()).digest())
    place = {name: number % FOLDS for number, name in enumerate(names)}
    return np.array([place[group] for group in groups])


def out_of_fold(
    raw: Raw, labels: NDArray[np.int64], folds: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Let each picture be judged by a calibrator fitted without its fold.

    Args:
        raw: of n pictures.
        labels: (n,) class indices.
        folds: (n,) the fold of each picture.

    Returns:
        (n, 3) probabilities and (n, 2) intervals of 1 - p(authentic), at the base rates of the
        pictures that were fitted on.
    """
    probabilities, intervals = np.empty_like(raw.logits), np.empty((len(labels), 2))
    for fold in np.unique(folds):
        inside = folds == fold
        calibrator = calibrator_of(raw[~inside], labels[~inside])
        probabilities[inside] = raw[inside].by(calibrator)
        scores = 1 - probabilities[inside, 0]
        intervals[inside] = [calibrator.interval(float(score)) for score in scores]
    return probabilities, intervals


def calibrator_of(raw: Raw, labels: NDArray[np.int64]) -> Calibrator:
    """Fit temperature, offsets and map weights by likelihood, and keep the scores for intervals.

    Args:
        raw: of n pictures.
        labels: (n,) class indices.
    """
    return _with_pictures(_fitted(raw, labels), raw, labels)


def _with_pictures(calibrator: Calibrator, raw: Raw, labels: NDArray[np.int64]) -> Calibrator:
    """Return a calibrator that knows the pictures it was fitted on, for its intervals."""
    scores = 1 - raw.by(calibrator)[:, 0]
    order = np.argsort(scores, kind="stable")
    return replace(
        calibrator,
        prior=float((labels > 0).mean()),
        scores=tuple(round(float(score), 6) for score in scores[order]),
        manipulated=tuple(int(value) for value in (labels > 0)[order]),
    )


def _fitted(raw: Raw, labels: NDArray[np.int64]) -> Calibrator:
    return _calibrator(minimize(_loss(raw, labels), np.zeros(5), method="L-BFGS-B").x)


def _loss(raw: Raw, labels: NDArray[np.int64]) -> Callable[[NDArray[np.float64]], float]:
    rows = np.arange(len(labels))

    def loss(parameters: NDArray[np.float64]) -> float:
        chosen = raw.by(_calibrator(parameters))[rows, labels]
        penalty = _PENALTY * (parameters[1:] ** 2).mean()
        return float(-np.log(chosen + 1e-12).mean() + penalty)

    return loss


def _calibrator(parameters: NDArray[np.float64]) -> Calibrator:
    """Read log-temperature, then offsets and map weights of the two manipulated classes."""
    rate, tampered, synthetic, *weights = map(float, parameters)
    temperature = float(np.exp(rate))
    return Calibrator(
        temperature=temperature,
        offsets=(0.0, tampered, synthetic),
        # so that a weight's penalty does not hang on the temperature
        map_weights=(0.0, *(temperature * weight for weight in weights)),
    )
