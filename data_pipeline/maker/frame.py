"""What the maker's parts hand to each other: pixels with the soft mask of what was altered."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""(H, W, 3) RGB."""

Alpha = NDArray[np.float32]
"""(H, W) in 0..1: the share of a pixel that an edit replaced."""


@dataclass(frozen=True, slots=True)
class Edited:
    """A canvas after one edit.

    Attributes:
        pixels: (H, W, 3) uint8 RGB.
        alpha: (H, W) float32, 1 where the edit replaced the pixel.
        parameters: everything that was drawn, plain JSON.
        origin: (H, W) float32, 1 where pixels of this very picture were copied from; None if
            nothing in it is a copy of another part of it.
    """

    pixels: Pixels
    alpha: Alpha
    parameters: dict[str, Any]
    origin: Alpha | None = None


def blend(host: Pixels, layer: Pixels, alpha: Alpha) -> Pixels:
    """Lay `layer` over `host` where `alpha` says so; all (H, W[, 3]) of one size."""
    rows, columns = span(alpha)
    mixed = host.copy()
    share = alpha[rows, columns, None]
    below = host[rows, columns].astype(np.float32)
    mixed[rows, columns] = to_pixels(below + (layer[rows, columns] - below) * share)
    return mixed


def span(alpha: Alpha) -> tuple[slice, slice]:
    """Return the rows and columns outside which `alpha` is zero; one pixel if all of it is."""
    rows = np.flatnonzero(alpha.any(axis=1))
    columns = np.flatnonzero(alpha.any(axis=0))
    if not len(rows):
        return slice(0, 1), slice(0, 1)
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def to_pixels(values: NDArray[Any]) -> Pixels:
    """Round and clip real values to 8 bits."""
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw a number whose logarithm is uniform: as many small ones as large ones."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def pick(rng: np.random.Generator, weights: dict[str, float]) -> str:
    """Draw a key in proportion to its weight."""
    names = list(weights)
    shares = np.array([weights[name] for name in names], dtype=np.float64)
    return names[int(rng.choice(len(names), p=shares / shares.sum()))]
