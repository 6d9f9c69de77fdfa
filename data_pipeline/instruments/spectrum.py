"""Spectrum: does the picture have the regular peaks that up-sampling in a generator leaves?

Generators build pictures by doubling coarse ones several times, which repeats traces at distances
of 2, 4 and 8 pixels and shows as peaks in the spectrum of the finest detail: Frank et al.,
"Leveraging frequency analysis for deep fake image recognition", ICML 2020; Corvi et al.,
"Intriguing properties of synthetic images: from generative adversarial networks to diffusion
models", CVPRW 2023. The grid of JPEG has its peaks on the axes, which are left out.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.fft import rfft2
from scipy.ndimage import median_filter

from morelli.data_pipeline.images import Picture
from morelli.data_pipeline.instruments.ranges import expected_range
from morelli.data_pipeline.instruments.regional import Scale
from morelli.data_pipeline.instruments.stored import luma_table, nearest_quality, stored_pixels
from morelli.data_pipeline.schema import Measurement

NAME = "spectrum"
_SCALE = Scale(NAME, "dB", 1, fewest=1)
_TILE = 64
_MOST_TILES = 900
_FEWEST_TILES = 9
_AMPLE_TILES = 64
_NEIGHBOURS = 9
_LATTICE = 8
"""Pixels: the peaks of up-sampling lie at multiples of one cycle in this many."""
_WORST, _AMPLE = 60, 90
"""Qualities of the last save between which the finest detail comes through."""
_QUIETEST = 0.05
"""Mean residual in grey levels below which there is no detail to read."""


def _residual(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the finest detail of a picture, (H, W): what a median of 3 x 3 pixels takes away."""
    gray = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    detail = gray.astype(np.float32) - cv2.medianBlur(gray, 3)
    # Edges are bounded, so that no single thing in the picture makes a peak.
    return np.asarray(np.clip(detail, -8, 8), np.float32)


def _mean_spectrum(detail: NDArray[np.float32]) -> tuple[NDArray[np.float32], int]:
    """Return the mean power of the tiles, (64, 33) in dB, and the number of tiles."""
    rows, columns = (side // _TILE for side in detail.shape)
    whole = detail[: rows * _TILE, : columns * _TILE]
    tiles = whole.reshape(rows, _TILE, columns, _TILE).swapaxes(1, 2).reshape(-1, _TILE, _TILE)
    tiles = tiles[:: int(np.ceil(len(tiles) / _MOST_TILES))]
    taper = np.outer(np.hanning(_TILE), np.hanning(_TILE)).astype(np.float32)
    power = np.square(np.abs(rfft2((tiles - tiles.mean((1, 2), keepdims=True)) * taper)))
    # Each tile counts the same, however much texture it has.
    power /= power.mean((1, 2), keepdims=True) + 1e-6
    return np.asarray(10 * np.log10(power.mean(0) + 1e-6), np.float32), len(tiles)


def _peaks(spectrum: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return by how much each frequency stands above those around it, 0 off the lattice."""
    # The spectrum goes round in both directions, and mirrors itself at its right side.
    full = np.concatenate([spectrum, np.roll(spectrum[::-1, -2:0:-1], 1, axis=0)], axis=1)
    usual = median_filter(full, _NEIGHBOURS, mode="wrap")[:, : spectrum.shape[1]]
    peaks = spectrum - usual
    lattice = np.zeros(peaks.shape, np.bool_)
    lattice[:: _TILE // _LATTICE, :: _TILE // _LATTICE] = True
    lattice[0] = lattice[:, 0] = False
    peaks[~lattice] = 0
    return np.asarray(peaks, np.float32)


def measure_spectrum(picture: Picture) -> Measurement:
    """Look for peaks in the spectrum of the finest detail of the whole picture.

    The value is by how many dB the highest peak at multiples of 1 / 8 cycle a pixel, off the axes,
    stands above the frequencies around it.
    """
    detail = _residual(np.ascontiguousarray(stored_pixels(picture)))
    last = nearest_quality(luma_table(picture.data))[0] if picture.format == "JPEG" else 100
    if min(detail.shape) < _TILE or detail.size < _FEWEST_TILES * _TILE**2:
        return _SCALE.cannot_tell("The spectrum cannot be read: the picture is too small.")
    if last <= _WORST:
        reason = f"The spectrum cannot be read: the save at quality {last} took the finest detail."
        return _SCALE.cannot_tell(reason)
    if float(np.abs(detail).mean()) < _QUIETEST:
        return _SCALE.cannot_tell("The spectrum cannot be read: the picture has no fine detail.")
    spectrum, count = _mean_spectrum(detail)
    peaks = _peaks(spectrum)
    down, across = (int(index) for index in np.unravel_index(int(np.argmax(peaks)), peaks.shape))
    value = round(float(peaks.max()), 4)
    low, high = expected_range(NAME)
    reliability = min(1.0, count / _AMPLE_TILES) * min(1.0, (last - _WORST) / (_AMPLE - _WORST))
    details: dict[str, Any] = {
        "cycles_per_pixel": [
            round(across / _TILE, 3), round((down - _TILE * (down > _TILE // 2)) / _TILE, 3)
        ],
        "tiles": count,
    }  # fmt: skip
    statement = (
        f"The highest peak in the spectrum of the finest detail stands {value:.2f} dB above its"
        f" surroundings; up to {high:.2f} is normal in photographs."
    )
    return Measurement(
        NAME, value, _SCALE.unit, (low, high), reliability, statement, details=details
    )
