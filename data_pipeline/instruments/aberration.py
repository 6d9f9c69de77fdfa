"""Chromatic aberration: do the colour fringes of a region fit those that the lens gives the rest?

A lens images red and green at slightly different sizes, so that fringes point away from the optical
axis and grow with the distance from it; what is pasted brings its own: Johnson and Farid, "Exposing
digital forgeries through chromatic aberration", ACM MM&Sec 2006; block by block as in Mayer and
Stamm, "Accurate and efficient image forgery detection using lateral chromatic aberration", IEEE
TIFS 2018. Displacements are read by least squares on gradients (Lucas and Kanade, IJCAI 1981).
"""

from collections.abc import Iterator
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
from morelli.data_pipeline.instruments.stored import saved_quality, stored_pixels
from morelli.data_pipeline.schema import Measurement

NAME = "aberration"
_BLOCK = 32
_SCALE = Scale(NAME, "pixels", _BLOCK, fewest=6)
_WINDOW = 3
_REWEIGHTINGS = 6
_TEXTURED = 8.0
"""Mean squared gradient in both directions from which a block tells its displacement."""
_ALIKE = 0.8
"""Correlation of red and green from which a block has fringes and not colours."""
_MOST = 2.0
"""Pixels; larger displacements are colours mistaken for fringes."""
_FEWEST_USABLE = 0.08
_AMPLE_USABLE = 0.3
_WORST, _AMPLE = 75, 93
"""Qualities of the last save between which fringes come through."""


