"""Error level: does a region change more or less than the rest when the picture is saved again?

What has been saved as JPEG more often than the rest changes less, what was put in fresh changes
more: Krawetz, "A picture's worth: digital image analysis and forensics", Black Hat 2007. Textured
blocks change more anyway, which misleads readers of plain error levels; here each block is compared
with blocks of the picture that have as much texture.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from morelli.data_pipeline.images import Picture
from morelli.data_pipeline.instruments.ranges import expected_range
from morelli.data_pipeline.instruments.regional import (
    Grid,
    Reading,
    Scale,
    block_means,
    compare,
    smooth,
    unexplained,
)
from morelli.data_pipeline.instruments.stored import saved_quality, stored_pixels
from morelli.data_pipeline.schema import Measurement

NAME = "error-level"
_BLOCK = 16
_SCALE = Scale(NAME, "times", _BLOCK, fewest=24, ratios=True)
_QUALITY = 90
_FLOOR = 0.15
"""Grey levels that rounding adds to every difference."""
_WINDOW = 5
_FEWEST_USABLE = 0.1
_TEXTURED = 1.0
"""Mean step to the next pixel in grey levels from which a block changes when saved."""
_WORST, _AMPLE = 60, 90
"""Qualities of the last save: up to the first all regions have become alike."""


def _change(pixels: NDArray[np.uint8]) -> Grid:
    """Return the mean absolute difference of each block to a save at quality 90, in grey levels."""
    colours = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    _, saved = cv2.imencode(".jpg", colours, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    apart = cv2.absdiff(colours, cv2.imdecode(saved, cv2.IMREAD_COLOR))
    return block_means(cv2.transform(apart.astype(np.float32), np.full((1, 3), 1 / 3)), _BLOCK)


def _texture(pixels: NDArray[np.uint8]) -> tuple[Grid, Grid]:
    """Return the mean step to the next pixel of each block, and its share of unclipped pixels."""
    gray = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    steps = cv2.absdiff(gray[:, 1:], gray[:, :-1])
    steps = cv2.copyMakeBorder(steps, 0, 0, 0, 1, cv2.BORDER_REPLICATE)
    open_pixels = ((gray > 2) & (gray < 253)).astype(np.float32)
    return block_means(steps.astype(np.float32), _BLOCK), block_means(open_pixels, _BLOCK)


def _words(reading: Reading) -> str:
    relation = "stronger" if reading.sign > 0 else "weaker"
    return (
        f"Saved again, the region that differs most changes {relation} than others of its texture,"
        f" by a factor of {reading.value:.2f}; up to {expected_range(NAME)[1]:.2f} is normal."
    )


def measure_error_level(picture: Picture) -> Measurement:
    """Compare how much regions change when the picture is saved as JPEG at quality 90.

    The value is the ratio, the larger of ratio and inverse, between the change of a region and the
    usual change of blocks of its texture.
    """
    pixels = np.ascontiguousarray(stored_pixels(picture))
    change = _change(pixels)
    steps, unclipped = _texture(pixels)
    weight = ((steps > _TEXTURED) & (unclipped > 0.98)).astype(np.float32)
    usable = float(weight.mean())
    last = saved_quality(picture) or 100
    details: dict[str, Any] = {"quality": _QUALITY, "usable_share": round(usable, 3)}
    if usable < _FEWEST_USABLE:
        reason = "Error levels cannot be compared: almost all of the picture is smooth or clipped."
        return _SCALE.cannot_tell(reason, details)
    if last <= _WORST:
        reason = f"Error levels tell nothing: the save at quality {last} made all regions alike."
        return _SCALE.cannot_tell(reason, details)
    ratio = unexplained(np.log(change + _FLOOR), np.log(steps + 1), weight)
    levels = smooth(ratio, weight, _WINDOW)
    reliability = min(1.0, usable / 0.4) * min(1.0, (last - _WORST) / (_AMPLE - _WORST))
    return compare(picture, _SCALE, levels, reliability, _words, details)
