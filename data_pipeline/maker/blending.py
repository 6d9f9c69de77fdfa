"""How a patch is joined to its host: harmonised, feathered, or solved for (Poisson)."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from morelli.data_pipeline.maker.frame import (
    Alpha,
    Edited,
    Pixels,
    blend,
    log_uniform,
    span,
    to_pixels,
)

_LEAST_POISSON_SIDE = 12
_LARGEST_POISSON_AREA = 60_000
"""Pixels; the solver takes about a second a megapixel."""


def place(
    rng: np.random.Generator, canvas: tuple[int, ...], patch: tuple[int, ...]
) -> tuple[int, int]:
    """Draw the (top, left) of a patch so that at least about 7 tenths of each side stay inside."""
    corners = []
    for room, size in zip(canvas[:2], patch[:2], strict=True):
        low, high = sorted((round(-0.3 * size), room - round(0.7 * size)))
        if size < room and rng.random() < 0.7:
            low, high = 0, room - size
        corners.append(int(rng.integers(low, high + 1)))
    return corners[0], corners[1]


def lay(patch: NDArray[Any], canvas: tuple[int, ...], top: int, left: int) -> NDArray[Any]:
    """Put a patch on an empty canvas, cut off at the canvas's edges."""
    height, width = patch.shape[:2]
    y0, x0 = max(0, top), max(0, left)
    y1, x1 = min(canvas[0], top + height), min(canvas[1], left + width)
    laid = np.zeros((canvas[0], canvas[1], *patch.shape[2:]), patch.dtype)
    if y1 > y0 and x1 > x0:
        laid[y0:y1, x0:x1] = patch[y0 - top : y1 - top, x0 - left : x1 - left]
    return laid


def feather(rng: np.random.Generator, alpha: Alpha) -> tuple[Alpha, float]:
    """Soften the edge by a Gaussian of 0.3 to 3 pixels, or make it hard in a quarter of cases."""
    if rng.random() < 0.25:
        return (alpha >= 0.5).astype(np.float32), 0.0
    sigma = log_uniform(rng, 0.3, 3.0)
    rows, columns = span(alpha)
    reach = 12
    window = (
        slice(max(0, rows.start - reach), rows.stop + reach),
        slice(max(0, columns.start - reach), columns.stop + reach),
    )
    soft = np.zeros_like(alpha)
    soft[window] = cv2.GaussianBlur(alpha[window], (0, 0), sigma)
    return soft, sigma


def match_colour(patch: Pixels, inside: NDArray[np.bool_], host: Pixels, strength: float) -> Pixels:
    """Move mean and spread of a patch towards the host's (Reinhard et al., 2001).

    Args:
        patch: (h, w, 3) RGB.
        inside: (h, w) pixels of the patch that count.
        host: RGB pixels around the place it goes to.
        strength: 0 leaves the patch, 1 gives it the host's mean and spread.
    """
    if inside.sum() < 16:
        return patch
    lab = cv2.cvtColor(patch, cv2.COLOR_RGB2LAB).astype(np.float32)
    goal = cv2.cvtColor(host, cv2.COLOR_RGB2LAB).reshape(-1, 3).astype(np.float32)
    own = lab[inside]
    ratio = np.clip((goal.std(0) + 1) / (own.std(0) + 1), 0.5, 2.0)
    moved = (lab - own.mean(0)) * ratio + goal.mean(0)
    mixed = to_pixels(lab + strength * (moved - lab))
    return np.asarray(cv2.cvtColor(mixed, cv2.COLOR_LAB2RGB), np.uint8)


def grain(pixels: Pixels) -> float:
    """Estimate the noise of RGB pixels in grey levels (Immerkaer, 1996, with a median)."""
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
    response = cv2.filter2D(grey, -1, kernel)
    return float(np.median(np.abs(response)) / (0.6745 * 6))


def match_grain(rng: np.random.Generator, patch: Pixels, host: Pixels) -> Pixels:
    """Blur a patch that is noisier than its host, or add noise to one that is smoother."""
    missing = grain(host) ** 2 - grain(patch) ** 2
    if missing > 0.25:
        field = rng.standard_normal(patch.shape[:2], dtype=np.float32)[..., None]
        return to_pixels(patch + np.sqrt(missing) * field)
    if missing < -1.0:
        return np.asarray(cv2.GaussianBlur(patch, (0, 0), 0.6), np.uint8)
    return patch


def poisson(host: Pixels, layer: Pixels, alpha: Alpha, mixed: bool) -> Pixels:
    """Blend in the gradient domain (Perez et al., 2003), changing the host inside alpha only."""
    hard = np.zeros(alpha.shape, np.uint8)
    hard[3:-3, 3:-3] = (alpha[3:-3, 3:-3] >= 0.5) * np.uint8(255)
    x, y, width, height = cv2.boundingRect(hard)
    if min(width, height) < _LEAST_POISSON_SIDE:
        return blend(host, layer, alpha)
    mode = cv2.MIXED_CLONE if mixed else cv2.NORMAL_CLONE
    centre = (x + width // 2, y + height // 2)
    solved = cv2.seamlessClone(layer, host, hard, centre, mode)
    return blend(host, np.asarray(solved, np.uint8), (hard > 0).astype(np.float32))


def paste(
    rng: np.random.Generator, host: Pixels, patch: Pixels, mask: Alpha, corner: tuple[int, int]
) -> Edited:
    """Join a patch to its host at (top, left) with a drawn strength of every disguise.

    Args:
        rng: the source of every draw.
        host: (H, W, 3) RGB.
        patch: (h, w, 3) RGB.
        mask: (h, w) soft mask of the patch.
        corner: (top, left) of the patch on the host; may be negative.
    """
    around = host[
        max(0, corner[0]) : max(corner[0] + patch.shape[0], 8),
        max(0, corner[1]) : max(corner[1] + patch.shape[1], 8),
    ]
    drawn: dict[str, Any] = {"corner": list(corner), "colour": 0.0, "grain": False}
    if around.size and rng.random() < 0.5:
        drawn["colour"] = float(rng.uniform(0.1, 1.0))
        patch = match_colour(patch, mask > 0.5, around, drawn["colour"])
    if around.size and rng.random() < 0.3:
        drawn["grain"] = True
        patch = match_grain(rng, patch, around)
    layer, alpha = lay(patch, host.shape, *corner), lay(mask, host.shape, *corner)
    if rng.random() < 0.15 and 0 < alpha.sum() < _LARGEST_POISSON_AREA:
        drawn["blend"] = "poisson_mixed" if rng.random() < 0.15 else "poisson"
        pixels = poisson(host, layer, alpha, drawn["blend"] == "poisson_mixed")
        return Edited(pixels, alpha, drawn)
    drawn["blend"] = "alpha"
    soft, drawn["feather"] = feather(rng, alpha)
    filled = _extended(layer, lay(np.ones(mask.shape, np.float32), host.shape, *corner), host)
    return Edited(blend(host, filled, soft), soft, drawn)


def _extended(layer: Pixels, covered: Alpha, host: Pixels) -> Pixels:
    """Let the host show where a feathered edge reaches beyond the patch."""
    return np.where(covered[..., None] > 0, layer, host)
