"""Faces swapped and blended, after self-blended images (Shiohara & Yamasaki, 2022).

Landmarks are not needed: masks are bent ellipses and convex outlines within the detector's box.
"""

from typing import Any

import cv2
import numpy as np

from morelli.data_pipeline.maker.blending import match_colour, poisson, stamp
from morelli.data_pipeline.maker.donors import Donors, face_patch
from morelli.data_pipeline.maker.frame import (
    Alpha,
    Edited,
    Pixels,
    blend,
    log_uniform,
    pick,
    to_pixels,
)
from morelli.data_pipeline.maker.history import resize
from morelli.data_pipeline.maker.mattes import Shares

_WAYS = {"self": 0.55, "swap": 0.3, "generated": 0.15}
_PARTS = {"face": 0.7, "mouth": 0.15, "eyes": 0.15}
_OPACITIES = (0.5, 0.75, 1.0, 1.0, 1.0)
"""How much of the face is replaced inside the mask; drawn evenly."""

_SMALLEST_FACE = 20
"""Pixels of a side; on less, nothing but a few pixels would change."""

_SOFTEST = 4.0
"""Pixels of the widest Gaussian that softens a mask's edge."""


def face(host: Pixels, donors: Donors, rng: np.random.Generator) -> Edited:
    """Replace a face by itself, recoloured and shifted, or by another's; nothing without a face.

    A self-blend leaves what all swaps leave, a border and the statistics of two pictures, without
    the traces of one particular method.
    """
    boxes = [box for box in donors.own_faces if _fits(box, host)]
    if not boxes:
        return Edited(host, np.zeros(host.shape[:2], np.float32), {})
    target, corner = face_patch(host, boxes[int(rng.integers(len(boxes)))])
    way = pick(rng, _WAYS)
    other = None if way == "self" else donors.face(rng, generated=way == "generated")
    mask, outline = _mask(rng, target.shape)
    if other is None:
        source, drawn = _altered(rng, target)
    else:
        source, drawn = _fitted(rng, other[0], target, mask), other[1]
    layer, joined = _joined(rng, target, source, mask)
    done = stamp(host, layer, (mask > 0).astype(np.float32), corner)
    alpha = stamp(host, layer, mask, corner).alpha
    drawn = {"way": way if other else "self", **drawn, **outline, **joined}
    return Edited(done.pixels, alpha, drawn)


def _fits(box: Shares, host: Pixels) -> bool:
    """Tell whether the middle of a face lies on the canvas and is large enough."""
    height, width = host.shape[:2]
    inside = 0 <= (box[0] + box[2]) / 2 <= 1 and 0 <= (box[1] + box[3]) / 2 <= 1
    return inside and min((box[2] - box[0]) * width, (box[3] - box[1]) * height) >= _SMALLEST_FACE


def _mask(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[Alpha, dict[str, Any]]:
    """Draw the soft mask of a face, of its mouth or of its eyes, bent elastically."""
    height, width = shape[:2]
    part = pick(rng, _PARTS)
    middle = {"face": 0.53, "mouth": 0.66, "eyes": 0.4}[part]
    tall = {"face": rng.uniform(0.26, 0.4), "mouth": rng.uniform(0.09, 0.16)}.get(
        part, rng.uniform(0.07, 0.13)
    )
    wide = rng.uniform(0.22, 0.32) if part != "mouth" else rng.uniform(0.13, 0.22)
    count = int(rng.integers(7, 15)) if rng.random() < 0.5 else 48
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False) + rng.uniform(0, 1)
    reach = rng.uniform(0.85, 1.1, count) if count < 48 else np.ones(count)
    points = np.stack([0.5 + wide * reach * np.cos(angles), middle + tall * reach * np.sin(angles)])
    hull = cv2.convexHull((points.T * (width, height)).astype(np.float32))
    hard = np.zeros((height, width), np.float32)
    cv2.fillConvexPoly(hard, hull.astype(np.int32), 1.0)
    bend = float(rng.uniform(0.0, 0.05))
    sigma = log_uniform(rng, 0.6, _SOFTEST)
    soft = cv2.GaussianBlur(_bent(rng, hard, bend * min(height, width)), (0, 0), sigma)
    drawn = {"part": part, "corners": count, "bend": bend, "feather": sigma}
    return np.asarray(np.where(soft < 0.004, 0, soft), np.float32), drawn


