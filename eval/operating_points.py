"""Chooses thresholds for what a verdict is used for, and measures what they let through.

Scores are 1 - p(authentic) at even odds: a threshold on them is one on the likelihood ratio, and so
lets through the same share of each class wherever it is used, however many pictures there are
manipulated.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morelli.eval.estimates import Values
from morelli.eval.verdict_metrics import Flags
from morelli.model.calibration import wilson

SCREENING_RECALL = 0.95
EVIDENCE_FALSE_POSITIVES = 0.01


@dataclass(frozen=True, slots=True)
class Rate:
    """A share of pictures with Wilson's 95 % interval."""

    value: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, count: int, n: int) -> "Rate":
        """Return count / n; of nothing, nothing is known."""
        if not n:
            return cls(float("nan"), 0.0, 1.0, 0)
        return cls(count / n, *wilson(count, n), n)


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """A threshold on 1 - p(authentic) at even odds, and what it does where it was not chosen.

    Attributes:
        name: a key of `CHOICES`.
        threshold_at_even_odds: scores at or above it count as manipulated.
        false_positives: share of the authentic pictures at or above it.
        recall: share of the manipulated ones.
    """

    name: str
    threshold_at_even_odds: float
    false_positives: Rate
    recall: Rate

    def precision(self, prior: float) -> float:
        """Return the share of true alarms where a share `prior` of all pictures is manipulated."""
        true = prior * self.recall.value
        alarms = true + (1 - prior) * self.false_positives.value
        return true / alarms if alarms else float("nan")

    def as_json(self) -> dict[str, Any]:
        """Return all of it by name."""
        return asdict(self)


def for_screening(scores: Values, positive: Flags) -> float:
    """Return the highest threshold that finds 95 % of the manipulated pictures."""
    found = np.sort(scores[positive])
    return float(found[int(np.floor((1 - SCREENING_RECALL) * len(found)))])


def for_balance(scores: Values, positive: Flags) -> float:
    """Return the threshold with the most recall minus false positives (Youden's index)."""
    candidates = np.unique(scores)
    recall = (scores[positive] >= candidates[:, None]).mean(1)
    false = (scores[~positive] >= candidates[:, None]).mean(1)
    return float(candidates[int(np.argmax(recall - false))])


def for_evidence(scores: Values, positive: Flags) -> float:
    """Return the lowest threshold that at most 1 % of the authentic pictures reach.

    With fewer than a hundred of them, that is none: the threshold lies just above the highest.
    """
    clean = np.sort(scores[~positive])[::-1]
    allowed = int(np.floor(EVIDENCE_FALSE_POSITIVES * len(clean)))
    return float(np.nextafter(clean[allowed], 2.0))


CHOICES: Mapping[str, Callable[[Values, Flags], float]] = {
    "screening": for_screening,
    "balanced": for_balance,
    "evidence": for_evidence,
}
"""Purpose -> how its threshold is chosen: to miss little, to err evenly, to accuse rarely."""


def operating_points(
    scores: Values, positive: Flags, folds: NDArray[np.intp]
) -> tuple[OperatingPoint, ...]:
    """Choose each threshold on all pictures, and measure it on folds that it was not chosen on.

    Args:
        scores: (n,) of 1 - p(authentic) at even odds, out of fold.
        positive: (n,) true for anything but authentic.
        folds: (n,) the fold of each picture.

    Raises:
        ValueError: a class is missing, in all pictures or in all but one fold.
    """
    made = []
    for name, choose in CHOICES.items():
        above = np.zeros(len(scores), bool)
        for fold in np.unique(folds):
            inside = folds == fold
            others = positive[~inside]
            if not others.any() or others.all():
                raise ValueError(f"without fold {fold} a class is missing; calibrate on more")
            above[inside] = scores[inside] >= choose(scores[~inside], others)
        made.append(
            OperatingPoint(
                name,
                choose(scores, positive),
                Rate.of(int(above[~positive].sum()), int((~positive).sum())),
                Rate.of(int(above[positive].sum()), int(positive.sum())),
            )
        )
    return tuple(made)
