"""JPEG grid: does a region bear the 8 x 8 grid of another save, out of step with the picture's?

What is cut from one JPEG and pasted into another brings its block borders along, and one place in
64 is where they would fall in line. Block borders show in the second difference: Li, Yuan and Yu,
"Passive detection of doctored JPEG image via block artifact grid extraction", Signal Processing
2009. As in Nikoukhah et al., "ZERO: a local JPEG grid origin detector based on the number of DCT
zeros and its applications in image forensics", IPOL 2021, pixels vote for an origin, and a region
stands out whose votes agree; here a column or row of pixels votes where it steps most.
"""

from functools import partial
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from morelli.data_pipeline.images import Picture
from morelli.data_pipeline.instruments.ranges import expected_range
from morelli.data_pipeline.instruments.regional import Reading, Scale, compare
from morelli.data_pipeline.instruments.stored import luma_table, nearest_quality, stored_pixels
from morelli.data_pipeline.schema import Measurement

NAME = "jpeg-grid"
_CELL = 16
_WINDOW = 7
_SCALE = Scale(NAME, "standard deviations", _CELL, fewest=12)
_FAINTEST, _STRONGEST = 2, 40
"""Steps in grey levels that may vote: below is rounding, above are the edges of things."""
_AMPLE_VOTES = 40.0
"""Votes in the window around a cell, and direction, from which the reliability is full."""
_FEWEST_VOTES = 6.0
_WORST, _AMPLE_QUALITY = 86, 95
"""Qualities of the last save: below the first it leaves nothing of an older grid."""
_BORDER_VOTES = 0.18
"""Share of the votes at one phase, 1 / 8 by chance, from which the picture has a grid."""


def _votes(luma: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Count where, modulo 8, columns step most.

    Args:
        luma: (H, W).

    Returns:
        (h, w, 8) votes in cells of 16 pixels for the first column of a block.
    """
    wide = luma.astype(np.int16)
    across = np.abs(wide[:, :-3] - 3 * wide[:, 1:-2] + 3 * wide[:, 2:-1] - wide[:, 3:])
    highest = cv2.dilate(across, np.ones((1, 7), np.uint8))
    votes = (across == highest) & (across >= _FAINTEST) & (across <= _STRONGEST)
    # Entry i tells of the border between columns i + 1 and i + 2.
    rows, columns = luma.shape[0] // _CELL, luma.shape[1] // _CELL
    placed = np.zeros((rows * _CELL, columns * _CELL), np.uint8)
    placed[:, 2:-1] = votes[: rows * _CELL, : columns * _CELL - 3]
    counts = placed.reshape(rows, _CELL, columns, 2, 8).sum((1, 3), dtype=np.uint16)
    return np.asarray(counts.astype(np.float32), np.float32)


def _foreign(votes: NDArray[np.float32]) -> tuple[NDArray[np.float32], int, float]:
    """Tell by how much the votes of each cell agree on another phase than the picture's own.

    Returns:
        (h, w, 8) standard deviations above chance, 0 at the picture's phase if it has one; that
        phase; and its usual share of the votes.
    """
    around = cv2.blur(votes, (_WINDOW, _WINDOW), borderType=cv2.BORDER_REFLECT_101) * _WINDOW**2
    count = around.sum(-1, keepdims=True)
    # The median over cells, since a large region with a grid of its own may outvote the rest.
    shares = np.median(around / np.maximum(count, 1), axis=(0, 1))
    own, share = int(np.argmax(shares)), float(shares.max())
    others = np.delete(np.arange(8), own) if share >= _BORDER_VOTES else np.arange(8)
    some = around[..., others]
    usual = np.median(some / np.maximum(some.sum(-1, keepdims=True), 1), axis=(0, 1))
    usual = np.maximum(usual / max(float(usual.sum()), 1e-6), 0.05)
    expected = some.sum(-1, keepdims=True) * usual
    excess = np.zeros_like(around)
    excess[..., others] = (some - expected) / np.sqrt(expected + 1)
    return excess, own, share


def _words(grid: str, reading: Reading) -> str:
    """Put a reading into words; `grid` says what the picture as a whole has."""
    high = expected_range(NAME)[1]
    return (
        f"The picture {grid}; the region that agrees most on another grid does so by"
        f" {reading.value:.2f} standard deviations, up to {high:.2f} being normal."
    )


def measure_jpeg_grid(picture: Picture) -> Measurement:
    """Look for a region whose JPEG grid is out of step with that of the rest.

    The value is by how many standard deviations a region's votes for another grid exceed chance,
    the smaller of both directions. Regions whose grid is shifted in one direction only, one in four
    and a half, are not found.
    """
    luma = np.ascontiguousarray(cv2.cvtColor(stored_pixels(picture), cv2.COLOR_RGB2GRAY))
    down = _votes(np.ascontiguousarray(luma.T)).swapaxes(0, 1)
    votes = (np.ascontiguousarray(down), _votes(luma))
    amount = min(float(np.median(one.sum(-1))) for one in votes) * _WINDOW**2
    (above, top, row_share), (beside, left, column_share) = map(_foreign, votes)
    present = min(row_share, column_share) >= _BORDER_VOTES
    details: dict[str, Any] = {"grid": [left, top] if present else None}
    last = nearest_quality(luma_table(picture.data))[0] if picture.format == "JPEG" else 100
    if last < _WORST:
        reason = f"Other JPEG grids cannot be seen: the last save, at quality {last}, hid them."
        return _SCALE.cannot_tell(reason, details)
    if amount < _FEWEST_VOTES:
        reason = "The JPEG grid of regions cannot be compared: the picture has too little detail."
        return _SCALE.cannot_tell(reason, details)
    levels = np.clip(np.minimum(above.max(-1), beside.max(-1)), 0, None)
    if levels.max() > _SCALE.limit():
        strongest = levels >= 0.8 * levels.max()
        details["other_grid"] = [int(np.argmax(one[strongest].sum(0))) for one in (beside, above)]
    grid = "has one JPEG grid" if present else "has no JPEG grid of its own"
    reliability = min(1.0, amount / _AMPLE_VOTES) * min(1.0, (last - 80) / (_AMPLE_QUALITY - 80))
    return compare(picture, _SCALE, levels, reliability, partial(_words, grid), details)
