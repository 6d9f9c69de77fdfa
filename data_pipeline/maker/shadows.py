"""The shadows that pasted objects cast: on the ground they stand on, or on a wall behind them.

A shadow belongs to the mask where it darkened the picture by `VISIBLE` grey levels or more in some
channel: less is lost in one ordinary recompression, and nobody could mark it.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from morelli.data_pipeline.maker.frame import Alpha, Edited, Pixels, log_uniform, pick, to_pixels

VISIBLE = 8
"""Grey levels by which a shadow must darken a pixel for the mask to count it as altered."""

_COARSE = 192
"""Longest side in pixels at which shadows are drawn; they are soft, so that nothing is lost."""

_SKY = np.array([1.0, 0.97, 0.9], np.float32)
"""How much of each channel a shadow takes: what still reaches it is the blue light of the sky."""

_LEAST_TILT = 4.0
"""Grey levels by which one side of a picture must be brighter for light to come from there."""


def cast_shadow(
    rng: np.random.Generator,
    host: Pixels,
    mask: Alpha,
    corner: tuple[int, int],
    surface: str | None = None,
) -> Edited:
    """Darken a host where an object that is about to be set on it keeps the light away.

    Light comes mostly from the brighter side of the host. A shadow on the ground is the silhouette
    sheared about the object's foot, its edge softer with the distance from it, with a dark line of
    contact; one on a wall is the silhouette moved.

    Args:
        rng: the source of every draw.
        host: (H, W, 3) RGB.
        mask: (h, w) soft mask of the object.
        corner: (top, left) of the object on the host; may be negative.
        surface: "ground" or "wall"; None draws one.

    Returns:
        The darkened host; alpha is 1 where it is darker by `VISIBLE` levels or more.
    """
    surface = surface or pick(rng, {"ground": 0.75, "wall": 0.25})
    light, clear = _light(rng, host)
    side = -1.0 if light == "left" else 1.0
    strength = float(rng.uniform(0.3, 0.7))
    drawn: dict[str, Any] = {"surface": surface, "light": light, "light_seen": clear}
    if surface == "ground":
        shade, window, more = _on_ground(rng, host.shape, mask, corner, side)
    else:
        shade, window, more = _on_wall(rng, host.shape, mask, corner, side)
    drawn |= {"strength": strength, **more, "visible": VISIBLE}
    pixels, alpha = host.copy(), np.zeros(host.shape[:2], np.float32)
    if shade.size:
        view = host[window]
        dark = to_pixels(view * (1 - np.float32(strength) * shade[..., None] * _SKY))
        pixels[window] = dark
        alpha[window] = (view.astype(np.int16) - dark).max(axis=2) >= VISIBLE
    return Edited(pixels, alpha, drawn)


def _light(rng: np.random.Generator, host: Pixels) -> tuple[str, bool]:
    """Return the side that light comes from, and whether the host shows it by its brightness."""
    coarse = cv2.resize(host, (3, 3), interpolation=cv2.INTER_AREA).astype(np.float32).mean((0, 2))
    tilt = float(coarse[2] - coarse[0])
    if abs(tilt) >= _LEAST_TILT and rng.random() < 0.85:
        return ("right" if tilt > 0 else "left"), True
    return ("left" if rng.random() < 0.5 else "right"), False


Window = tuple[slice, slice]


def _on_ground(
    rng: np.random.Generator,
    canvas: tuple[int, ...],
    mask: Alpha,
    corner: tuple[int, int],
    side: float,
) -> tuple[NDArray[np.float32], Window, dict[str, Any]]:
    """Shear and flatten the silhouette about its foot, towards us or away from us."""
    foot, height = _foot(mask), mask.shape[0]
    across = -side * log_uniform(rng, 0.15, 1.6)
    # Light from behind throws the shadow towards us, that is down the picture.
    away = bool(rng.random() < 0.6)
    down = (-1.0 if away else 1.0) * log_uniform(rng, 0.12, 0.5)
    near, far = float(rng.uniform(0.004, 0.012)), float(rng.uniform(0.02, 0.07))
    fade = float(rng.uniform(0.0, 0.7))
    # x' = x + across * (foot - y), y' = foot + down * (foot - y)
    matrix = np.array([[1, -across, across * foot], [0, -down, foot * (1 + down)]])
    window, to_coarse, size = _frame(canvas, mask.shape, corner, matrix, far * height)
    drawn = {"across": across, "down": down, "near": near, "far": far, "fade": fade}
    if not size[0]:
        return np.empty((0, 0), np.float32), window, drawn
    laid = _warped(mask, to_coarse @ _square(matrix), size)
    scale = float(to_coarse[0, 0])
    hard = _blurred(laid, near * height * scale)
    soft = _blurred(laid, far * height * scale)
    rows = (np.arange(size[0], dtype=np.float32) - to_coarse[1, 2]) / to_coarse[1, 1]
    distance = np.clip((rows - foot) / (down * height), 0, 1).astype(np.float32)[:, None]
    shade = (hard + (soft - hard) * distance) * (1 - np.float32(fade) * distance)
    shade = np.maximum(shade, _contact(rng, mask, foot, to_coarse, size, drawn))
    return _enlarged(shade, window), window, drawn


def _contact(
    rng: np.random.Generator,
    mask: Alpha,
    foot: float,
    to_coarse: NDArray[np.float64],
    size: tuple[int, int],
    drawn: dict[str, Any],
) -> NDArray[np.float32]:
    """Return the dark line where an object touches the ground, which every light leaves."""
    height = mask.shape[0]
    depth = float(rng.uniform(0.02, 0.05))
    drawn["contact"] = depth
    base = mask.copy()
    base[: max(0, round(foot - depth * height))] = 0
    lowered = _square(np.array([[1.0, 0.0, 0.0], [0.0, 1.0, depth * height / 3]]))
    laid = _warped(base, to_coarse @ lowered, size)
    return _blurred(laid, 0.4 * depth * height * float(to_coarse[0, 0]))


def _on_wall(
    rng: np.random.Generator,
    canvas: tuple[int, ...],
    mask: Alpha,
    corner: tuple[int, int],
    side: float,
) -> tuple[NDArray[np.float32], Window, dict[str, Any]]:
    """Move the silhouette sideways and down, a little larger, as on a wall close behind."""
    height, width = mask.shape
    across = -side * log_uniform(rng, 0.02, 0.2)
    down, grown = float(rng.uniform(-0.02, 0.12)), float(rng.uniform(1.0, 1.06))
    soft = float(rng.uniform(0.008, 0.05))
    shift_x = across * width + (1 - grown) * width / 2
    shift_y = down * height + (1 - grown) * height / 2
    matrix = np.array([[grown, 0, shift_x], [0, grown, shift_y]])
    window, to_coarse, size = _frame(canvas, mask.shape, corner, matrix, soft * height)
    drawn = {"across": across, "down": down, "grown": grown, "soft": soft}
    if not size[0]:
        return np.empty((0, 0), np.float32), window, drawn
    laid = _warped(mask, to_coarse @ _square(matrix), size)
    shade = _blurred(laid, soft * height * float(to_coarse[0, 0]))
    return _enlarged(shade, window), window, drawn


def _foot(mask: Alpha) -> float:
    """Return the row below the lowest one that the object covers."""
    rows = np.flatnonzero((mask >= 0.5).any(axis=1))
    return float(rows[-1] + 1) if len(rows) else float(mask.shape[0])


def _square(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.vstack([matrix, [0.0, 0.0, 1.0]])


def _frame(
    canvas: tuple[int, ...],
    patch: tuple[int, ...],
    corner: tuple[int, int],
    matrix: NDArray[np.float64],
    reach: float,
) -> tuple[Window, NDArray[np.float64], tuple[int, int]]:
    """Return where on the canvas a shadow can fall, and a coarse frame to draw it in.

    Returns:
        The window, the (2, 3) map from the object's frame to the coarse one, and the coarse
        (height, width), which is (0, 0) if the shadow falls outside the canvas.
    """
    height, width = patch[:2]
    ends = np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1]], np.float64)
    # The foot itself is in it, too: the line of contact does not move with the shadow.
    xs, ys = np.concatenate([ends @ matrix.T, ends[2:, :2]]).T
    edge = 3 * reach + 4
    top, left = corner
    y0, y1 = max(0, int(ys.min() - edge) + top), min(canvas[0], int(ys.max() + edge) + top)
    x0, x1 = max(0, int(xs.min() - edge) + left), min(canvas[1], int(xs.max() + edge) + left)
    window = (slice(y0, max(y0, y1)), slice(x0, max(x0, x1)))
    if y1 - y0 < 4 or x1 - x0 < 4:
        return window, np.zeros((2, 3)), (0, 0)
    scale = min(1.0, _COARSE / max(y1 - y0, x1 - x0))
    to_coarse = np.array([[scale, 0, scale * (left - x0)], [0, scale, scale * (top - y0)]])
    size = (max(2, round(scale * (y1 - y0))), max(2, round(scale * (x1 - x0))))
    return window, to_coarse, size


def _warped(mask: Alpha, matrix: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.float32]:
    return np.asarray(cv2.warpAffine(mask, matrix, size[::-1]), np.float32)


def _blurred(shade: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(shade, (0, 0), max(0.5, sigma)), np.float32)


def _enlarged(shade: NDArray[np.float32], window: Window) -> NDArray[np.float32]:
    size = (window[1].stop - window[1].start, window[0].stop - window[0].start)
    grown = cv2.resize(shade, size, interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.clip(grown, 0, 1), np.float32)
