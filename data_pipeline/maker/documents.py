"""Forgeries of text on pages: words and characters copied, retyped, erased and inserted."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from morelli.data_pipeline.maker.blending import padded, stamp
from morelli.data_pipeline.maker.donors import Donors
from morelli.data_pipeline.maker.fonts import draw_typeface, set_line
from morelli.data_pipeline.maker.frame import Edited, Pixels, pick, to_pixels
from morelli.data_pipeline.maker.lettering import like
from morelli.data_pipeline.maker.strokes import edge_blur, strokes_of
from morelli.data_pipeline.maker.writing import Writer, draw_writer

Box = tuple[int, int, int, int]
"""(x0, y0, x1, y1) in pixels of the canvas."""

_ENOUGH = 0.009
"""Share of the canvas after which no further word is forged."""

_MOST = 12

_LEAST_INK = 0.12
"""Share of a pixel that forged ink must cover; hairlines of small letters cover little more."""

_CAREFUL_SHARE = 0.7
"""How often a forger matches by eye what stands there; the others do not care."""

_BLUR_OF_LETTERS = 0.35
"""Standard deviation in pixels that the edges of letters have as they are set."""


@dataclass(frozen=True, slots=True)
class _Look:
    """How the writing in a place looks: (3,) RGB of its ink, and the blur of its edges."""

    ink: NDArray[np.float32]
    blur: float


@dataclass(frozen=True, slots=True)
class _Hand:
    """The forger of a document: how far their letters are off those around them."""

    careful: bool
    writer: Writer

    def set_off(self, rng: np.random.Generator, look: _Look) -> dict[str, float]:
        """Draw offset from the baseline in heights, stretch, step of ink in levels, and blur."""
        if self.careful:
            return {
                "offset": self.writer.draw(rng, "offset"),
                "stretch": self.writer.draw(rng, "stretch"),
                "ink_step": self.writer.draw(rng, "ink step"),
                "blur": look.blur * self.writer.draw(rng, "blur ratio"),
            }
        return {
            "offset": float(rng.uniform(-0.15, 0.15)),
            "stretch": float(rng.uniform(0.85, 1.3)),
            "ink_step": float(rng.normal(0, 15)),
            "blur": float(rng.uniform(0.3, 1.0)),
        }


def document(host: Pixels, _: Donors, rng: np.random.Generator) -> Edited:
    """Forge text of a page: copy, retype, erase or insert words, or copy single characters.

    The words are found in the pixels, so that any picture of a page will do; nothing is changed
    where none are found. How far a careful forger is off is drawn from `writing`.
    """
    letters, words = text_boxes(host)
    hand = _Hand(bool(rng.random() < _CAREFUL_SHARE), draw_writer(rng))
    pixels, mask = host, np.zeros(host.shape[:2], np.float32)
    origin = np.zeros_like(mask)
    done: list[dict[str, Any]] = []
    target = _ENOUGH * float(rng.uniform(0.6, 4.0))
    while words and len(done) < _MOST and float(mask.mean()) < target:
        name = pick(rng, {name: weight for name, (weight, _) in _WAYS.items()})
        boxes = letters if name == "copy characters" and len(letters) > 4 else words
        edited = _WAYS[name][1](pixels, boxes, hand, rng)
        pixels, mask = edited.pixels, np.maximum(mask, edited.alpha)
        if edited.origin is not None:
            origin = np.maximum(origin, edited.origin)
        done.append({"way": name, **edited.parameters})
    drawn = {"outline": "words", "careful": hand.careful, "writer": hand.writer.number}
    # What was forged itself is no origin any more.
    origin *= 1 - mask
    return Edited(pixels, mask, {**drawn, "words": done}, origin if origin.any() else None)


def text_boxes(pixels: Pixels) -> tuple[list[Box], list[Box]]:
    """Find the characters and the words of dark text on light paper.

    Returns:
        The boxes of characters, and those of words, both in reading order of their tops.
    """
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    ink = cv2.adaptiveThreshold(
        cv2.GaussianBlur(grey, (0, 0), 0.8),
        255,
        cv2.ADAPTIVE_THRESH_MEAN_C,
        cv2.THRESH_BINARY_INV,
        41,
        14,
    )
    letters = _boxes(ink, pixels.shape)
    if not letters:
        return [], []
    height = float(np.median([y1 - y0 for _, y0, _, y1 in letters]))
    reach = np.ones((1, max(3, round(0.55 * height))), np.uint8)
    return letters, _boxes(cv2.morphologyEx(ink, cv2.MORPH_CLOSE, reach), pixels.shape)


def _boxes(ink: NDArray[Any], canvas: tuple[int, ...]) -> list[Box]:
    """Return the boxes of connected parts that could be text."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(ink)
    found = []
    for x, y, width, height, area in stats[1:].tolist():
        fits = 6 <= height <= max(40, canvas[0] // 8) and 3 <= width <= 18 * height
        if fits and width < 0.7 * canvas[1] and 0.15 < area / (width * height) < 0.95:
            found.append((x, y, x + width, y + height))
    return found


def _widened(box: Box, edge: int, canvas: tuple[int, ...]) -> Box:
    x0, y0, x1, y1 = box
    return (
        max(0, x0 - edge),
        max(0, y0 - edge),
        min(canvas[1], x1 + edge),
        min(canvas[0], y1 + edge),
    )


def _drawn_box(rng: np.random.Generator, boxes: list[Box]) -> Box:
    return boxes[int(rng.integers(len(boxes)))]


def _unlike(one: Box, other: Box) -> float:
    """Return how far two boxes' heights and widths are apart, as factors."""
    heights = np.log((one[3] - one[1]) / (other[3] - other[1]))
    return float(2 * abs(heights) + abs(np.log((one[2] - one[0]) / (other[2] - other[0]))))


def _wipe(pixels: Pixels, box: Box, rng: np.random.Generator) -> tuple[Pixels, dict[str, Any]]:
    """Cover a word with paper: in-painted, flat, or with the grain of the paper put back."""
    x0, y0, x1, y1 = box
    view = pixels[y0:y1, x0:x1]
    rim = np.concatenate([view[:2].reshape(-1, 3), view[-2:].reshape(-1, 3)]).astype(np.float32)
    way = pick(rng, {"inpaint": 0.35, "flat": 0.25, "grain": 0.4})
    wiped = pixels.copy()
    if way == "inpaint":
        dark = cv2.cvtColor(view, cv2.COLOR_RGB2GRAY) < rim.mean() - 3 * rim.std() - 4
        hole = cv2.dilate(dark.astype(np.uint8), np.ones((5, 5), np.uint8))
        wiped[y0:y1, x0:x1] = cv2.inpaint(np.ascontiguousarray(view), hole, 3, cv2.INPAINT_TELEA)
    else:
        noise = rng.standard_normal((*view.shape[:2], 1), dtype=np.float32)
        spread = min(float(rim.std()), 5.0) if way == "grain" else 0.0
        wiped[y0:y1, x0:x1] = to_pixels(np.median(rim, axis=0) + spread * noise)
    return wiped, {"wipe": way}


def _covered(shape: tuple[int, ...], *boxes: Box) -> NDArray[np.float32]:
    mask = np.zeros(shape[:2], np.float32)
    for x0, y0, x1, y1 in boxes:
        mask[y0:y1, x0:x1] = 1.0
    return mask


def _look_of(pixels: Pixels, box: Box) -> _Look:
    """Measure the writing in a box."""
    view = np.ascontiguousarray(pixels[box[1] : box[3], box[0] : box[2]])
    grey = view.mean(axis=2)
    ink = np.asarray(np.median(view[grey <= np.percentile(grey, 5)], axis=0), np.float32)
    strokes = strokes_of(view)
    return _Look(ink, edge_blur(view, strokes.contrast) if strokes is not None else 0.7)


def _erase(pixels: Pixels, boxes: list[Box], _: _Hand, rng: np.random.Generator) -> Edited:
    box = _widened(_drawn_box(rng, boxes), 3, pixels.shape)
    wiped, drawn = _wipe(pixels, box, rng)
    return Edited(wiped, _covered(pixels.shape, box), {"box": list(box), **drawn})


def _write(pixels: Pixels, box: Box, look: _Look, hand: _Hand, rng: np.random.Generator) -> Edited:
    """Set new text into a box in the manner of what stood there; the mask is its strokes."""
    x0, y0, x1, y1 = box
    height = y1 - y0
    words = like(rng, max(2, round((x1 - x0) / (0.6 * height))))
    face, off = draw_typeface(rng), hand.set_off(rng, look)
    tall = max(6, round(height * off["stretch"]))
    strokes = set_line(words, face, max(8, round(1.4 * tall)))
    wanted = round(strokes.shape[1] * tall / strokes.shape[0])
    shape = (max(4, min(wanted, pixels.shape[1] - x0, round(1.1 * (x1 - x0)) + 2)), tall)
    strokes = np.asarray(cv2.resize(strokes, shape, interpolation=cv2.INTER_AREA), np.float32)
    blur = np.sqrt(max(off["blur"] ** 2 - _BLUR_OF_LETTERS**2, 0.04))
    soft = np.asarray(cv2.GaussianBlur(padded(strokes, 3), (0, 0), min(blur, 2.5)), np.float32)
    shade = to_pixels(look.ink + off["ink_step"])
    layer = np.broadcast_to(shade, (*soft.shape, 3))
    top = y1 - tall + round(off["offset"] * height)
    done = stamp(pixels, layer, soft, (top - 3, x0 - 3))
    drawn = {"text": words, "face": face, "height": tall, **off}
    return Edited(done.pixels, (done.alpha > _LEAST_INK).astype(np.float32), drawn)


def _retype(pixels: Pixels, boxes: list[Box], hand: _Hand, rng: np.random.Generator) -> Edited:
    box = _drawn_box(rng, boxes)
    wide = _widened(box, 3, pixels.shape)
    look = _look_of(pixels, box)
    wiped, drawn = _wipe(pixels, wide, rng)
    done = _write(wiped, box, look, hand, rng)
    mask = np.maximum(done.alpha, _covered(pixels.shape, wide))
    return Edited(done.pixels, mask, {"box": list(wide), **drawn, **done.parameters})


def _insert(pixels: Pixels, boxes: list[Box], hand: _Hand, rng: np.random.Generator) -> Edited:
    """Write beside a word where the paper is bare; retype one if six tries find no such place."""
    for _ in range(6):
        x0, y0, x1, y1 = _drawn_box(rng, boxes)
        room = max(0, pixels.shape[1] - (x1 - x0) - 4)
        start = min(x1 + int(rng.integers(4, 4 + 2 * (y1 - y0))), room)
        end = start + x1 - x0
        taken = any(a < end and start < c and b < y1 and y0 < d for a, b, c, d in boxes)
        if not taken:
            break
    else:
        return _retype(pixels, boxes, hand, rng)
    look = _look_of(pixels, (x0, y0, x1, y1))
    done = _write(pixels, (start, y0, end, y1), look, hand, rng)
    return Edited(done.pixels, done.alpha, {"start": start, **done.parameters})


def _copy(pixels: Pixels, boxes: list[Box], hand: _Hand, rng: np.random.Generator) -> Edited:
    """Lay a copy of one box over another, the one of twelve drawn that is most of its size."""
    source = _drawn_box(rng, boxes)
    others = [box for box in (_drawn_box(rng, boxes) for _ in range(12)) if box != source]
    goal = min(others, key=lambda box: _unlike(box, source), default=source)
    x0, y0, x1, y1 = _widened(source, 2, pixels.shape)
    wide = _widened(goal, 2, pixels.shape)
    wiped, drawn = _wipe(pixels, wide, rng)
    patch = pixels[y0:y1, x0:x1]
    offset = hand.set_off(rng, _look_of(pixels, source))["offset"]
    top = wide[3] - patch.shape[0] + round(offset * (goal[3] - goal[1]))
    corner = (max(0, min(top, pixels.shape[0] - patch.shape[0])), wide[0])
    whole = np.ones(patch.shape[:2], np.float32)
    done = stamp(wiped, patch, whole, corner)
    mask = np.maximum(done.alpha, _covered(pixels.shape, wide))
    drawn |= {"from": list(source), "to": list(wide), "offset": offset}
    return Edited(done.pixels, mask, drawn, _covered(pixels.shape, (x0, y0, x1, y1)))


_Way = Callable[[Pixels, list[Box], _Hand, np.random.Generator], Edited]

_WAYS: dict[str, tuple[float, _Way]] = {
    "retype": (0.35, _retype),
    "copy words": (0.2, _copy),
    "copy characters": (0.2, _copy),
    "erase": (0.15, _erase),
    "insert": (0.1, _insert),
}
