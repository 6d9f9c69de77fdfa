"""From a grid of per-block readings to the region that stands out most, and to a map of pixels."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from morelli.data_pipeline.schema import Box

_SMALLEST_SHARE = 0.005
_HALVINGS = 14


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """A connected part of a grid that stands out.

    Attributes:
        level: every cell inside reads at least this.
        cells: (h, w) bool.
    """

    level: float
    cells: NDArray[np.bool_]


def _largest(cells: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the largest connected part of an (h, w) mask, which may be empty."""
    count, labels, statistics, _ = cv2.connectedComponentsWithStats(
        cells.astype(np.uint8), connectivity=4
    )
    if count == 1:
        return cells
    return np.asarray(labels == 1 + int(np.argmax(statistics[1:, cv2.CC_STAT_AREA])), np.bool_)


def strongest_region(levels: NDArray[np.floating], fewest: int) -> Region | None:
    """Find the highest level that a connected region of half a percent of the grid reaches.

    A threshold on a map asks whether such a region exists at one level; this is the highest level
    at which the answer is yes, so the scalar and the map can never disagree.

    Args:
        levels: (h, w), one reading a cell, 0 where there is none.
        fewest: cells that a region must have in however small a grid, since chance makes small
            groups of cells stand out.

    Returns:
        The region, or None if no region reads above 0.
    """
    smallest = max(fewest, int(np.ceil(_SMALLEST_SHARE * levels.size)))
    low, high = 0.0, float(levels.max())
    found = None
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        cells = _largest(levels > middle)
        if middle > 0 and cells.sum() >= smallest:
            low, found = middle, Region(middle, cells)
        else:
            high = middle
    return found


def part_around(core: NDArray[np.bool_], cells: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the connected part of (h, w) `cells` that holds the most of `core`.

    Raises:
        ValueError: no cell of `core` is among `cells`.
    """
    _, labels = cv2.connectedComponents(cells.astype(np.uint8), connectivity=4)
    inside = labels[core & cells]
    if inside.size == 0:
        raise ValueError("the core lies outside the cells that it should grow into")
    return np.asarray(labels == np.bincount(inside).argmax(), np.bool_)


def spread(grid: NDArray[np.float32], block: int, height: int, width: int) -> NDArray[np.float32]:
    """Repeat each cell of a grid over its block of pixels; pixels beyond the grid are 0.

    Args:
        grid: (h, w) with h * block <= height and w * block <= width.
        block: side of a cell in pixels.
        height: rows of the result.
        width: columns of the result.
    """
    pixels = np.zeros((height, width), grid.dtype)
    rows, columns = grid.shape[0] * block, grid.shape[1] * block
    pixels[:rows, :columns] = grid.repeat(block, 0).repeat(block, 1)
    return pixels


def box_around(mask: NDArray[np.bool_]) -> Box:
    """Return the smallest box around an (H, W) mask that is not empty."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
