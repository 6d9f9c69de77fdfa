"""JPEG ghosts: was a region saved before at a lower quality than the rest of the picture?

The picture is saved again at many qualities. A region changes least at the quality at which it was
saved before, so there its difference dips, like a ghost: Farid, "Exposing digital forgeries from
JPEG ghosts", IEEE TIFS 2009. A dip that the whole picture shows is its own history and is left out.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from morelli.data_pipeline.images import Picture
from morelli.data_pipeline.instruments.ranges import expected_range
from morelli.data_pipeline.instruments.regional import Grid, Reading, Scale, block_means, compare
from morelli.data_pipeline.instruments.stored import (
    grid_offset,
    nearest_quality,
    stored_luma,
    writer_of,
)
from morelli.data_pipeline.schema import Measurement

NAME = "jpeg-ghosts"
_BLOCK = 16
_SCALE = Scale(NAME, "dB", _BLOCK, fewest=12)
_LOWEST, _HIGHEST, _STEP = 42, 96, 3
_REACH = 2
"""A dip is measured against the qualities this many steps below and above."""
_SHARED_DIP = 1.0
"""Median dip in dB from which a quality is the history of the whole picture."""
_WINDOW = 3
_FLOOR = 0.15
"""Squared grey levels that rounding adds to every difference."""
_FEWEST_TEXTURED = 0.1
_TEXTURED = 2.0
_MOST_BLOCKS = 12000
"""Larger pictures are read on a lattice of blocks, since every block is compressed on its own."""
_WORST = 55
"""A file saved at this quality or lower hides whatever was saved above it."""


def _sampled(luma: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], int]:
    """Return one block out of every k by k, and k, so that not too many remain."""
    rows, columns = luma.shape[0] // _BLOCK, luma.shape[1] // _BLOCK
    every = max(1, int(np.ceil(np.sqrt(rows * columns / _MOST_BLOCKS))))
    rows, columns = rows // every * every, columns // every * every
    whole = luma[: rows * _BLOCK, : columns * _BLOCK].reshape(rows, _BLOCK, columns, _BLOCK)
    kept = whole[every // 2 :: every, :, every // 2 :: every]
    return kept.reshape(rows // every * _BLOCK, columns // every * _BLOCK), every


def _differences(luma: NDArray[np.uint8], qualities: Sequence[int]) -> NDArray[np.float32]:
    """Return the mean squared difference of each block at each quality, (Q, h, w), in dB."""
    stack = []
    for quality in qualities:
        _, saved = cv2.imencode(".jpg", luma, [cv2.IMWRITE_JPEG_QUALITY, quality])
        opened = cv2.imdecode(saved, cv2.IMREAD_GRAYSCALE)
        apart = cv2.absdiff(luma, opened).astype(np.float32)
        means = block_means(apart * apart, _BLOCK)
        around = cv2.blur(means, (_WINDOW, _WINDOW), borderType=cv2.BORDER_REFLECT_101)
        stack.append(10 * np.log10(around + _FLOOR))
    return np.asarray(stack, np.float32)


def _dips(differences: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return by how many dB each block dips at each inner quality more than blocks usually do.

    Returns:
        (q, h, w) dips; (q,) whether the picture as a whole dips at or near that quality.
    """
    below, above = differences[: -2 * _REACH], differences[2 * _REACH :]
    dips = (below + above) / 2 - differences[_REACH:-_REACH]
    usual = np.median(dips, axis=(1, 2))
    near = np.ones(2 * _REACH + 1, np.uint8)
    shared = np.convolve(usual > _SHARED_DIP, near, mode="same") > 0
    return np.asarray(dips - usual[:, None, None], np.float32), np.asarray(shared, np.bool_)


def _words(reading: Reading) -> str:
    return (
        f"Saved again at many qualities, one region changes less at one of them than the rest does,"
        f" by {reading.value:.2f} dB; up to {expected_range(NAME)[1]:.2f} is normal."
    )


def _read(picture: Picture) -> tuple[NDArray[np.uint8], tuple[int, int], int, dict[str, Any]]:
    """Return the luma from the first border of its grid on, that corner, and the last quality."""
    if picture.format == "JPEG":
        luma, table = stored_luma(picture.data)
        last, _ = nearest_quality(table)
        details: dict[str, Any] = {"quality": last, "written_by": writer_of(table)}
        return luma.astype(np.uint8), (0, 0), last, details
    gray = cv2.cvtColor(picture.pixels, cv2.COLOR_RGB2GRAY)
    top, left, _ = grid_offset(gray.astype(np.float32))
    return np.ascontiguousarray(gray[top:, left:]), (top, left), 100, {}


def measure_jpeg_ghosts(picture: Picture) -> Measurement:
    """Look for a region that was saved as JPEG before at a quality that the rest was not.

    The value is by how many dB the region's difference dips at that quality more than the rest's.
    Only ghosts on the grid of the picture are seen; `jpeg-grid` looks for others.
    """
    luma, (top, left), last, details = _read(picture)
    sample, every = _sampled(luma)
    if last <= _WORST:
        reason = f"JPEG ghosts cannot be told: the last save, at quality {last}, has hidden them."
        return _SCALE.cannot_tell(reason, details)
    qualities = range(_LOWEST, _HIGHEST + 1, _STEP)
    differences = _differences(sample, qualities)
    textured = float((differences[0] > 10 * np.log10(_TEXTURED)).mean())
    if textured < _FEWEST_TEXTURED:
        reason = "JPEG ghosts cannot be told: the picture is too smooth to change when saved."
        return _SCALE.cannot_tell(reason, details)
    dips, shared = _dips(differences)
    inner = np.array(qualities[_REACH:-_REACH])
    # Where all of the picture dips, each block does so by as much as it has texture.
    dips[shared | (inner + _REACH * _STEP >= last)] = 0
    levels: Grid = np.clip(dips.max(0), 0, None)
    scale = replace(_SCALE, cell=_BLOCK * every)
    if levels.max() > scale.limit():
        strongest = levels >= 0.8 * levels.max()
        details["ghost_quality"] = int(inner[np.argmax(dips[:, strongest].mean(1))])
    reliability = float(np.clip((last - _WORST) / 25, 0, 1)) * min(1.0, textured / 0.4)
    return compare(picture, scale, levels, reliability, _words, details, (top, left))
