"""The figures a localiser is judged by, each exact and without a framework.

A soft map is scored as it is stored: in 256 levels, level / 255 being the map's value. Two
histograms of those levels, over altered and over untouched pixels, then hold everything that pixel
F1, IoU and AUC at any threshold depend on, so a set of any size is scored in constant memory.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

LEVELS = 256


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
        joint = to_levels(heat).astype(np.intp) + LEVELS * mask
        counts = np.bincount(joint.ravel(), minlength=2 * LEVELS).astype(np.int64)
        return cls(altered=counts[LEVELS:], untouched=counts[:LEVELS])

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


def _at_least(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the (256,) number of pixels at or above each level."""
    return np.cumsum(counts[::-1])[::-1]


def _level(threshold: float) -> int:
    """Return the lowest level that is at or above a threshold."""
    if not 0 <= threshold <= 1:
        raise ValueError(f"a threshold must lie in 0 to 1, got {threshold}")
    return int(np.searchsorted(np.arange(LEVELS) / (LEVELS - 1), threshold))
