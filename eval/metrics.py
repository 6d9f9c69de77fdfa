"""The figures a localiser and a verdict are judged by, each exact and without a framework.

A soft map is scored as it is stored: in 256 levels, level / 255 being the map's value. Two
histograms of those levels, over altered and over untouched pixels, then hold everything that pixel
F1, IoU and AUC at any threshold depend on, so a set of any size is scored in constant memory.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap, rankdata

LEVELS = 256
_RESAMPLES = 2000
_CONFIDENCE = 0.95
_BATCH = 1_000_000
"""Values that are resampled at a time, a bound on memory."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95 % bootstrap interval, resampled by image.

    Attributes:
        value: of all images.
        low: lower end of the interval.
        high: upper end of the interval.
        n: images that it rests on.
    """

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"

    def as_json(self) -> dict[str, Any]:
        """Return the four numbers by name."""
        return asdict(self)


@dataclass(frozen=True, slots=True, eq=False)
class PixelCounts:
    """How many pixels of one picture lie at each level of its map; all that pixel scores need.

    Attributes:
        altered: (256,) int64, pixels inside the true mask.
        untouched: (256,) int64, pixels outside it.
    """

    altered: NDArray[np.int64]
    untouched: NDArray[np.int64]

    @classmethod
    def of(cls, heat: NDArray[Any], mask: NDArray[np.bool_]) -> Self:
        """Count an (H, W) map, uint8 or floats from 0 to 1, against its (H, W) true mask.

        Raises:
            ValueError: the shapes differ, or the map has a value outside 0 to 1 or no number.
        """
        if heat.shape != mask.shape:
            raise ValueError(f"map has shape {heat.shape} but its mask {mask.shape}")
        levels = to_levels(heat)
        return cls(
            np.bincount(levels[mask], minlength=LEVELS).astype(np.int64),
            np.bincount(levels[~mask], minlength=LEVELS).astype(np.int64),
        )

    def f1_curve(self) -> NDArray[np.float64]:
        """Return the (256,) F1 of the altered class at each threshold level / 255.

        Raises:
            ValueError: the mask is empty, so there is nothing to be found.
        """
        true, false = _at_least(self.altered), _at_least(self.untouched)
        return 2 * true / (true + false + self._altered_pixels())

    def f1(self, threshold: float) -> float:
        """Return F1 = 2 TP / (2 TP + FP + FN) of the pixels at or above a threshold in 0 to 1.

        Raises:
            ValueError: the mask is empty, or the threshold lies outside 0 to 1.
        """
        return float(self.f1_curve()[_level(threshold)])

    def best_f1(self) -> tuple[float, float]:
        """Return the highest F1 at any threshold, and the lowest threshold that gives it."""
        curve = self.f1_curve()
        return float(curve.max()), int(curve.argmax()) / (LEVELS - 1)

    def iou(self, threshold: float) -> float:
        """Return TP / (TP + FP + FN) of the pixels at or above a threshold in 0 to 1.

        Raises:
            ValueError: as `f1`.
        """
        overlap = self.f1(threshold)
        return overlap / (2 - overlap)

    def auc(self) -> float:
        """Return the chance that an altered pixel has a higher level than an untouched one.

        Ties count half, as in the area under the ROC curve.

        Raises:
            ValueError: the mask is empty or covers everything.
        """
        untouched = int(self.untouched.sum())
        if not untouched:
            raise ValueError("pixel AUC needs untouched pixels, but the mask covers everything")
        below = np.cumsum(self.untouched) - self.untouched
        wins = (self.altered * (below + 0.5 * self.untouched)).sum()
        return float(wins / (self._altered_pixels() * untouched))

    def false_alarm_area(self, threshold: float) -> float:
        """Return the share of the untouched pixels at or above a threshold in 0 to 1.

        Raises:
            ValueError: no pixel is untouched, or the threshold lies outside 0 to 1.
        """
        untouched = int(self.untouched.sum())
        if not untouched:
            raise ValueError("there are no untouched pixels to raise a false alarm on")
        return float(_at_least(self.untouched)[_level(threshold)] / untouched)

    def _altered_pixels(self) -> int:
        count = int(self.altered.sum())
        if not count:
            raise ValueError("the mask is empty; score an untouched picture by its false alarms")
        return count


def to_levels(heat: NDArray[Any]) -> NDArray[np.uint8]:
    """Return a map as it is stored, uint8; one that is uint8 already is returned as it is.

    Raises:
        ValueError: a value outside 0 to 1, or not a number.
    """
    if heat.dtype == np.uint8:
        return heat
    if not ((heat >= 0) & (heat <= 1)).all():
        raise ValueError("map must hold numbers from 0 to 1; it holds others, or NaN")
    return np.asarray(np.rint(heat * (LEVELS - 1)), np.uint8)


def best_global_threshold(counts: Sequence[PixelCounts]) -> tuple[float, NDArray[np.float64]]:
    """Choose the one threshold for a whole set that gives the highest mean F1.

    Returns:
        The threshold in 0 to 1, the lowest of equals, and the (n,) F1 of each picture at it.

    Raises:
        ValueError: the set is empty, or one of its masks is.
    """
    if not counts:
        raise ValueError("an empty set has no best threshold")
    curves = np.stack([one.f1_curve() for one in counts])
    best = int(curves.mean(0).argmax())
    return best / (LEVELS - 1), curves[:, best]


def roc_auc(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """Return the chance that a positive scores higher than a negative; ties count half.

    Args:
        scores: (n,) finite numbers, higher = more likely positive.
        positive: (n,) truth.

    Raises:
        ValueError: a score is not finite, the lengths differ or a class is missing.
    """
    if scores.shape != positive.shape or not np.isfinite(scores).all():
        raise ValueError(f"need one finite score a label, got {scores.shape}, {positive.shape}")
    wanted, others = int(positive.sum()), int((~positive).sum())
    if not wanted or not others:
        raise ValueError(f"ROC-AUC needs both classes, got {wanted} positive, {others} negative")
    return float(_rank_auc(scores[positive], scores[~positive]))


def mean_estimate(values: Sequence[float] | NDArray[np.float64], lowest: float = 0.0) -> Estimate:
    """Return the mean of one value an image.

    Args:
        values: (n,) from `lowest` to 1.
        lowest: what a value can be at least: -1 for differences.

    Raises:
        ValueError: there are no values, or one is not finite.
    """
    array = np.asarray(values, np.float64)
    if not array.size or not np.isfinite(array).all():
        raise ValueError(f"a mean needs finite values, got {array.size} of them")
    return _estimate([array], np.mean, lowest)


def auc_estimate(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> Estimate:
    """Return the ROC-AUC; its interval resamples the images of each class apart.

    Raises:
        ValueError: as `roc_auc`.
    """
    roc_auc(scores, positive)
    return _estimate([scores[positive], scores[~positive]], _rank_auc, 0.0)


def _rank_auc(high: NDArray[Any], low: NDArray[Any], axis: int = -1) -> NDArray[np.float64]:
    """Return the AUC of positives' and negatives' scores along the last axis."""
    wanted, others = high.shape[axis], low.shape[axis]
    ranks = rankdata(np.concatenate([high, low], axis), axis=axis)[..., :wanted]
    return np.asarray((ranks.sum(axis) - wanted * (wanted + 1) / 2) / (wanted * others))


def _estimate(
    samples: list[NDArray[np.float64]], statistic: Callable[..., Any], lowest: float
) -> Estimate:
    """Compute a statistic of independent samples and its percentile interval."""
    value = float(statistic(*samples))
    count = sum(len(sample) for sample in samples)
    if min(len(sample) for sample in samples) < 2:
        # One image says nothing of how much others would differ: the figure may be anything.
        return Estimate(value, lowest, 1.0, count)
    interval = bootstrap(
        samples, statistic, n_resamples=_RESAMPLES, batch=max(1, _BATCH // count),
        confidence_level=_CONFIDENCE, method="percentile", rng=np.random.default_rng(0),
    ).confidence_interval  # fmt: skip
    return Estimate(value, float(interval.low), float(interval.high), count)


def _at_least(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the (256,) number of pixels at or above each level."""
    return np.cumsum(counts[::-1])[::-1]


def _level(threshold: float) -> int:
    """Return the lowest level that is at or above a threshold."""
    if not 0 <= threshold <= 1:
        raise ValueError(f"a threshold must lie in 0 to 1, got {threshold}")
    return int(np.searchsorted(np.arange(LEVELS) / (LEVELS - 1), threshold))
