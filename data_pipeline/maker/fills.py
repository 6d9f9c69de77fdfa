"""Ways of filling a hole from the rest of the picture."""

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from morelli.data_pipeline.maker.frame import Alpha, Pixels, span

_COARSE = 72
_PATCH = 9


def grown(hole: Alpha, edge: int) -> tuple[Alpha, int]:
    """Widen a hole by `edge` pixels; returns the edge too, to be recorded."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * edge + 1, 2 * edge + 1))
    return np.asarray(cv2.dilate(hole, disc), np.float32), edge


def _around(hole: Alpha, pad: int) -> tuple[slice, slice]:
    """Return the window that reaches `pad` pixels beyond a hole."""
    rows, columns = span(hole)
    return (
        slice(max(0, rows.start - pad), rows.stop + pad),
        slice(max(0, columns.start - pad), columns.stop + pad),
    )


def diffuse(pixels: Pixels, hole: Alpha, navier_stokes: bool, radius: float) -> Pixels:
    """Fill by diffusion (Telea, 2004, or Bertalmio et al., 2001), on a window around the hole."""
    window = _around(hole, 12)
    method = cv2.INPAINT_NS if navier_stokes else cv2.INPAINT_TELEA
    filled = pixels.copy()
    mask = (hole[window] > 0.01).astype(np.uint8)
    filled[window] = cv2.inpaint(np.ascontiguousarray(pixels[window]), mask, radius, method)
    return filled


def shift_fill(pixels: Pixels, hole: Alpha, rng: np.random.Generator) -> tuple[Pixels, Alpha]:
    """Fill with the picture itself, moved by the best of 32 offsets: a cloned background.

    The best offset is the one whose copy agrees most with the hole's surroundings.

    Returns:
        The filled picture, and (H, W) where what fills the hole was taken from.
    """
    inside = hole > 0.01
    ring = cv2.dilate(inside.astype(np.uint8), np.ones((9, 9), np.uint8)).astype(bool) & ~inside
    ys, xs = np.nonzero(ring)
    origin = np.zeros_like(hole)
    if not len(ys):
        return pixels, origin
    keep = rng.permutation(len(ys))[:400]
    ys, xs = ys[keep], xs[keep]
    rows, columns = span(hole)
    height, width = pixels.shape[:2]
    best, offset = np.inf, (0, 0)
    for _ in range(32):
        dy = int(rng.integers(-rows.start, height - rows.stop + 1))
        dx = int(rng.integers(-columns.start, width - columns.stop + 1))
        if (
            abs(dy) < (rows.stop - rows.start) // 2
            and abs(dx) < (columns.stop - columns.start) // 2
        ):
            continue
        to_y, to_x = np.clip(ys + dy, 0, height - 1), np.clip(xs + dx, 0, width - 1)
        apart = np.abs(pixels[to_y, to_x].astype(np.float32) - pixels[ys, xs]).mean()
        cost = float(apart + 20 * inside[to_y, to_x].mean())
        if cost < best:
            best, offset = cost, (dy, dx)
    # A feathered edge reaches beyond the hole.
    window = _around(hole, 12)
    from_y = np.clip(np.arange(height)[window[0]] + offset[0], 0, height - 1)
    from_x = np.clip(np.arange(width)[window[1]] + offset[1], 0, width - 1)
    moved = pixels.copy()
    moved[window] = pixels[np.ix_(from_y, from_x)]
    filled_y, filled_x = np.nonzero(hole >= 0.5)
    inside_y = np.clip(filled_y + offset[0], 0, height - 1)
    inside_x = np.clip(filled_x + offset[1], 0, width - 1)
    origin[inside_y, inside_x] = 1
    return moved, origin


def exemplar(pixels: Pixels, hole: Alpha, rng: np.random.Generator) -> Pixels:
    """Fill with the best-matching patches of the picture, from the rim inwards.

    Patches are matched on a coarse copy (as Criminisi et al., 2004, without their priority term)
    and their offsets then copy pixels at full resolution. Only the surroundings of the hole are
    looked at, as wide as half of it and at least 64 pixels.
    """
    rows, columns = span(hole)
    longest = max(rows.stop - rows.start, columns.stop - columns.start)
    window = _around(hole, max(64, longest // 2))
    filled = pixels.copy()
    filled[window] = _exemplar(np.ascontiguousarray(pixels[window]), hole[window], rng)
    return filled


def _exemplar(pixels: Pixels, hole: Alpha, rng: np.random.Generator) -> Pixels:
    height, width = pixels.shape[:2]
    scale = max(1.0, max(height, width) / _COARSE)
    size = (round(width / scale), round(height / scale))
    coarse = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    unknown = cv2.resize(hole, size, interpolation=cv2.INTER_AREA) > 0.01
    if not unknown.any():
        return pixels
    offsets = _coarse_offsets(coarse, unknown)
    nearest = distance_transform_edt(~unknown, return_distances=False, return_indices=True)
    offsets = offsets[nearest[0], nearest[1]]
    grid_y, grid_x = np.mgrid[0:height, 0:width].astype(np.float32)
    # Seams that wander, or the coarse grid would show as a staircase.
    bend = rng.uniform(-1, 1, (2, size[1] // 2 + 1, size[0] // 2 + 1)).astype(np.float32)
    wander = [cv2.resize(one, (width, height), interpolation=cv2.INTER_CUBIC) for one in bend]
    from_x = np.clip(np.rint(grid_x / scale + wander[0]), 0, size[0] - 1).astype(np.intp)
    from_y = np.clip(np.rint(grid_y / scale + wander[1]), 0, size[1] - 1).astype(np.intp)
    step = np.rint(offsets[from_y, from_x] * scale)
    filled = cv2.remap(
        pixels,
        np.clip(grid_x + step[..., 1], 0, width - 1).astype(np.float32),
        np.clip(grid_y + step[..., 0], 0, height - 1).astype(np.float32),
        cv2.INTER_NEAREST,
    )
    return np.asarray(filled, np.uint8)


def _coarse_offsets(coarse: NDArray[np.float32], unknown: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return (h, w, 2) offsets (dy, dx) in coarse pixels from each unknown pixel to its source."""
    half = _PATCH // 2
    height, width = unknown.shape
    offsets = np.zeros((height, width, 2), np.float32)
    todo = unknown.copy()
    usable = cv2.erode((~unknown).astype(np.uint8), np.ones((_PATCH, _PATCH), np.uint8))
    allowed = usable[half : height - half, half : width - half] > 0
    if not allowed.any():
        return offsets
    work = coarse.copy()
    while todo.any():
        rim = np.argwhere(todo & (cv2.erode(todo.astype(np.uint8), np.ones((3, 3))) == 0))
        y, x = rim[0] if len(rim) else np.argwhere(todo)[0]
        y0 = int(np.clip(y - half, 0, height - _PATCH))
        x0 = int(np.clip(x - half, 0, width - _PATCH))
        known = (~todo[y0 : y0 + _PATCH, x0 : x0 + _PATCH]).astype(np.float32)
        template = work[y0 : y0 + _PATCH, x0 : x0 + _PATCH]
        weight = np.repeat(known[..., None], 3, axis=2)
        score = cv2.matchTemplate(coarse, template, cv2.TM_SQDIFF, mask=weight)
        score[~allowed | ~np.isfinite(score)] = np.inf
        sy, sx = np.unravel_index(int(np.argmin(score)), score.shape)
        gap = known == 0
        work[y0 : y0 + _PATCH, x0 : x0 + _PATCH][gap] = coarse[sy : sy + _PATCH, sx : sx + _PATCH][
            gap
        ]
        offsets[y0 : y0 + _PATCH, x0 : x0 + _PATCH][gap] = (sy - y0, sx - x0)
        todo[y0 : y0 + _PATCH, x0 : x0 + _PATCH] = False
    return offsets
