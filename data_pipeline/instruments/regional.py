"""From a grid of levels to a measurement, the same way for every instrument that compares regions.

An instrument says what it reads in each cell; here that becomes the value, the map and the box. The
value is the highest level that a connected region reaches, so it and the map never disagree.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from morelli.data_pipeline.images import Picture
from morelli.data_pipeline.instruments.ranges import expected_range
from morelli.data_pipeline.instruments.regions import (
    Region,
    box_around,
    part_around,
    strongest_region,
)
from morelli.data_pipeline.instruments.stored import grid_to_image
from morelli.data_pipeline.schema import Measurement

Grid = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Scale:
    """What the levels of an instrument mean.

    Attributes:
        name: of the instrument.
        unit: of its value.
        cell: side of a cell in pixels.
        fewest: cells that a region must have in however small a picture.
        ratios: levels are natural logarithms of a ratio; the value is the ratio, 1 at level 0.
    """

    name: str
    unit: str
    cell: int
    fewest: int
    ratios: bool = False

    def value(self, level: float) -> float:
        """Return the printed value of a level."""
        return round(float(np.exp(level)) if self.ratios else level, 4)

    def limit(self) -> float:
        """Return the highest level expected on untouched photographs."""
        high = expected_range(self.name)[1]
        return float(np.log(high)) if self.ratios else high

    def cannot_tell(self, reason: str, details: dict[str, Any] | None = None) -> Measurement:
        """Return the measurement of a picture that cannot be read, with one sentence why."""
        expected = expected_range(self.name)
        return Measurement(
            self.name, None, self.unit, expected, 0.0, reason, details=dict(details or {})
        )


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """The region that stands out most.

    Attributes:
        value: in the unit of the instrument.
        sign: 1 if the region reads more than the rest, -1 if less.
        cells: (h, w) bool, the region at its own level; empty if nothing stands out.
    """

    value: float
    sign: int
    cells: NDArray[np.bool_]


Words = Callable[[Reading], str]


def compare(
    picture: Picture,
    scale: Scale,
    levels: Grid,
    reliability: float,
    words: Words,
    details: dict[str, Any],
    corner: tuple[int, int] = (0, 0),
) -> Measurement:
    """Make the measurement of an instrument that compares regions.

    Args:
        picture: what was read.
        scale: what the levels mean.
        levels: (h, w) in the stored frame, 0 = as the rest; negative = less than the rest.
        reliability: 0 to 1.
        words: puts the reading into one sentence.
        details: plain JSON.
        corner: row and column in the stored frame where the grid begins.
    """
    limit = scale.limit()
    found = [(sign, strongest_region(sign * levels, scale.fewest)) for sign in (1, -1)]
    sign, best = max(found, key=lambda pair: pair[1].level if pair[1] else 0.0)
    cells = best.cells if best else np.zeros(levels.shape, np.bool_)
    reading = Reading(scale.value(best.level if best else 0.0), sign, cells)
    shown = np.clip(np.abs(levels) / (2 * limit), 0, 1).astype(np.float32)
    return Measurement(
        instrument=scale.name,
        value=reading.value,
        unit=scale.unit,
        expected=expected_range(scale.name),
        reliability=reliability,
        statement=words(reading),
        map=grid_to_image(picture, shown, scale.cell, corner),
        box=_box(picture, scale, sign * levels, best, corner) if best else None,
        details=details,
    )


def _box(
    picture: Picture, scale: Scale, levels: Grid, best: Region, corner: tuple[int, int]
) -> Any:
    """Return the box around the whole of an anomalous region, None around an ordinary one."""
    limit = scale.limit()
    if best.level <= limit:
        return None
    cells = part_around(best.cells, levels > limit).astype(np.float32)
    return box_around(grid_to_image(picture, cells, scale.cell, corner) > 0)


def block_means(pixels: NDArray[np.float32], cell: int) -> Grid:
    """Return the mean of every whole cell of an (H, W) or (H, W, C) array of pixels."""
    rows, columns = pixels.shape[0] // cell, pixels.shape[1] // cell
    whole = pixels[: rows * cell, : columns * cell]
    # With whole factors INTER_AREA is the exact mean, and the fastest one.
    means = cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA)
    return np.asarray(means, np.float32)


def smooth(levels: Grid, weight: Grid, window: int, prior: float = 0.3, fill: bool = False) -> Grid:
    """Average levels over neighbouring cells by weight, towards 0 where there is little weight.

    Args:
        levels: (h, w).
        weight: (h, w), 0 to 1.
        window: side of the neighbourhood in cells.
        prior: weight of the 0 that is averaged in.
        fill: cells of weight 0 get the average of their neighbours instead of 0.
    """
    size = (window, window)
    total = cv2.blur(levels * weight, size, borderType=cv2.BORDER_REPLICATE)
    count = cv2.blur(weight, size, borderType=cv2.BORDER_REPLICATE)
    average = total / (count + prior)
    return np.where((weight > 0) | fill, average, 0).astype(np.float32)


def unexplained(values: Grid, cause: Grid, weight: Grid, bins: int = 16) -> Grid:
    """Return what a cause, such as texture, leaves unexplained of values, (h, w).

    The usual value for a cause is the running median of the cells that have about as much of it.

    Args:
        values: (h, w) readings.
        cause: (h, w) what they depend on anyway.
        weight: (h, w); cells of weight 0 are not learned from.
        bins: number of medians, over equal numbers of cells.
    """
    known = weight > 0
    order = np.argsort(cause[known], kind="stable")
    groups = np.array_split(order, min(bins, max(1, len(order) // 8)))
    middles = [float(np.median(cause[known][group])) for group in groups]
    medians = [float(np.median(values[known][group])) for group in groups]
    return np.asarray(values - np.interp(cause, middles, medians), np.float32)
