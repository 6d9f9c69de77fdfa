"""Resampling: does a region carry the periodic traces of having been enlarged?

Interpolation makes the variance of second differences periodic, so their mean over the rows, or the
columns, of a region has a peak in its spectrum: Gallagher, "Detection of linear and cubic
interpolation in JPEG compressed images", CRV 2005; region by region as in Mahdian and Saic, "Blind
authentication using periodic properties of interpolation", IEEE TIFS 2008. Peaks that all of the
picture has are its own history, or the JPEG grid, and are left out.
"""

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.fft import rfft
from scipy.ndimage import uniform_filter1d

from morelli.data_pipeline.images import Picture
from morelli.data_pipeline.instruments.ranges import expected_range
from morelli.data_pipeline.instruments.regional import Reading, Scale, compare
from morelli.data_pipeline.instruments.stored import saved_quality, stored_pixels
from morelli.data_pipeline.schema import Measurement

NAME = "resampling"
_TILE, _STEP = 128, 32
_SCALE = Scale(NAME, "dB", _STEP, fewest=3)
_MOST_TILES = 1000
_NEIGHBOURS = 11
_SLOWEST = 12
"""Cycles a tile below which a peak is texture."""
_HALF_PEAK = 1
_WORST, _AMPLE = 80, 97
"""Qualities of the last save between which the traces come through."""
_FEWEST_TILES = 12
_FLATTEST = 0.3
"""Mean second difference in grey levels below which there is nothing to be periodic."""


def _roughness(gray: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the logarithm of the second difference along the rows of (H, W) grey levels."""
    second = np.abs(gray[:, :-2] - 2 * gray[:, 1:-1] + gray[:, 2:])
    rough = cv2.copyMakeBorder(cv2.log(second + 1), 0, 0, 1, 1, cv2.BORDER_REPLICATE)
    return np.asarray(rough, np.float32)


def _spectra(rough: NDArray[np.float32], step: int) -> NDArray[np.float32]:
    """Return the spectra of the mean row of overlapping tiles, (h, w, 65), in dB.

    What is above the frequencies around counts, and of that what is above the usual tile.
    """
    total = np.cumsum(rough, axis=0, dtype=np.float64)
    total = np.concatenate([np.zeros_like(total[:1]), total])
    means = ((total[_TILE:] - total[:-_TILE])[::step] / _TILE).astype(np.float32)
    tiles = np.lib.stride_tricks.sliding_window_view(means, _TILE, axis=1)[:, ::step]
    centred = (tiles - tiles.mean(-1, keepdims=True)) * np.hanning(_TILE).astype(np.float32)
    level = 10 * np.log10(np.square(np.abs(rfft(centred, axis=-1))) + 1e-9)
    level -= uniform_filter1d(level, _NEIGHBOURS, axis=-1, mode="nearest")
    return np.asarray(level - np.median(level, axis=(0, 1)), np.float32)


def _eligible() -> NDArray[np.bool_]:
    """Return which of the 65 frequencies may tell of resampling: neither slow nor the grid's."""
    cycles = np.arange(_TILE // 2 + 1)
    grid = _TILE // 8
    off_grid = np.minimum(cycles % grid, grid - cycles % grid) > _HALF_PEAK
    return np.asarray((cycles >= _SLOWEST) & off_grid & (cycles < _TILE // 2), np.bool_)


def _words(reading: Reading) -> str:
    return (
        f"In the region with the most periodic pixels a peak stands {reading.value:.2f} dB above"
        f" the rest of the picture; up to {expected_range(NAME)[1]:.2f} is normal."
    )


def _unreadable(gray: NDArray[np.float32], last: int) -> str | None:
    """Say why a picture cannot be read, None if it can."""
    sides = [1 + (side - _TILE) // _STEP for side in gray.shape]
    if last < _WORST:
        return f"the save at quality {last} hid them"
    if min(sides) < 1 or sides[0] * sides[1] < _FEWEST_TILES:
        return "the picture is too small to compare parts"
    return None


def measure_resampling(picture: Picture) -> Measurement:
    """Look for a region whose pixels are periodic in a way that the rest is not.

    The value is by how many dB, rows and columns together, the highest peak of a region's spectrum
    exceeds what the picture usually has at that frequency. Turned pieces, and pieces scaled down,
    leave less to be found.
    """
    last = saved_quality(picture) or 100
    pixels = np.ascontiguousarray(stored_pixels(picture))
    gray = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
    details: dict[str, Any] = {}
    reason = _unreadable(gray, last)
    rough = [_roughness(one) for one in (gray, np.ascontiguousarray(gray.T))]
    if reason is None and min(float(one.mean()) for one in rough) < np.log(1 + _FLATTEST):
        reason = "the picture has too little detail"
    if reason is not None:
        return _SCALE.cannot_tell(f"Traces of resampling cannot be told: {reason}.", details)
    shares = gray.size / _STEP**2 / _MOST_TILES
    step = min(_TILE, _STEP * max(1, int(np.ceil(np.sqrt(shares)))))
    # Pieces keep their proportions as a rule, so that both directions have the same period.
    both = _spectra(rough[0], step) + _spectra(rough[1], step).swapaxes(0, 1)
    cycles = np.flatnonzero(_eligible())
    peaks = both[..., cycles]
    levels = np.clip(peaks.max(-1), 0, None)
    if levels.max() > _SCALE.limit():
        strongest = int(np.argmax(peaks[levels >= 0.9 * levels.max()].mean(0)))
        details["period_pixels"] = round(float(_TILE / cycles[strongest]), 2)
    reliability = float(np.clip((last - _WORST) / (_AMPLE - _WORST), 0, 1))
    margin = (_TILE - step) // 2
    scale = replace(_SCALE, cell=step)
    return compare(picture, scale, levels, reliability, _words, details, (margin, margin))
