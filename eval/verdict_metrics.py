"""The figures a verdict and its probability are judged by, each a function of weights.

Positive means anything but authentic; its score is 1 - p(authentic). An inconclusive verdict is a
wrong one wherever the true class is asked for: who abstains gains nothing but in the figures that
say so.
"""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from morelli.data_pipeline.schema import CLASSES
from morelli.eval.estimates import (
    Estimate,
    Statistic,
    Values,
    Weights,
    estimates,
    mean_of,
    ratio_of,
)

FALSE_POSITIVE_RATES = (0.01, 0.05)
_MOST_BINS = 15
_FEWEST_IN_BIN = 10
_FEWEST_FOR_A_SHARE = 25
"""Images whose share is held against an interval; fewer would leave it by chance alone."""

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """Images in descending order of their score, with tied ones taken together.

    Attributes:
        order: (n,) indices, highest score first.
        ends: (n,) whether this one is the last of its score, in that order.
        positive: (n,) truth, in that order.
    """

    order: NDArray[np.intp]
    ends: Flags
    positive: Flags

    @classmethod
    def of(cls, scores: Values, positive: Flags) -> Self:
        """Rank (n,) finite scores, higher = more likely positive, of which both classes exist.

        Raises:
            ValueError: a score is not finite, the lengths differ or a class is missing.
        """
        if scores.shape != positive.shape or not np.isfinite(scores).all():
            raise ValueError(f"need one finite score a label, got {scores.shape}, {positive.shape}")
        wanted, others = int(positive.sum()), int((~positive).sum())
        if not wanted or not others:
            raise ValueError(f"a ranking needs both classes: {wanted} positive, {others} negative")
        order = np.argsort(-scores, kind="stable")
        ends = np.append(np.diff(scores[order]) != 0, True)
        return cls(order, ends, positive[order])

    def counts(self, weights: Weights) -> tuple[Values, Values]:
        """Return the (B, g) true and false positives at each of the g thresholds, descending."""
        ordered = weights[:, self.order]
        true = np.cumsum(ordered * self.positive, 1)[:, self.ends]
        false = np.cumsum(ordered * ~self.positive, 1)[:, self.ends]
        return true, false

    def auc(self, weights: Weights) -> Values:
        """Return the chance that a positive scores higher than a negative; ties count half."""
        true, false = self.counts(weights)
        steps = np.diff(false, axis=1, prepend=0)
        middle = true - np.diff(true, axis=1, prepend=0) / 2
        return np.asarray((steps * middle).sum(1) / (true[:, -1] * false[:, -1]))

    def average_precision(self, weights: Weights) -> Values:
        """Return the sum of precision times the recall it adds, without interpolation."""
        true, false = self.counts(weights)
        claimed = true + false
        precision = np.divide(true, claimed, out=np.zeros_like(true), where=claimed > 0)
        return np.asarray((np.diff(true, axis=1, prepend=0) * precision).sum(1) / true[:, -1])

    def recall_at(self, false_positive_rate: float) -> Statistic:
        """Return the highest true-positive rate of a threshold that keeps the false ones below.

        Nothing is interpolated: with fewer than 1 / rate negatives, none may be positive.
        """

        def recall(weights: Weights) -> Values:
            true, false = self.counts(weights)
            kept = false <= false_positive_rate * false[:, -1:] + 1e-9
            return np.asarray(np.where(kept, true, 0).max(1) / true[:, -1])

        return recall

    def roc(self) -> tuple[Values, Values]:
        """Return the false- and true-positive rates from (0, 0) to (1, 1)."""
        true, false = self.counts(np.ones((1, len(self.order))))
        return (
            np.append(0, false[0] / false[0, -1]),
            np.append(0, true[0] / true[0, -1]),
        )

    def precision_recall(self) -> tuple[Values, Values]:
        """Return recall, ascending, and the precision at it."""
        true, false = self.counts(np.ones((1, len(self.order))))
        return true[0] / true[0, -1], true[0] / (true[0] + false[0])


