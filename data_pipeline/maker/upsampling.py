"""Chains of up-sampling steps as generators end in, with the spectral marks that they leave.

A photograph is shrunk and enlarged again by the layers of which decoders are built, with random
weights close to plain interpolation (AutoGAN, Zhang et al., 2019, does so with trained ones).
Untouched photographs are enlarged too, by ordinary filters that treat all pixels alike; a chain
therefore always has a step whose output phases differ, or an ESRGAN-like one after it.
"""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from morelli.data_pipeline.maker.frame import Pixels, log_uniform, pick, to_pixels
from morelli.data_pipeline.maker.history import resize
from morelli.data_pipeline.maker.pool import Pool

Values = NDArray[np.float32]
"""(H, W, 3) in grey levels, not clipped."""

_WEIGHTS = {"nearest": 0.25, "bilinear": 0.15, "transposed": 0.35, "shuffled": 0.25}
_LEAST_SPREAD, _LARGEST_SPREAD = 0.004, 0.03
"""Standard deviation of a kernel's random weights about those of plain interpolation."""

_TAPS: dict[int, tuple[float, ...]] = {
    2: (1.0, 1.0),
    3: (0.5, 1.0, 0.5),
    4: (0.25, 0.75, 0.75, 0.25),
    5: (0.125, 0.5, 0.75, 0.5, 0.125),
}
"""Transposed convolutions of stride 2 by size. With an odd size, unlike phases see unlike numbers
of weights, which is where checkerboards come from (Odena et al., 2016)."""


def upsample(canvas: Pixels, _: Pool, rng: np.random.Generator) -> tuple[Pixels, dict[str, Any]]:
    """Shrink a photograph to a half or a quarter and enlarge it as a generator does.

    Returns:
        (H, W, 3) of the canvas's size, and what was drawn.
    """
    height, width = canvas.shape[:2]
    steps = [pick(rng, _WEIGHTS) for _ in range(1 if rng.random() < 0.75 else 2)]
    factor = 2 ** len(steps)
    small = max(4, -(-height // factor)), max(4, -(-width // factor))
    values = resize(canvas, *small, "area").astype(np.float32)
    spread = log_uniform(rng, _LEAST_SPREAD, _LARGEST_SPREAD)
    for step in steps:
        values = _STEPS[step](values, rng, spread)
    sharpened = None
    if set(steps) == {"bilinear"} or rng.random() < 0.6:
        sharpened = float(rng.uniform(0.4, 1.4))
        values = _crisp(values, sharpened)
    drawn = {"steps": steps, "spread": spread, "sharpened": sharpened}
    return to_pixels(values[:height, :width]), drawn


def _kernel(rng: np.random.Generator, size: int, spread: float) -> Values:
    """Draw a convolution near the identity whose weights add up to one."""
    kernel = rng.normal(0, spread, (size, size)).astype(np.float32)
    kernel[size // 2, size // 2] += 1 - kernel.sum()
    return kernel


def _convolved(values: Values, kernels: list[Values]) -> Values:
    """Convolve each channel with a kernel of its own."""
    channels = [
        cv2.filter2D(values[..., channel], -1, kernel, borderType=cv2.BORDER_REFLECT)
        for channel, kernel in enumerate(kernels)
    ]
    return np.stack(channels, axis=-1)


def _nearest(values: Values, rng: np.random.Generator, spread: float) -> Values:
    """Repeat every pixel, smooth half of the steps away, and convolve."""
    large = np.asarray(values.repeat(2, axis=0).repeat(2, axis=1), np.float32)
    share = float(rng.uniform(0.5, 0.9))
    soft = np.asarray(cv2.blur(large, (3, 3), borderType=cv2.BORDER_REFLECT), np.float32)
    mixed = large + np.float32(share) * (soft - large)
    return _convolved(mixed, [_kernel(rng, 3, spread) for _ in range(3)])


def _bilinear(values: Values, rng: np.random.Generator, spread: float) -> Values:
    """Interpolate and convolve."""
    size = (2 * values.shape[1], 2 * values.shape[0])
    large = np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_LINEAR), np.float32)
    return _convolved(large, [_kernel(rng, 3, spread) for _ in range(3)])


def _transposed(values: Values, rng: np.random.Generator, spread: float) -> Values:
    """Insert zeros and convolve: phases differ by what the kernel's weights add up to."""
    taps = np.array(_TAPS[int(rng.choice(list(_TAPS)))], np.float32)
    wide = np.asarray(cv2.copyMakeBorder(values, 2, 2, 2, 2, cv2.BORDER_REFLECT), np.float32)
    spaced = np.zeros((2 * wide.shape[0], 2 * wide.shape[1], 3), np.float32)
    spaced[::2, ::2] = wide
    plain = np.outer(taps, taps)
    jitters = [rng.normal(0, spread, plain.shape).astype(np.float32) for _ in range(3)]
    anchor = ((len(taps) - 1) // 2,) * 2
    channels = [
        cv2.filter2D(spaced[..., channel], -1, plain * (1 + jitter), anchor=anchor)
        for channel, jitter in enumerate(jitters)
    ]
    return np.stack(channels, axis=-1)[4:-4, 4:-4]


def _shuffled(values: Values, rng: np.random.Generator, spread: float) -> Values:
    """Compute every output phase by a convolution of its own (Shi et al., 2016)."""
    large = np.empty((2 * values.shape[0], 2 * values.shape[1], 3), np.float32)
    for row in (0, 1):
        for column in (0, 1):
            plain = np.outer(_phase(row), _phase(column))
            kernels = [
                (plain + rng.normal(0, spread / 3, (3, 3))).astype(np.float32) for _ in range(3)
            ]
            large[row::2, column::2] = _convolved(values, kernels)
    return large


def _phase(number: int) -> Values:
    """Return the weights by which a pixel a quarter to the left or right is interpolated."""
    return np.array((0.25, 0.75, 0.0) if number == 0 else (0.0, 0.75, 0.25), np.float32)


def _crisp(values: Values, amount: float) -> Values:
    """Draw edges crisp and flat parts clean, as networks in the manner of ESRGAN do.

    Detail above a threshold is amplified, fainter detail taken away (Wang et al., 2018).
    """
    base = np.asarray(cv2.GaussianBlur(values, (0, 0), 1.2), np.float32)
    detail = values - base
    kept = np.sign(detail) * np.maximum(np.abs(detail) - 1.5, 0)
    return np.asarray(base + np.float32(1 + amount) * kept, np.float32)


_STEPS: dict[str, Callable[[Values, np.random.Generator, float], Values]] = {
    "nearest": _nearest,
    "bilinear": _bilinear,
    "transposed": _transposed,
    "shuffled": _shuffled,
}