def _bent(rng: np.random.Generator, mask: Alpha, reach: float) -> Alpha:
    """Move a mask's pixels by a smooth random field of up to `reach` pixels."""
    height, width = mask.shape
    coarse = rng.uniform(-reach, reach, (4, 4, 2)).astype(np.float32)
    field = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    grid_y, grid_x = np.mgrid[0:height, 0:width].astype(np.float32)
    moved = cv2.remap(mask, grid_x + field[..., 0], grid_y + field[..., 1], cv2.INTER_LINEAR)
    return np.asarray(moved, np.float32)


def _altered(rng: np.random.Generator, view: Pixels) -> tuple[Pixels, dict[str, Any]]:
    """Give a face other colours, another sharpness and a small shift, as for a self-blend."""
    shift = rng.uniform(-20, 20, 3)
    gain, contrast = float(rng.uniform(0.9, 1.1)), float(rng.uniform(0.88, 1.14))
    saturation = log_uniform(rng, 0.7, 1.4)
    values = view.astype(np.float32)
    grey = values.mean(axis=2, keepdims=True)
    values = grey + np.float32(saturation) * (values - grey) + shift.astype(np.float32)
    mean = values.mean()
    coloured = to_pixels((mean + np.float32(contrast) * (values - mean)) * np.float32(gain))
    changed, drawn = _other_sharpness(rng, coloured)
    height, width = view.shape[:2]
    scale, angle = float(rng.uniform(0.96, 1.05)), float(rng.normal(0, 1.5))
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle, scale)
    matrix[:, 2] += rng.uniform(-0.03, 0.03, 2) * (width, height)
    moved = cv2.warpAffine(
        changed, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
    )
    drawn |= {"shift": [float(part) for part in shift], "gain": gain, "contrast": contrast}
    drawn |= {"saturation": saturation, "scale": scale, "angle": angle}
    return np.asarray(moved, np.uint8), drawn


def _other_sharpness(rng: np.random.Generator, view: Pixels) -> tuple[Pixels, dict[str, Any]]:
    """Sharpen a face, resample it from a half to a quarter, or leave it as it is."""
    choice = pick(rng, {"none": 0.3, "sharpened": 0.35, "resampled": 0.35})
    if choice == "sharpened":
        amount = float(rng.uniform(0.3, 1.2))
        soft = cv2.GaussianBlur(view, (0, 0), 1.0)
        view = np.asarray(cv2.addWeighted(view, 1 + amount, soft, -amount, 0), np.uint8)
        return view, {"sharpness": choice, "amount": amount}
    if choice == "resampled":
        height, width = view.shape[:2]
        factor = float(rng.uniform(2, 4))
        small = resize(view, max(8, round(height / factor)), max(8, round(width / factor)), "area")
        return resize(small, height, width, "linear"), {"sharpness": choice, "factor": factor}
    return view, {"sharpness": choice}


def _fitted(rng: np.random.Generator, source: Pixels, target: Pixels, mask: Alpha) -> Pixels:
    """Scale another's face to its place and move its colours towards those of the old one."""
    height, width = target.shape[:2]
    filtered = "area" if source.shape[0] > height else "cubic"
    scaled = resize(source, height, width, filtered)
    inside = mask >= 0.5
    if inside.sum() < 16:
        return scaled
    strength = float(rng.uniform(0.6, 1.0))
    return match_colour(scaled, inside, np.ascontiguousarray(target[inside][:, None]), strength)


def _joined(
    rng: np.random.Generator, target: Pixels, source: Pixels, mask: Alpha
) -> tuple[Pixels, dict[str, Any]]:
    """Blend the new face in, by its mask or in the gradient domain."""
    if rng.random() < 0.2:
        return poisson(target, source, mask, mixed=False), {"blend": "poisson", "opacity": 1.0}
    opacity = float(rng.choice(_OPACITIES))
    layer = blend(target, source, mask * np.float32(opacity))
    return layer, {"blend": "alpha", "opacity": opacity}
