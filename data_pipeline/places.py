"""Names for parts of a picture, as a person would say them, and the boxes they stand for."""

import numpy as np
from numpy.typing import NDArray

from morelli.data_pipeline.schema import Box

_ROWS = ("upper", "middle", "lower")
_COLUMNS = ("left", "centre", "right")

WHOLE = "whole picture"

NINTHS = tuple(
    "centre" if (row, column) == ("middle", "centre") else f"{row} {column}"
    for row in _ROWS
    for column in _COLUMNS
)
"""The nine cells of a 3 x 3 grid in reading order."""

PLACES = (*NINTHS, WHOLE)


def box_of(place: str, height: int, width: int) -> Box:
    """Return the box in the image frame that a place name stands for.

    Raises:
        ValueError: `place` is not in `PLACES`.
    """
    if place == WHOLE:
        return Box(0, 0, width, height)
    if place not in NINTHS:
        raise ValueError(f"no such place {place!r}; there are {', '.join(PLACES)}")
    row, column = divmod(NINTHS.index(place), 3)
    return Box(
        column * width // 3,
        row * height // 3,
        max((column + 1) * width // 3, column * width // 3 + 1),
        max((row + 1) * height // 3, row * height // 3 + 1),
    )


def place_of(x: float, y: float, height: int, width: int) -> str:
    """Return the ninth in which a point of the image frame lies."""
    row = min(max(int(3 * y / height), 0), 2)
    column = min(max(int(3 * x / width), 0), 2)
    return NINTHS[3 * row + column]


def place_of_mask(mask: NDArray[np.bool_]) -> str:
    """Return the ninth that holds the most of an (H, W) mask.

    Raises:
        ValueError: the mask is empty.
    """
    height, width = mask.shape
    counts = [int(box_of(place, height, width).crop(mask).sum()) for place in NINTHS]
    if not any(counts):
        raise ValueError("an empty mask has no place")
    return NINTHS[int(np.argmax(counts))]
