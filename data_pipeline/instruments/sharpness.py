"""Sharpness: are the edges of a region much sharper or softer than those of the rest?

What is pasted was focused and scaled elsewhere, and its border is often blurred to blend it in.
Blurring an edge that is soft already changes it little: Crete et al., "The blur effect: perception
and estimation with a new no-reference perceptual blur metric", SPIE 2007; local differences of blur
as a sign of splicing: Bahrami, Kot, Li and Li, "Blurred image splicing localization by exposing
blur type inconsistency", IEEE TIFS 2015. Depth of field does the same, so only large differences
lie outside the expected range.
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
)
from morelli.data_pipeline.instruments.stored import stored_pixels
from morelli.data_pipeline.schema import Measurement

NAME = "sharpness"
_BLOCK = 32
_SCALE = Scale(NAME, "times", _BLOCK, fewest=6, ratios=True)
_BLUR = 2.0
"""Standard deviation in pixels of the blur whose effect is read."""

_EDGE = 2.0
"""Root mean square step after blurring, in grey levels, from which a block has edges."""
_NOISE = 4.0
"""Squared grey levels that noise and compression add to steps."""
_WINDOW = 3
_FEWEST_USABLE = 0.1
_AMPLE_USABLE = 0.4


def _squared_steps(gray: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the squared gradient of (H, W) grey levels, per two pixels."""
    across = cv2.filter2D(gray, -1, np.array([[-1, 0, 1]], np.float32))
    down = cv2.filter2D(gray, -1, np.array([[-1], [0], [1]], np.float32))
    return np.asarray(across * across + down * down, np.float32)


def _loss(gray: NDArray[np.float32]) -> tuple[Grid, Grid]:
    """Return how much blurring takes from the edges of each block, and how far to trust it.

    Returns:
        (h, w) natural logarithm of the steps over those after blurring, larger where edges are
        sharper; (h, w) weight, 0 where there are no edges.
    """
    # Squared, the few steps on edges outweigh the many beside them.
    before = block_means(_squared_steps(gray), _BLOCK)
    after = block_means(_squared_steps(cv2.GaussianBlur(gray, (0, 0), _BLUR)), _BLOCK)
    weight = np.clip(np.sqrt(after) / _EDGE - 1, 0, 1).astype(np.float32)
    loss = 0.5 * np.log((before + _NOISE) / (after + _NOISE))
    return np.asarray(loss, np.float32), weight


def _words(reading: Reading) -> str:
    relation = "sharper" if reading.sign > 0 else "softer"
    return (
        f"The edges of the region that differs most are {relation} than the picture's usual ones"
        f" by a factor of {reading.value:.2f}; up to {expected_range(NAME)[1]:.2f} is normal."
    )


def measure_sharpness(picture: Picture) -> Measurement:
    """Compare the sharpness of the edges of regions.

    The value is the ratio, the larger of ratio and inverse, by which blurring weakens the edges of
    a region more than those of the rest.
    """
    pixels = np.ascontiguousarray(stored_pixels(picture))
    gray = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
    loss, weight = _loss(gray)
    usable = float((weight > 0).mean())
    details: dict[str, Any] = {"usable_share": round(usable, 3)}
    if usable < _FEWEST_USABLE or int((weight > 0).sum()) < 4 * _SCALE.fewest:
        reason = "The sharpness of regions cannot be compared: the picture has too few edges."
        return _SCALE.cannot_tell(reason, details)
    usual = float(np.median(loss[weight > 0]))
    levels = smooth(loss - usual, weight, _WINDOW, prior=0.05, fill=True)
    details["typical_loss"] = round(float(np.exp(usual)), 3)
    return compare(
        picture, _SCALE, levels, min(1.0, usable / _AMPLE_USABLE), _words, details
    )  # fmt: skip
