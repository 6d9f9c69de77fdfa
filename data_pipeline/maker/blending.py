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
REACH = 12
"""Pixels by which a feathered edge may reach beyond what it softens."""

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


def rest(
    rng: np.random.Generator, canvas: tuple[int, ...], patch: tuple[int, ...], cut: str | None
) -> tuple[int, int]:
    """Draw the (top, left) of an object as a person would set it: not in mid-air.

    Args:
        rng: the source of every draw.
        canvas: shape of the host.
        patch: shape of the object's box.
        cut: border that cut the object off in its own picture; it goes over the same one here.
    """
    height, width = patch[:2]
    beyond = float(rng.uniform(0.0, 0.06))
    top = round(float(rng.uniform(0.6, 1.0)) * canvas[0]) - height
    room = canvas[1] - width
    low, high = sorted((round(-0.15 * width), room + round(0.15 * width)))
    if room > 0 and rng.random() < 0.8:
        low, high = 0, room
    left = int(rng.integers(low, high + 1))
    edges = {
        "bottom": (canvas[0] - height + round(beyond * height), left),
        "top": (-round(beyond * height), left),
        "left": (top, -round(beyond * width)),
        "right": (top, canvas[1] - width + round(beyond * width)),
    }
    return edges.get(cut or "", (top, left))


def lay(patch: NDArray[Any], canvas: tuple[int, ...], top: int, left: int) -> NDArray[Any]:
    """Put a patch on an empty canvas, cut off at the canvas's edges."""
    height, width = patch.shape[:2]
    y0, x0 = max(0, top), max(0, left)
    y1, x1 = min(canvas[0], top + height), min(canvas[1], left + width)
    laid = np.zeros((canvas[0], canvas[1], *patch.shape[2:]), patch.dtype)
    if y1 > y0 and x1 > x0:
        laid[y0:y1, x0:x1] = patch[y0 - top : y1 - top, x0 - left : x1 - left]
    return laid


def window_of(
    canvas: tuple[int, ...], size: tuple[int, ...], corner: tuple[int, int]
) -> tuple[slice, slice]:
    """Return the part of a canvas that a box at (top, left) covers; at least one pixel."""
    spans = []
    for room, length, start in zip(canvas[:2], size[:2], corner, strict=True):
        low = min(max(0, start), room - 1)
        spans.append(slice(low, max(low + 1, min(room, start + length))))
    return spans[0], spans[1]


