"""Measures writing in pixels: its ink, its paper, the blur of its edges and its letters."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from morelli.data_pipeline.maker.frame import Pixels

_LEAST_CONTRAST = 20.0
"""Grey levels between ink and paper below which nothing is measured."""


@dataclass(frozen=True, slots=True, eq=False)
class Strokes:
    """A line or word of writing.

    Attributes:
        inside: (h, w), True in the strokes.
        ink: (3,) median RGB of the strokes' darker (or lighter) half.
        paper: (3,) median RGB of the rest.
        contrast: of the two in grey levels.
    """

    inside: NDArray[np.bool_]
    ink: NDArray[np.float64]
    paper: NDArray[np.float64]
    contrast: float


def strokes_of(view: Pixels) -> Strokes | None:
    """Tell ink from paper in a close crop of writing; None if they hardly differ.

    Paper is what most of the crop's rim shows, whether lighter or darker than the ink.
    """
    grey = cv2.cvtColor(view, cv2.COLOR_RGB2GRAY)
    level, _ = cv2.threshold(grey, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    bright = grey > level
    rim = np.concatenate([bright[0], bright[-1], bright[:, 0], bright[:, -1]])
    inside = ~bright if rim.mean() >= 0.5 else bright
    if not inside.any() or inside.all():
        return None
    paper = np.median(view[~inside], axis=0)
    apart = np.abs(grey.astype(np.float64) - float(np.median(grey[~inside])))
    core = inside & (apart >= np.median(apart[inside]))
    ink = np.median(view[core], axis=0)
    contrast = float(np.median(apart[core]))
    return Strokes(inside, ink, paper, contrast) if contrast >= _LEAST_CONTRAST else None


def edge_blur(view: Pixels, contrast: float) -> float:
    """Return the standard deviation in pixels of the Gaussian that edges are blurred by.

    A blurred step of height C has its steepest slope at C / (sqrt(2 pi) sigma).
    """
    grey = cv2.cvtColor(view, cv2.COLOR_RGB2GRAY).astype(np.float32)
    across = cv2.Sobel(grey, cv2.CV_32F, 1, 0, scale=1 / 8)
    down = cv2.Sobel(grey, cv2.CV_32F, 0, 1, scale=1 / 8)
    steepest = float(np.percentile(np.hypot(across, down), 97))
    return float(contrast / (np.sqrt(2 * np.pi) * max(steepest, 1e-3)))


def paper_grain(view: Pixels, strokes: Strokes) -> float | None:
    """Return the noise of the paper in grey levels, or None if too little of it is bare.

    By Immerkaer's method (1996), on bare paper alone.
    """
    bare = cv2.erode((~strokes.inside).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    if bare.mean() < 0.1:
        return None
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    grey = cv2.cvtColor(view, cv2.COLOR_RGB2GRAY).astype(np.float32)
    response = np.abs(cv2.filter2D(grey, -1, kernel)[bare])
    return float(np.sqrt(np.pi / 2) / 6 * response.mean())


def letters_of(strokes: Strokes) -> NDArray[np.int64]:
    """Return (n, 4) x, y, width, height of what could be letters, from left to right."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(strokes.inside.astype(np.uint8))
    height, width = strokes.inside.shape
    boxes = stats[1:, :4].astype(np.int64)
    tall = (boxes[:, 3] >= 0.3 * height) & (boxes[:, 3] < height) & (boxes[:, 2] < 0.5 * width)
    found = boxes[tall]
    return np.asarray(found[np.argsort(found[:, 0], kind="stable")], np.int64)