@dataclass(frozen=True, slots=True, eq=False)
class Verdicts:
    """What was true of n images and what was said.

    Attributes:
        label: (n,) indices into `CLASSES`.
        said: (n,) indices into `CLASSES`; len(CLASSES) for inconclusive.
        probability: (n, 3) of `CLASSES`, or None if the system gives none.
        interval: (n, 2) of 1 - p(authentic), or None if it gives none.
    """

    label: NDArray[np.intp]
    said: NDArray[np.intp]
    probability: Values | None = None
    interval: Values | None = None

    def select(self, images: Flags) -> Self:
        """Return those of the images that (n,) flags mark."""
        return replace(
            self,
            label=self.label[images],
            said=self.said[images],
            probability=None if self.probability is None else self.probability[images],
            interval=None if self.interval is None else self.interval[images],
        )

    @property
    def positive(self) -> Flags:
        """(n,) true for anything but authentic."""
        return np.asarray(self.label != 0)

    @property
    def score(self) -> Values:
        """(n,) 1 - p(authentic); of the verdict alone 0, 0.5 (inconclusive) or 1."""
        if self.probability is not None:
            return np.asarray(1 - self.probability[:, 0])
        return np.where(self.said == 0, 0.0, np.where(self.said == len(CLASSES), 0.5, 1.0))

    def image_figures(self) -> dict[str, Estimate]:
        """Return every figure of the verdict that these images define, by name."""
        correct = (self.label == self.said).astype(float)
        binary = ((self.said != 0) == self.positive) & (self.said != len(CLASSES))
        decided = (self.said != len(CLASSES)).astype(float)
        figures: dict[str, Statistic] = {
            "accuracy": mean_of(correct),
            "binary_accuracy": mean_of(binary.astype(float)),
            "balanced_accuracy": self.balanced_accuracy,
            "macro_f1": self.macro_f1,
            "coverage": mean_of(decided),
        }
        if decided.any():
            figures["accuracy_when_decided"] = ratio_of(correct * decided, decided)
        if self.positive.any() and not self.positive.all():
            ranking = Ranking.of(self.score, self.positive)
            figures |= {"auc": ranking.auc, "average_precision": ranking.average_precision}
            for rate in FALSE_POSITIVE_RATES:
                figures[f"recall_at_{rate:.0%}_false_positives"] = ranking.recall_at(rate)
        return estimates(figures, self.label)

    def balanced_accuracy(self, weights: Weights) -> Values:
        """Return the mean recall of the classes that occur."""
        recalls = []
        for present in np.unique(self.label):
            members = (self.label == present).astype(float)
            recalls.append(weights @ (members * (self.said == present)) / (weights @ members))
        return np.asarray(np.mean(recalls, 0))

    def macro_f1(self, weights: Weights) -> Values:
        """Return the mean F1 of the classes that occur."""
        scores = []
        for present in np.unique(self.label):
            true, claimed = self.label == present, self.said == present
            total = weights @ true.astype(float) + weights @ claimed.astype(float)
            scores.append(2 * (weights @ (true & claimed).astype(float)) / total)
        return np.asarray(np.mean(scores, 0))

    def calibration_figures(self) -> dict[str, Estimate]:
        """Return ECE, Brier score and interval coverage of 1 - p(authentic).

        ECE takes bins of equally many images (at most 15, at least 10 images each). An interval
        holds if the share of manipulated images in its bin, of at least 25, lies between the bin's
        mean ends. Chance in the bin counts against it, so it holds at least as often as stated.
        """
        if self.probability is None:
            return {}
        positive, strata = self.positive.astype(float), np.zeros(len(self.label))
        gap = self.score - positive
        figures: dict[str, Statistic] = {
            "ece": self._expected_error(gap),
            "brier": mean_of(gap**2),
        }
        if self.interval is not None:
            figures["interval_coverage"] = self._interval_coverage(positive)
        return estimates(figures, strata)

    def _expected_error(self, gap: Values) -> Statistic:
        members = _members(adaptive_bins(self.score))

        def error(weights: Weights) -> Values:
            gaps = np.abs((weights * gap) @ members)
            return np.asarray(gaps.sum(1) / weights.sum(1))

        return error

    def _interval_coverage(self, positive: Values) -> Statistic:
        members = _members(adaptive_bins(self.score, _FEWEST_FOR_A_SHARE))
        assert self.interval is not None
        low, high = self.interval.T

        def coverage(weights: Weights) -> Values:
            mass = weights @ members
            with np.errstate(invalid="ignore", divide="ignore"):
                share, floor, roof = (
                    (weights * values) @ members / mass for values in (positive, low, high)
                )
            held = (floor - 1e-12 <= share) & (share <= roof + 1e-12)
            return np.asarray((held * mass).sum(1) / mass.sum(1))

        return coverage

    def reliability(self) -> list[dict[str, Any]]:
        """Return each bin's mean score, share of manipulated images and number of images."""
        bins, score = adaptive_bins(self.score), self.score
        return [
            {
                "score": float(score[bins == number].mean()),
                "share": float(self.positive[bins == number].mean()),
                "n": int((bins == number).sum()),
            }
            for number in np.unique(bins)
        ]

    def coverage_curve(self) -> tuple[Values, Values]:
        """Return coverage, ascending, and the accuracy of the likeliest class at it.

        Images are decided in descending order of the likeliest class's probability.

        Raises:
            ValueError: there are no probabilities.
        """
        if self.probability is None:
            raise ValueError("a coverage curve needs probabilities")
        order = np.argsort(-self.probability.max(1), kind="stable")
        correct = (self.probability.argmax(1) == self.label)[order]
        counts = np.arange(1, len(order) + 1)
        return counts / len(order), np.cumsum(correct) / counts


def adaptive_bins(scores: Values, fewest: int = _FEWEST_IN_BIN) -> NDArray[np.intp]:
    """Return the (n,) bin of each score: equally many in each, equal scores together."""
    wanted = int(np.clip(len(scores) // fewest, 1, _MOST_BINS))
    ordered = np.sort(scores)
    edges = np.unique(ordered[np.arange(1, wanted) * len(scores) // wanted])
    return np.searchsorted(edges, scores, side="right")


def _members(bins: NDArray[np.intp]) -> Values:
    """Return (n, K) 1 where an image lies in a bin."""
    members: Values = (bins[:, None] == np.unique(bins)).astype(np.float64)
    return members