def stamp(host: Pixels, patch: Pixels, mask: Alpha, corner: tuple[int, int]) -> Edited:
    """Lay a patch over its host at (top, left) where its mask says so, and nowhere else."""
    (height, width), (top, left) = mask.shape, corner
    y0, x0 = max(0, top), max(0, left)
    y1, x1 = min(host.shape[0], top + height), min(host.shape[1], left + width)
    pixels, alpha = host.copy(), np.zeros(host.shape[:2], np.float32)
    if y1 > y0 and x1 > x0:
        inner = (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
        pixels[y0:y1, x0:x1] = blend(host[y0:y1, x0:x1], patch[inner], mask[inner])
        alpha[y0:y1, x0:x1] = mask[inner]
    return Edited(pixels, alpha, {})


def padded(values: NDArray[Any], edge: int, mode: int = cv2.BORDER_REPLICATE) -> NDArray[Any]:
    """Widen a patch by `edge` pixels a side, so that there is room for a soft rim."""
    return np.asarray(cv2.copyMakeBorder(values, edge, edge, edge, edge, mode, value=0))


def feather(rng: np.random.Generator, alpha: Alpha) -> tuple[Alpha, float]:
    """Soften the edge by a Gaussian of 0.3 to 3 pixels, or make it hard in a quarter of cases.

    What is thin is softened less, or nothing of it would be left.
    """
    if rng.random() < 0.25:
        return (alpha >= 0.5).astype(np.float32), 0.0
    sigma = log_uniform(rng, 0.3, 3.0)
    rows, columns = span(alpha)
    window = (
        slice(max(0, rows.start - REACH), rows.stop + REACH),
        slice(max(0, columns.start - REACH), columns.stop + REACH),
    )
    depth = cv2.distanceTransform((alpha[window] >= 0.5).astype(np.uint8), cv2.DIST_L1, 3).max()
    sigma = min(sigma, max(0.3, float(depth) / 3))
    soft = np.zeros_like(alpha)
    soft[window] = cv2.GaussianBlur(alpha[window], (0, 0), sigma)
    return soft, sigma


def feathered(
    rng: np.random.Generator, host: Pixels, patch: Pixels, mask: Alpha, corner: tuple[int, int]
) -> Edited:
    """Stamp a patch with a feathered edge, which may reach a little beyond the patch."""
    room = padded(mask, REACH, cv2.BORDER_CONSTANT)
    soft, sigma = feather(rng, np.asarray(room, np.float32))
    done = stamp(host, padded(patch, REACH), soft, (corner[0] - REACH, corner[1] - REACH))
    return Edited(done.pixels, done.alpha, {"feather": sigma})


def retouched_border(rng: np.random.Generator, pasted: Edited) -> Edited:
    """Go over the border of what was pasted: blurred, or in-painted from both of its sides.

    Args:
        rng: the source of every draw.
        pasted: its border is where alpha passes one half; what is gone over joins alpha.
    """
    reach = int(rng.integers(1, 4))
    edge = reach + 8
    rows, columns = span(pasted.alpha)
    window = (
        slice(max(0, rows.start - edge), rows.stop + edge),
        slice(max(0, columns.start - edge), columns.stop + edge),
    )
    inside = (pasted.alpha[window] >= 0.5).astype(np.uint8)
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    # The border of the picture is no border of what was pasted.
    band = cv2.morphologyEx(inside, cv2.MORPH_GRADIENT, brush, borderType=cv2.BORDER_REPLICATE)
    view = np.ascontiguousarray(pasted.pixels[window])
    drawn: dict[str, Any] = {"border": "blurred", "border_reach": reach}
    if rng.random() < 0.6:
        drawn["border_sigma"] = float(rng.uniform(0.7, 2.0))
        soft = cv2.GaussianBlur(view, (0, 0), drawn["border_sigma"])
        gone_over = blend(view, np.asarray(soft, np.uint8), band.astype(np.float32))
    else:
        drawn["border"] = "in-painted"
        gone_over = np.asarray(cv2.inpaint(view, band, 3, cv2.INPAINT_TELEA), np.uint8)
    pixels, alpha = pasted.pixels.copy(), pasted.alpha.copy()
    pixels[window] = gone_over
    alpha[window] = np.maximum(alpha[window], band)
    return Edited(pixels, alpha, drawn)


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


def match_histogram(
    patch: Pixels, inside: NDArray[np.bool_], host: Pixels, strength: float
) -> Pixels:
    """Give each channel of a patch, in Lab, the distribution of the host's, by `strength`."""
    if inside.sum() < 64:
        return patch
    lab = cv2.cvtColor(patch, cv2.COLOR_RGB2LAB)
    goal = cv2.cvtColor(host, cv2.COLOR_RGB2LAB).reshape(-1, 3)
    levels = np.linspace(0, 100, 33)
    table = np.zeros((1, 256, 3), np.uint8)
    for channel in range(3):
        own = np.percentile(lab[inside][:, channel], levels)
        wanted = np.percentile(goal[:, channel], levels)
        grey = np.arange(256)
        table[0, :, channel] = to_pixels(
            grey + strength * (np.interp(grey, own + 1e-3 * levels, wanted) - grey)
        )
    return np.asarray(cv2.cvtColor(cv2.LUT(lab, table), cv2.COLOR_LAB2RGB), np.uint8)


def match_light(patch: Pixels, inside: NDArray[np.bool_], host: Pixels, strength: float) -> Pixels:
    """Scale a patch's channels towards the host's mean colour: exposure and white balance."""
    if inside.sum() < 16:
        return patch
    gains = (host.reshape(-1, 3).mean(0) + 8) / (patch[inside].mean(0) + 8)
    return to_pixels(patch * np.clip(gains, 0.4, 2.5) ** strength)


_HARMONISERS = {"lab": match_colour, "histogram": match_histogram, "light": match_light}


def harmonise(
    rng: np.random.Generator, host: Pixels, patch: Pixels, mask: Alpha, corner: tuple[int, int]
) -> tuple[Pixels, dict[str, Any]]:
    """Fit an object's colours, and mostly its noise, to the place it goes to.

    One of the colour transfers that harmonisation data sets are made with (iHarmony4, Cong et
    al., 2020), or none in a seventh of cases.

    Returns:
        The patch and what was drawn.
    """
    drawn: dict[str, Any] = {"harmoniser": None, "strength": 0.0, "grain": False}
    rows, columns = mask.shape
    top, left = max(0, corner[0] - rows // 4), max(0, corner[1] - columns // 4)
    around = host[top : corner[0] + rows + rows // 4, left : corner[1] + columns + columns // 4]
    if min(around.shape[:2]) < 8:
        return patch, drawn
    if rng.random() > 1 / 7:
        drawn["harmoniser"] = list(_HARMONISERS)[int(rng.integers(len(_HARMONISERS)))]
        drawn["strength"] = float(rng.uniform(0.25, 0.9))
        small = around[:: 1 + around.shape[0] // 128, :: 1 + around.shape[1] // 128]
        patch = _HARMONISERS[drawn["harmoniser"]](
            patch, mask > 0.5, np.ascontiguousarray(small), drawn["strength"]
        )
    if rng.random() < 0.4:
        drawn["grain"] = True
        patch = match_grain(rng, patch, around)
    return patch, drawn


def soften(rng: np.random.Generator, mask: Alpha) -> tuple[Alpha, dict[str, Any]]:
    """Trim a matte's edge by up to two pixels against its halo and soften it by up to 1.2."""
    trim = int(rng.integers(0, 3)) if min(mask.shape) > 32 else 0
    sigma = float(rng.uniform(0.0, 1.2))
    if trim:
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * trim + 1, 2 * trim + 1))
        # Beyond the box lies the picture's border: an object cut off there must not shrink.
        mask = cv2.erode(mask, disc, borderType=cv2.BORDER_REPLICATE)
    if rng.random() < 0.12:
        return (mask >= 0.5).astype(np.float32), {"trim": trim, "soften": 0.0}
    if sigma > 0.3:
        mask = cv2.GaussianBlur(mask, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(mask, np.float32), {"trim": trim, "soften": sigma}


def set_object(
    rng: np.random.Generator, host: Pixels, patch: Pixels, mask: Alpha, corner: tuple[int, int]
) -> Edited:
    """Join an object with a soft matte to its host at (top, left), in the host's colours."""
    patch, colours = harmonise(rng, host, patch, mask, corner)
    soft, edge = soften(rng, mask)
    done = stamp(host, patch, soft, corner)
    drawn = {"corner": list(corner), "blend": "matte", **colours, **edge}
    return Edited(done.pixels, done.alpha, drawn)


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
    # The solver writes into the mask that it is given.
    solved = cv2.seamlessClone(layer, host, hard.copy(), centre, mode)
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
    small = float(mask.sum()) < _LARGEST_POISSON_AREA
    if rng.random() < 0.15 and small:
        layer, alpha = lay(patch, host.shape, *corner), lay(mask, host.shape, *corner)
        if alpha.any():
            drawn["blend"] = "poisson_mixed" if rng.random() < 0.15 else "poisson"
            pixels = poisson(host, layer, alpha, drawn["blend"] == "poisson_mixed")
            return Edited(pixels, alpha, drawn)
    done = feathered(rng, host, patch, mask, corner)
    return Edited(done.pixels, done.alpha, {**drawn, "blend": "alpha", **done.parameters})
