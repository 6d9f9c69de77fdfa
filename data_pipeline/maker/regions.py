"""Where a picture is edited in place: its own objects, its surfaces, or drawn outlines."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from morelli.data_pipeline.maker.blending import lay, place
from morelli.data_pipeline.maker.donors import Donors
from morelli.data_pipeline.maker.frame import Alpha, Pixels, log_uniform
from morelli.data_pipeline.maker.mattes import Cutout, refine
from morelli.data_pipeline.maker.shapes import SHAPES, outline, segment

LARGE_SIDE = 896
"""Side in pixels from which a canvas counts as a camera's picture: edits are a small part of it."""

OBJECT_LIKE = ("ellipse", "polygon", "blob", "blob")

_OWN_OBJECT = (0.004, 0.4)
"""Share of the canvas that an object of the host's must cover to be edited as a whole."""


def draw_share(rng: np.random.Generator, host: Pixels) -> float:
    """Draw how much of the canvas an edit covers.

    0.5 to 10 % of a large canvas; of a small one, which is a detail of a picture or a thumbnail,
    0.6 to 25 %, a quarter of them below 2 %.
    """
    if min(host.shape[:2]) >= LARGE_SIDE:
        return log_uniform(rng, 0.005, 0.1)
    return log_uniform(rng, 0.006, 0.02) if rng.random() < 0.25 else log_uniform(rng, 0.02, 0.25)


def region(
    rng: np.random.Generator,
    host: Pixels,
    donors: Donors,
    share: float,
    allowed: Sequence[str] = tuple(SHAPES),
) -> tuple[Alpha, dict[str, Any]]:
    """Choose a region: an object of the host's own, a surface of one colour, or a drawn outline.

    Args:
        rng: the source of every draw.
        host: (H, W, 3) canvas.
        donors: knows the host's objects.
        share: wanted share of the canvas; an object keeps its own.
        allowed: names in `SHAPES` of outlines.

    Returns:
        (H, W) soft mask, and what was drawn.
    """
    if rng.random() < 0.4:
        own = own_object(rng, host, donors)
        if own is not None:
            return own, {"outline": "own object"}
    if rng.random() < 0.4:
        found = segment(rng, host, share)
        if found is not None:
            return found, {"outline": "segment"}
    name, mask = outline(rng, share * host.shape[0] * host.shape[1], tuple(allowed))
    return lay(mask, host.shape, *place(rng, host.shape, mask.shape)), {"outline": name}


def own_object(rng: np.random.Generator, host: Pixels, donors: Donors) -> Alpha | None:
    """Return the (H, W) mask of an object that a saliency network found in the host itself."""
    objects = donors.own_objects
    if not objects:
        return None
    mask = _laid(objects[int(rng.integers(len(objects)))], host)
    return mask if _OWN_OBJECT[0] <= float(mask.mean()) <= _OWN_OBJECT[1] else None


def _laid(found: Cutout, host: Pixels) -> Alpha:
    """Put an object's matte where it lies on the canvas, its edge fitted to the canvas's."""
    height, width = host.shape[:2]
    x0, y0 = round(found.box[0] * width), round(found.box[1] * height)
    x1, y1 = round(found.box[2] * width), round(found.box[3] * height)
    inner = (max(0, y0), min(height, y1), max(0, x0), min(width, x1))
    mask = np.zeros((height, width), np.float32)
    if inner[1] - inner[0] < 8 or inner[3] - inner[2] < 8:
        return mask
    grown = np.asarray(cv2.resize(found.mask, (x1 - x0, y1 - y0)), np.float32)
    part = grown[inner[0] - y0 : inner[1] - y0, inner[2] - x0 : inner[3] - x0]
    window = (slice(inner[0], inner[1]), slice(inner[2], inner[3]))
    coarse = (max(2, part.shape[1] // 4), max(2, part.shape[0] // 4))
    small = np.asarray(cv2.resize(part, coarse, interpolation=cv2.INTER_AREA), np.float32)
    mask[window] = refine(small, np.ascontiguousarray(host[window]))
    return mask
