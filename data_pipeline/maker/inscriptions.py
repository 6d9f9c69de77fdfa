"""Words and numbers that are written on photographs, on signs and walls and across them."""

import cv2
import numpy as np

from morelli.data_pipeline.maker.blending import padded, place, stamp, window_of
from morelli.data_pipeline.maker.donors import Donors
from morelli.data_pipeline.maker.fonts import draw_typeface, set_line
from morelli.data_pipeline.maker.frame import Alpha, Edited, Pixels, log_uniform, to_pixels
from morelli.data_pipeline.maker.lettering import phrase

_LARGEST_PAGE = 640
"""Pixels of the canvas that letters are sized by: those on a large photograph are no larger."""


def text(host: Pixels, _: Donors, rng: np.random.Generator) -> Edited:
    """Write words or numbers on the picture, on its bare surface or over a wiped line."""
    return _inscribed(host, rng, int(rng.integers(1, 4)), (0.05, 0.2), wiping=0.5)


def retyped(host: Pixels, _: Donors, rng: np.random.Generator) -> Edited:
    """Wipe a line or two of the picture and write words or numbers over them."""
    return _inscribed(host, rng, int(rng.integers(1, 3)), (0.035, 0.12), wiping=1.0)


def _inscribed(
    host: Pixels, rng: np.random.Generator, count: int, sizes: tuple[float, float], wiping: float
) -> Edited:
    """Write `count` lines; `wiping` is how often what lies below is covered first.

    Sizes of letters are in shares of the height of a canvas of `_LARGEST_PAGE` pixels at most.
    """
    pixels, alpha = host, np.zeros(host.shape[:2], np.float32)
    lines = []
    for _line in range(count):
        size = round(log_uniform(rng, *sizes) * min(host.shape[0], _LARGEST_PAGE))
        words, weight, face = phrase(rng), int(rng.integers(0, 2 + size // 24)), draw_typeface(rng)
        letters = _fitted(set_line(words, face, size, weight), host.shape[1])
        corner = place(rng, host.shape, letters.shape)
        wiped = bool(rng.random() < wiping)
        if wiped:
            pixels = _wiped(rng, pixels, letters.shape, corner)
        done = _inked(rng, pixels, letters, corner)
        pixels, alpha = done.pixels, np.maximum(alpha, done.alpha)
        if wiped:
            alpha[window_of(host.shape, letters.shape, corner)] = 1.0
        line = {"text": words, "face": face, "size": size, "weight": weight, "wiped": wiped}
        lines.append({**line, "corner": list(corner), **done.parameters})
    return Edited(pixels, alpha, {"lines": lines})


def _fitted(letters: Alpha, width: int) -> Alpha:
    """Shrink a line of text that is wider than nine tenths of the canvas."""
    factor = min(1.0, 0.9 * width / letters.shape[1])
    if factor == 1.0:
        return letters
    size = (round(letters.shape[1] * factor), max(4, round(letters.shape[0] * factor)))
    return np.asarray(cv2.resize(letters, size, interpolation=cv2.INTER_AREA), np.float32)


def _wiped(
    rng: np.random.Generator, pixels: Pixels, size: tuple[int, ...], corner: tuple[int, int]
) -> Pixels:
    """Cover a box with a smooth surface in the colours of its rim, with a little noise."""
    window = window_of(pixels.shape, size, corner)
    view = pixels[window]
    rim = np.concatenate([view[0], view[-1], view[:, 0], view[:, -1]]).astype(np.float32)
    ramp = np.linspace(0, 1, view.shape[1], dtype=np.float32)[None, :, None]
    left, right = np.median(view[:, 0], axis=0), np.median(view[:, -1], axis=0)
    surface = left + (right - left) * ramp if rng.random() < 0.5 else np.median(rim, axis=0)
    sigma = float(rng.uniform(0, 3))
    noise = sigma * rng.standard_normal(view.shape, dtype=np.float32)
    wiped = pixels.copy()
    wiped[window] = to_pixels(surface + noise)
    return wiped


def _inked(
    rng: np.random.Generator, pixels: Pixels, letters: Alpha, corner: tuple[int, int]
) -> Edited:
    """Write letters in a colour that can be read there; the mask is the strokes."""
    below = float(pixels[window_of(pixels.shape, letters.shape, corner)].mean())
    grey = rng.uniform(0, 60) if below > 110 else rng.uniform(190, 255)
    ink = to_pixels(grey + (rng.normal(0, 25, 3) if rng.random() < 0.4 else np.zeros(3)))
    opacity, blur = float(rng.uniform(0.75, 1.0)), float(rng.uniform(0.3, 1.0))
    soft = np.asarray(cv2.GaussianBlur(padded(letters, 4), (0, 0), blur), np.float32)
    layer = np.broadcast_to(ink, (*soft.shape, 3))
    done = stamp(pixels, layer, soft * np.float32(opacity), (corner[0] - 4, corner[1] - 4))
    strokes = (done.alpha > 0.25 * opacity).astype(np.float32)
    drawn = {"ink": [int(part) for part in ink], "opacity": opacity, "blur": blur}
    return Edited(done.pixels, strokes, drawn)
