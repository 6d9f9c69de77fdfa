"""Noise level: does one region carry more or less noise than the rest of the picture does?

A camera gives all of a photograph noise that depends on brightness alone. What was pasted from
another camera, scaled, smoothed or generated keeps its own.

The level of a block is the standard deviation of the finest diagonal wavelet detail, compared
between regions as proposed by Mahdian and Saic, "Using noise inconsistencies for blind image
forensics", Image and Vision Computing 2009; see also Lyu, Pan and Zhang, "Exposing region splicing
forgeries with blind local noise estimation", IJCV 2014. Only smooth blocks are read, and brightness
and texture are regressed out, because both change the estimate on untouched photographs. The
median absolute deviation that these papers use is 0 in most blocks of a JPEG file.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pywt
from numpy.typing import NDArray

from morelli.data_pipeline.images import Picture
from morelli.data_pipeline.instruments.ranges import expected_range
from morelli.data_pipeline.instruments.regions import (
    box_around,
    part_around,
    spread,
    strongest_region,
)
from morelli.data_pipeline.schema import Measurement

NAME = "noise"
_UNIT = "times"
_BLOCK = 16
_WAVELET = "db2"
_MAD_TO_SIGMA = 1.4826
_ROUNDING = 0.2
"""Noise in grey levels below which no differences are told, about that of rounding pixels."""
_DARKEST, _BRIGHTEST = 10.0, 245.0
_NEIGHBOURS = 5
_SMOOTH = 4.0
"""Coarser detail, in grey levels, up to which a block is smooth in any picture."""
_SMOOTHEST = 0.3
"""Share of a picture that is read even if none of it is smooth."""
_PRIOR_WEIGHT = 0.3
_FEWEST_USABLE = 0.05
_FEWEST_BLOCKS = 24
"""Smallest region in blocks; it is 0.5 % of the picture from 1.2 megapixels on."""
_REWEIGHTINGS = 8

Grid = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class _Blocks:
    """Readings per block of 16 x 16 pixels, each (h, w) float32.

    Attributes:
        sigma: noise level in grey levels.
        brightness: mean luma, 0 to 255.
        texture: natural logarithm of the coarser detail that noise does not explain, in grey
            levels.
        weight: 0 (saturated or textured: no evidence) to 1.
    """

    sigma: Grid
    brightness: Grid
    texture: Grid
    weight: Grid


def _luma(pixels: NDArray[np.uint8]) -> Grid:
    """Return the luma of the whole blocks of an (H, W, 3) picture."""
    height, width = (side // _BLOCK * _BLOCK for side in pixels.shape[:2])
    grey = cv2.cvtColor(np.ascontiguousarray(pixels[:height, :width]), cv2.COLOR_RGB2GRAY)
    return np.asarray(grey, np.float32)


def _tiles(band: Grid, side: int) -> Grid:
    """Return an (H, W) band as (H / side, W / side, side * side) tiles."""
    rows, columns = band.shape[0] // side, band.shape[1] // side
    tiles = band.reshape(rows, side, columns, side).swapaxes(1, 2)
    return tiles.reshape(rows, columns, side * side)


def _read_blocks(pixels: NDArray[np.uint8]) -> _Blocks:
    """Measure noise, brightness and texture of every whole block."""
    luma = _luma(pixels)
    coarse, (_, _, diagonal) = pywt.dwt2(luma, _WAVELET, mode="periodization")
    _, details = pywt.dwt2(coarse, _WAVELET, mode="periodization")
    variance = np.square(_tiles(diagonal, _BLOCK // 2)).mean(-1)
    squares = [np.square(_tiles(band, _BLOCK // 4)).mean(-1) for band in details]
    energy = np.mean(np.stack(squares), axis=0)
    tiles = _tiles(luma, _BLOCK)
    brightness = np.asarray(tiles.mean(-1), np.float32)
    saturated = ((tiles <= 2) | (tiles >= 253)).mean(-1) > 0.02
    # White noise adds the same variance to the coarser detail: what is left over is texture.
    texture = 0.5 * np.log(np.maximum(energy - variance, 0) + 1)
    usable = ~saturated & (brightness > _DARKEST) & (brightness < _BRIGHTEST)
    return _Blocks(np.sqrt(variance), brightness, texture, _smoothness(texture, usable))


def _smoothness(texture: Grid, usable: NDArray[np.bool_]) -> Grid:
    """Weigh blocks by how little their texture can pass for noise; 0 where not usable."""
    if not usable.any():
        return np.zeros_like(texture)
    limit = max(float(np.quantile(texture[usable], _SMOOTHEST)), float(np.log(_SMOOTH)))
    return np.where(usable, np.clip(1 + 2 * (limit - texture), 0, 1), 0).astype(np.float32)


def _log_ratio(blocks: _Blocks) -> Grid:
    """Return the natural logarithm of noise over the noise expected there, (h, w).

    What is expected follows from a robust regression (Tukey's biweight) of the logarithm of noise
    on brightness, its square and texture.
    """
    logarithm = 0.5 * np.log(np.square(blocks.sigma) + _ROUNDING**2)
    light = blocks.brightness / 128 - 1
    texture = blocks.texture - float(np.median(blocks.texture))
    terms = np.stack([np.ones_like(light), light, light**2, texture, texture**2], -1)
    terms = terms.astype(np.float64)
    weight = blocks.weight.astype(np.float64)
    ratio = logarithm - np.median(logarithm[weight > 0])
    for _ in range(_REWEIGHTINGS):
        scale = max(0.1, _MAD_TO_SIGMA * float(np.median(np.abs(ratio[blocks.weight > 0]))))
        weight = blocks.weight * np.square(np.clip(1 - np.square(ratio / (4.7 * scale)), 0, None))
        # einsum, not matmul: BLAS may add up in another order with another number of threads.
        normal = np.einsum("hwi,hwj,hw->ij", terms, terms, weight) + 1e-3 * np.eye(5)
        moment = np.einsum("hwi,hw,hw->i", terms, logarithm, weight)
        ratio = logarithm - np.einsum("hwi,i->hw", terms, np.linalg.solve(normal, moment))
    return np.asarray(ratio, np.float32)


def _smooth(ratio: Grid, weight: Grid) -> Grid:
    """Average over neighbouring blocks by weight, towards 0 where there are few usable ones."""
    size = (_NEIGHBOURS, _NEIGHBOURS)
    total = cv2.blur(ratio * weight, size, borderType=cv2.BORDER_REPLICATE)
    count = cv2.blur(weight, size, borderType=cv2.BORDER_REPLICATE)
    return np.where(weight > 0, total / (count + _PRIOR_WEIGHT), 0).astype(np.float32)


def _cannot_tell(reason: str, details: dict[str, Any]) -> Measurement:
    """Return the measurement of a picture that has no noise to compare."""
    statement = f"The noise level cannot be compared between regions: {reason}."
    return Measurement(NAME, None, _UNIT, expected_range(NAME), 0.0, statement, details=details)


def measure_noise(picture: Picture) -> Measurement:
    """Compare the noise of every region with that of the rest of the picture.

    The value is the ratio of noise levels, the larger of ratio and inverse, that a connected
    region of at least half a percent of the picture and 24 blocks reaches; it errs towards 1
    where few blocks are smooth. The map is 0.5 where the ratio is the highest expected on untouched
    photographs, on a logarithmic scale.
    """
    blocks = _read_blocks(picture.pixels)
    share = float((blocks.weight > 0.2).mean())
    noise = float(np.median(blocks.sigma[blocks.weight > 0.2])) if share else 0.0
    details: dict[str, Any] = {"noise_level": round(noise, 3), "usable_share": round(share, 3)}
    if share < _FEWEST_USABLE:
        return _cannot_tell("almost all of it is saturated or textured", details)
    if float((blocks.sigma[blocks.weight > 0.2] > 0.05).mean()) < 0.05:
        return _cannot_tell("the picture has none, as after heavy compression or drawing", details)
    ratio = _smooth(_log_ratio(blocks), blocks.weight)
    return _compare(picture, ratio, _reliability(share, noise), details)


def _compare(
    picture: Picture, ratio: Grid, reliability: float, details: dict[str, Any]
) -> Measurement:
    """Make the measurement from the (h, w) logarithm of noise over the noise expected there."""
    regions = [(sign, strongest_region(sign * ratio, _FEWEST_BLOCKS)) for sign in (1, -1)]
    sign, best = max(regions, key=lambda pair: pair[1].level if pair[1] else 0.0)
    value = round(float(np.exp(best.level)), 4) if best else 1.0
    low, high = expected_range(NAME)
    limit = float(np.log(high))
    direction, relation = ("more", "above") if sign > 0 else ("less", "below")
    box = None
    if best and value > high:
        cells = part_around(best.cells, sign * ratio > limit).astype(np.float32)
        box = box_around(spread(cells, _BLOCK, picture.height, picture.width) > 0)
    levels = np.clip(np.abs(ratio) / (2 * limit), 0, 1).astype(np.float32)
    return Measurement(
        instrument=NAME,
        value=value,
        unit=_UNIT,
        expected=(low, high),
        reliability=reliability,
        statement=(
            f"The noise of the region that differs most is {relation} that of the rest by a factor"
            f" of {value:.2f}; up to {high:.2f} is normal in untouched photographs."
        ),
        map=spread(levels, _BLOCK, picture.height, picture.width),
        box=box,
        details={**details, "direction": direction},
    )


def _reliability(share: float, noise: float) -> float:
    """Return how far to trust the ratio: usable share of the picture, and noise to be measured."""
    return float(np.clip(share / 0.4, 0, 1) * np.clip(noise / 0.8, 0.1, 1))
