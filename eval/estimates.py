"""Figures with their 95 % bootstrap intervals, however they are computed.

A statistic is written once, as a function of weights: one weight an image, how often a resample
draws it. All weights 1 give the figure itself. Resamples are drawn within each stratum (class), so
that a figure that needs both classes is defined in every one of them (Efron and Tibshirani, "An
Introduction to the Bootstrap", 1993; percentile intervals).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
_TAILS = (2.5, 97.5)
_BATCH = 1_000_000
"""Weights that are drawn at a time, a bound on memory."""

Weights = NDArray[np.float64]
"""(B, n): how often each of n images occurs in each of B resamples."""

Values = NDArray[np.float64]

Statistic = Callable[[Weights], Values]
"""(B, n) weights to (B,) values; NaN where a resample holds nothing to compute it of."""


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
        digits = 3 if max(abs(self.low), abs(self.high)) <= 1 else 1
        numbers = (f"{one:.{digits}f}" for one in (self.value, self.low, self.high))
        return "{} [{}, {}]".format(*numbers)

    def as_json(self) -> dict[str, Any]:
        """Return the four numbers by name."""
        return asdict(self)


def estimates(
    statistics: Mapping[str, Statistic],
    strata: NDArray[Any],
    bounds: tuple[float, float] = (0.0, 1.0),
) -> dict[str, Estimate]:
    """Compute statistics of the same images with their intervals; all see the same resamples.

    Args:
        statistics: by name.
        strata: (n,) the class of each image; resamples keep the number of each.
        bounds: lowest and highest value; the interval where a class has a single image, which
            says nothing of how much others would differ.

    Raises:
        ValueError: there are no images, or a figure is not defined for all of them.
    """
    count = len(strata)
    if not count:
        raise ValueError("a figure needs at least one image")
    whole = np.ones((1, count))
    values = {name: float(statistic(whole)[0]) for name, statistic in statistics.items()}
    for name, value in values.items():
        if not np.isfinite(value):
            raise ValueError(f"{name} is not a finite number for these {count} images")
    groups = [np.flatnonzero(strata == stratum) for stratum in np.unique(strata)]
    if min(map(len, groups)) < 2:
        return {name: Estimate(value, *bounds, count) for name, value in values.items()}
    drawn: dict[str, list[Values]] = {name: [] for name in statistics}
    for weights in _resamples(groups, count):
        for name, statistic in statistics.items():
            drawn[name].append(statistic(weights))
    return {name: _interval(values[name], drawn[name], count) for name in statistics}


def mean_estimate(values: Sequence[float] | Values, lowest: float = 0.0) -> Estimate:
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
    strata = np.zeros(array.size)
    return estimates({"mean": mean_of(array)}, strata, (lowest, 1.0))["mean"]


def mean_of(values: Values) -> Statistic:
    """Return the statistic that is the mean of (n,) values."""
    return lambda weights: np.asarray(weights @ values / weights.sum(1))


def ratio_of(above: Values, below: Values) -> Statistic:
    """Return the statistic that is sum(above) / sum(below) of (n,) values."""

    def ratio(weights: Weights) -> Values:
        whole = weights @ below
        shares: Values = np.full(len(whole), np.nan)
        np.divide(weights @ above, whole, out=shares, where=whole > 0)
        return shares

    return ratio


def _resamples(groups: Sequence[NDArray[np.intp]], count: int) -> Iterator[Weights]:
    """Yield the weights of all resamples, some at a time."""
    rng = np.random.default_rng(0)
    size = max(1, _BATCH // count)
    for start in range(0, RESAMPLES, size):
        rows = min(size, RESAMPLES - start)
        weights = np.empty((rows, count))
        for group in groups:
            members = len(group)
            drawn = rng.integers(members, size=(rows, members))
            drawn += members * np.arange(rows)[:, None]
            times = np.bincount(drawn.ravel(), minlength=rows * members)
            weights[:, group] = times.reshape(rows, members)
        yield weights


def _interval(value: float, drawn: Sequence[Values], count: int) -> Estimate:
    low, high = np.nanpercentile(np.concatenate(drawn), _TAILS)
    # Resamples of a calibration error lie above it: an interval always holds its own figure.
    return Estimate(value, min(float(low), value), max(float(high), value), count)