def _normalised(channel: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return a channel without its local mean and contrast, (H, W)."""
    size = (_BLOCK, _BLOCK)
    # Whole numbers add up to the same in any order, so that threads cannot change the sums.
    count = float(_BLOCK**2)
    mean = cv2.boxFilter(channel, cv2.CV_64F, size, normalize=False)
    mean /= count
    variance = cv2.sqrBoxFilter(channel, cv2.CV_64F, size, normalize=False)
    variance /= count
    # In place: one of these arrays takes 100 MB of a picture of 12 megapixels.
    variance -= mean * mean
    np.maximum(variance, 4, out=variance)
    np.sqrt(variance, out=variance)
    np.subtract(channel, mean, out=mean)
    mean /= variance
    return np.asarray(32 * mean, np.float32)


def _factors(
    first: NDArray[np.float32], second: NDArray[np.float32]
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Give the factors of the five products of slopes and difference that least squares sums."""
    middle = cv2.GaussianBlur((first + second) / 2, (0, 0), 1.0)
    apart = cv2.GaussianBlur(first - second, (0, 0), 1.0)
    across, down = cv2.Sobel(middle, -1, 1, 0) / 8, cv2.Sobel(middle, -1, 0, 1) / 8
    del middle
    yield from ((across, across), (across, down), (down, down), (across, apart), (down, apart))


def _displacements(
    one: NDArray[np.uint8], other: NDArray[np.uint8]
) -> tuple[NDArray[np.float32], Grid]:
    """Return by how much the blocks of two channels are displaced, and how far to trust it.

    Returns:
        (h, w, 2) pixels to the right and down; (h, w) weight, 0 where it cannot be told.
    """
    first, second = _normalised(one), _normalised(other)
    size = (_WINDOW, _WINDOW)
    xx, xy, yy, xt, yt = (
        cv2.blur(block_means(left * right, _BLOCK), size) for left, right in _factors(first, second)
    )
    determinant = xx * yy - xy * xy + 1e-3
    shift = np.stack([(yy * xt - xy * yt) / determinant, (xx * yt - xy * xt) / determinant], -1)
    # Blurred, so that a displacement of a pixel or two leaves the channels alike.
    soft, other_soft = (cv2.GaussianBlur(one, (0, 0), 2.5) for one in (first, second))
    pairs = ((soft, other_soft), (soft, soft), (other_soft, other_soft))
    shared, own, others = (
        cv2.blur(block_means(left * right, _BLOCK), size) for left, right in pairs
    )
    # a running mean of squares can end a little below zero
    alike = shared / (np.sqrt(np.maximum(own * others, 0)) + 1e-3)
    trace = xx + yy
    weakest = trace / 2 - np.sqrt(np.maximum(trace * trace / 4 - determinant, 0))
    told = (weakest > _TEXTURED) & (alike > _ALIKE) & (np.abs(shift).max(-1) < _MOST)
    return shift.astype(np.float32), told.astype(np.float32)


def _lens(shift: NDArray[np.float32], weight: Grid) -> NDArray[np.float32]:
    """Return the displacement of each block by a lens, (h, w, 2): a scaling about some point.

    Fitted robustly: what does not follow the lens of the rest must not bend it.
    """
    rows, columns = np.indices(weight.shape, np.float64)
    across, down = shift[..., 0].astype(np.float64), shift[..., 1].astype(np.float64)
    trust = weight.astype(np.float64)
    model = np.zeros(shift.shape)
    for _ in range(_REWEIGHTINGS):
        # Sums, not einsum: that adds up in another order where memory is aligned otherwise.
        total, right, low = trust.sum(), (trust * columns).sum(), (trust * rows).sum()
        far = (trust * (columns**2 + rows**2)).sum()
        normal = np.array([[far, right, low], [right, total, 0], [low, 0, total]])
        pulled = (trust * (columns * across + rows * down)).sum()
        moment = np.array([pulled, (trust * across).sum(), (trust * down).sum()])
        scale, left, top = np.linalg.solve(normal + 1e-6 * np.eye(3), moment)
        model = np.stack([scale * columns + left, scale * rows + top], -1)
        distance = np.sqrt((across - model[..., 0]) ** 2 + (down - model[..., 1]) ** 2)
        spread = max(0.05, 1.5 * float(np.median(distance[weight > 0])))
        trust = weight * np.square(np.clip(1 - np.square(distance / (3 * spread)), 0, None))
    return np.asarray(model, np.float32)


def _words(reading: Reading) -> str:
    return (
        f"The colour fringes of one region are {reading.value:.2f} pixels off those of the lens;"
        f" up to {expected_range(NAME)[1]:.2f} is normal."
    )


def measure_aberration(picture: Picture) -> Measurement:
    """Look for a region whose colour fringes do not fit the lens of the rest.

    The value is by how many pixels a region's displacement of red, or blue, against green differs
    from that of the lens.
    """
    pixels = np.ascontiguousarray(stored_pixels(picture))
    last = saved_quality(picture) or 100
    if last <= _WORST:
        reason = f"Colour fringes cannot be read: the save at quality {last} washed them out."
        return _SCALE.cannot_tell(reason)
    red, green, blue = cv2.split(pixels)
    if np.array_equal(red, green):
        return _SCALE.cannot_tell("Colour fringes cannot be read: the picture has no colours.")
    levels = np.zeros((pixels.shape[0] // _BLOCK, pixels.shape[1] // _BLOCK), np.float32)
    usable = 0.0
    details: dict[str, Any] = {}
    for name, channel in (("red", red), ("blue", blue)):
        shift, weight = _displacements(channel, green)
        share = float(weight.mean())
        details[f"{name}_usable_share"] = round(share, 3)
        if share < _FEWEST_USABLE or weight.sum() < 3 * _SCALE.fewest:
            continue
        usable = max(usable, share)
        apart = shift - _lens(shift, weight)
        around = [smooth(apart[..., axis], weight, _WINDOW, fill=True) for axis in (0, 1)]
        # Not cv2.magnitude: its last digit changes from run to run.
        levels = np.maximum(levels, np.sqrt(around[0] ** 2 + around[1] ** 2))
    if usable == 0:
        reason = "Colour fringes cannot be read: too few parts have edges without colour."
        return _SCALE.cannot_tell(reason, details)
    reliability = min(1.0, usable / _AMPLE_USABLE) * min(1.0, (last - _WORST) / (_AMPLE - _WORST))
    return compare(picture, _SCALE, levels, reliability, _words, details)
