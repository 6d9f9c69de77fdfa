"""Traces that an earlier JPEG save left in the DCT coefficients of a picture.

A picture that was saved as JPEG twice has coefficients that were rounded twice, to multiples of an
earlier step and of the last one; their histograms have periodic gaps. What was put in between the
two saves was rounded only once. Both hypotheses give every block a likelihood: Lin et al., "Fast,
automatic and fine-grained tampered JPEG image detection via DCT coefficient analysis", Pattern
Recognition 2009; Bianchi and Piva, "Image forgery localization via block-grained analysis of JPEG
artifacts", IEEE TIFS 2012. A lossless file of a former JPEG is the case of a last step of 1.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn
from scipy.ndimage import gaussian_filter1d

FREQUENCIES = ((0, 1), (1, 0), (2, 0), (1, 1), (0, 2), (0, 3), (1, 2), (2, 1), (3, 0), (2, 2))
"""(row, column) of the coefficients read, in zigzag order without the mean."""

_LARGEST = 256
_STEPS = range(2, 61)
_SHARES = (0.6, 0.8, 0.95)
_PER_UNIT = 4
_ROUNDING = 0.4
"""Rounding decoded pixels to whole grey levels moves a coefficient by about this much."""
_DOUBT = 0.02
_LEAST_GAIN = 0.03

Luma = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Trace:
    """The earlier rounding of one coefficient.

    Attributes:
        frequency: (row, column) of the coefficient.
        step: quantisation step of the earlier save.
        share: of the blocks that carry it.
        gain: bits per block by which it explains the histogram better than a single save.
    """

    frequency: tuple[int, int]
    step: int
    share: float
    gain: float


def block_dct(luma: Luma, top: int, left: int) -> Luma:
    """Return the orthonormal DCT of the 8 x 8 blocks of a grid.

    Args:
        luma: (H, W), 0 to 255.
        top: first row of the grid.
        left: first column of the grid.

    Returns:
        (h, w, 8, 8), the mean at [0, 0]; blocks that are not whole are left out.
    """
    rows, columns = (luma.shape[0] - top) // 8, (luma.shape[1] - left) // 8
    inside = luma[top : top + 8 * rows, left : left + 8 * columns] - np.float32(128)
    blocks = inside.reshape(rows, 8, columns, 8).swapaxes(1, 2)
    return np.asarray(dctn(blocks, axes=(2, 3), norm="ortho"), np.float32)


# Middles of the bins of a density; none of them is halfway between multiples of a whole step.
_MIDDLES = (np.arange(-_LARGEST * _PER_UNIT, _LARGEST * _PER_UNIT) + 0.5) / _PER_UNIT

# The rounding as a kernel of an even number of bins, since multiples lie on borders of bins.
_BLUR = np.exp(-0.5 * np.square(np.arange(-5.5, 6) / (_ROUNDING * _PER_UNIT)))
_BLUR /= _BLUR.sum()


def _density(coefficients: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the smooth symmetric density of coefficients at `_MIDDLES`."""
    bins = np.floor(coefficients.ravel() * _PER_UNIT) + _LARGEST * _PER_UNIT
    bins = np.clip(bins, 0, len(_MIDDLES) - 1).astype(np.int64)
    counts = np.bincount(bins, minlength=len(_MIDDLES)).astype(np.float64)
    counts = gaussian_filter1d(counts + counts[::-1], 0.5 * _PER_UNIT) + 1e-3
    return np.asarray(counts / counts.sum(), np.float64)


@cache
def _multiples(step: int) -> NDArray[np.int64]:
    """Return the multiple of `step` nearest to each of `_MIDDLES`, in steps."""
    return np.rint(_MIDDLES / step).astype(np.int64)


def _rounded(density: NDArray[np.float64], step: int) -> NDArray[np.float64]:
    """Return the density after rounding to multiples of `step` and back to whole pixels."""
    target = _multiples(step) * (step * _PER_UNIT) + len(_MIDDLES) // 2
    piled = np.bincount(np.clip(target, 1, len(_MIDDLES) - 1), density, len(_MIDDLES))
    return np.convolve(piled, _BLUR)[len(_BLUR) // 2 :][: len(_MIDDLES)]


def _binned(density: NDArray[np.float64], step: int) -> NDArray[np.float64]:
    """Return the probability of every multiple of `step` after the last save."""
    bins = _multiples(step)
    probability = np.bincount(bins - bins[0], density) + 1e-7
    return np.asarray(probability / probability.sum(), np.float64)


def _without_middle(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probability of every bin given that it is not the middle one, of 0."""
    others = probability / (1 - probability[len(probability) // 2])
    return np.asarray(others, np.float64)


def _best_trace(
    counts: NDArray[np.float64], density: NDArray[np.float64], last: int
) -> tuple[int, float, float]:
    """Return the earlier step, its share and its gain in bits that explain `counts` best."""
    # The empty bin is left out: in flat pictures it would speak for any large step.
    filled = np.flatnonzero(counts)
    filled = filled[filled != len(counts) // 2]
    seen, alone = counts[filled], _without_middle(_binned(density, last))[filled]
    best = (last, 0.0, 0.0)
    for step in _STEPS:
        double = _without_middle(_binned(_rounded(density, step), last))[filled] / alone
        for share in _SHARES:
            gain = float((seen * np.log2(1 - share + share * double)).sum())
            if gain > best[2]:
                best = (step, share, gain)
    return best[0], best[1], best[2] / float(counts.sum())


def earlier_save(
    luma: Luma, top: int, left: int, last: NDArray[np.int64]
) -> tuple[NDArray[np.float32], list[Trace]]:
    """Weigh for every block whether it lacks the earlier save that the rest went through.

    Args:
        luma: (H, W), 0 to 255, stored frame.
        top: first row of the grid.
        left: first column of the grid.
        last: (8, 8) luma quantisation steps of the last save, 1 for a lossless file.

    Returns:
        (h, w) bits of evidence, positive where the block lacks the earlier save; and the traces
        found, none if there was no earlier save or it cannot be told.
    """
    coefficients = block_dct(luma, top, left)
    # Moved by half a block, the picture shows what its coefficients would be without rounding.
    shifted = block_dct(luma, (top + 4) % 8, (left + 4) % 8)
    evidence = np.zeros(coefficients.shape[:2], np.float32)
    traces = []
    for row, column in FREQUENCIES:
        step = int(last[row, column])
        density = _density(shifted[..., row, column])
        single = _binned(density, step)
        limit = len(single) // 2
        steps = np.rint(coefficients[..., row, column] / step)
        bins = np.clip(steps, -limit, limit).astype(np.int64) + limit
        counts = np.bincount(bins.ravel(), minlength=len(single)).astype(np.float64)
        earlier, share, gain = _best_trace(counts, density, step)
        if gain < _LEAST_GAIN or share < 0.5:
            continue
        traces.append(Trace((row, column), earlier, share, gain))
        double = _binned(_rounded(density, earlier), step)
        doubt = (1 - _DOUBT) * double + _DOUBT * single
        evidence += np.log2(single / doubt).astype(np.float32)[bins]
    return evidence, traces
