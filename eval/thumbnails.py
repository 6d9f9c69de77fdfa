"""Small pictures for pages, each a data URI, and the templates that show them."""

import base64
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import jinja2
import numpy as np
from numpy.typing import NDArray

from morelli.data_pipeline.images import open_picture

Pixels = NDArray[np.uint8]

_TINT = (230, 0, 170)
"""Magenta, since little in photographs is."""

_STRENGTH = 0.6


@cache
def environment() -> jinja2.Environment:
    """Return the templates of the evaluation's pages; what they are given is escaped."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def opened(path: str | Path, side: int) -> Pixels:
    """Return a picture as (h, w, 3) pixels whose longest side is at most `side`.

    Raises:
        ImageError: it cannot be opened.
    """
    pixels = open_picture(path).pixels
    factor = min(1.0, side / max(pixels.shape[:2]))
    size = (max(1, round(pixels.shape[1] * factor)), max(1, round(pixels.shape[0] * factor)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def grey(path: str | Path | None, shape: tuple[int, ...]) -> Pixels | None:
    """Return a map or mask as (h, w) levels of a shape, None if there is none."""
    levels = None if path is None else cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if levels is None:
        return None
    size = (shape[1], shape[0])
    return np.asarray(cv2.resize(levels, size, interpolation=cv2.INTER_AREA), np.uint8)


def outlined(pixels: Pixels, mask: NDArray[np.bool_]) -> Pixels:
    """Return (h, w, 3) pixels with the border of an (h, w) mask drawn in."""
    drawn = pixels.copy()
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(drawn, outlines, -1, (0, 0, 0), 4)
    cv2.drawContours(drawn, outlines, -1, (255, 255, 255), 2)
    return drawn


def tinted(pixels: Pixels, heat: NDArray[Any]) -> Pixels:
    """Return (h, w, 3) pixels turned magenta by an (h, w) mask, or map from 0 to 1."""
    weight = _STRENGTH * heat.astype(np.float32)[..., None]
    return np.asarray(np.rint((1 - weight) * pixels + weight * np.array(_TINT)), np.uint8)


def as_uri(pixels: Pixels) -> str:
    """Return (h, w, 3) pixels as a data URI."""
    _, data = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 82])
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()
