"""Objects that a saliency network found in a picture, read from mattes that were made before.

Knows nothing of the network: `morelli.data_pipeline.maker.saliency` runs it and writes the mattes.
"""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from morelli.data_pipeline.home import morelli_home
from morelli.data_pipeline.maker.frame import Alpha, Pixels

_LEAST_SHARE, _LARGEST_SHARE = 0.006, 0.7
"""Share of the picture; less is a speck, more is a background."""

_LARGEST_UNSURE = 0.45
"""Pixels that the network is not sure of, per pixel of the object."""

_FULLEST_BOX = 0.93
"""Share of its box that an object fills; more is a frame or a page, not an object."""

_BORDER_SHARE = 0.015
"""Share of a border that an object must touch to count as cut off there."""

_OBJECTS = 4

BORDERS = ("top", "bottom", "left", "right")

Shares = tuple[float, float, float, float]
"""(x0, y0, x1, y1) of a box in shares of its picture's width and height."""


@dataclass(frozen=True, slots=True)
class Cutout:
    """An object within a picture.

    Attributes:
        box: (x0, y0, x1, y1) in shares of the picture's width and height.
        mask: coarse (h, w) soft mask that covers the box.
        cut: the border of the picture that cuts the object off, or None.
    """

    box: Shares
    mask: Alpha
    cut: str | None

    def view(self, pixels: Pixels) -> Pixels:
        """Return the box out of the (H, W, 3) picture."""
        height, width = pixels.shape[:2]
        x0, x1 = round(self.box[0] * width), round(self.box[2] * width)
        y0, y1 = round(self.box[1] * height), round(self.box[3] * height)
        return pixels[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)]

    def within(self, crop: Shares) -> "Cutout":
        """Return the object in the frame of a crop."""
        return replace(self, box=reframed(self.box, crop))


def reframed(box: Shares, crop: Shares) -> Shares:
    """Return a box in the frame of a crop of its picture, both (x0, y0, x1, y1) in shares."""
    x0, y0, x1, y1 = crop
    across, down = x1 - x0, y1 - y0
    left, top, right, bottom = box
    return (left - x0) / across, (top - y0) / down, (right - x0) / across, (bottom - y0) / down


def matte_folder() -> Path:
    """Return the folder in which mattes are kept unless another one is named."""
    return morelli_home() / "mattes"


def matte_path(folder: Path, picture: Path) -> Path:
    """Return where a picture's matte is kept.

    Raises:
        OSError: the picture cannot be read.
    """
    return folder / f"{digest_of(picture)}.png"


def digest_of(picture: Path) -> str:
    """Return the name under which is kept what was found in a picture: a hash of its bytes.

    Raises:
        OSError: the picture cannot be read.
    """
    with picture.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:32]


def read_objects(folder: Path, picture: Path) -> list[Cutout]:
    """Return the objects of a picture; none if it has no matte or no object.

    Raises:
        OSError: the picture cannot be read.
    """
    path = matte_path(folder, picture)
    matte = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) if path.exists() else None
    return [] if matte is None else objects_in(np.asarray(matte, np.uint8))


def objects_in(matte: NDArray[np.uint8]) -> list[Cutout]:
    """Tell objects from backgrounds in a matte, the largest first.

    A part is no object if it is almost nothing or almost everything, if the network is unsure of
    it, if it fills its box or if two borders of the picture cut it off.

    Args:
        matte: (h, w) saliency, 255 = object; covers the whole picture at any size.
    """
    count, labels, stats, _ = cv2.connectedComponentsWithStats((matte >= 128).astype(np.uint8))
    order = 1 + np.argsort(-stats[1:count, cv2.CC_STAT_AREA], kind="stable")
    found = []
    for label in order[:_OBJECTS]:
        part = labels == label
        if _is_object(matte, part):
            found.append(_cutout(matte, part))
    return found


def _is_object(matte: NDArray[np.uint8], part: NDArray[np.bool_]) -> bool:
    if not _LEAST_SHARE <= float(part.mean()) <= _LARGEST_SHARE or len(_cut_by(part)) > 1:
        return False
    near = cv2.dilate(part.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    unsure = near & (matte > 25) & (matte < 230)
    rows, columns = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
    box = (rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1)
    fills = float(part.sum()) / float(box)
    return float(unsure.sum()) < _LARGEST_UNSURE * float(part.sum()) and fills < _FULLEST_BOX


def _cut_by(part: NDArray[np.bool_]) -> list[str]:
    """Name the borders that a part runs into."""
    rims = {
        "top": part[:2].any(axis=0),
        "bottom": part[-2:].any(axis=0),
        "left": part[:, :2].any(axis=1),
        "right": part[:, -2:].any(axis=1),
    }
    return [name for name in BORDERS if float(rims[name].mean()) > _BORDER_SHARE]


def _cutout(matte: NDArray[np.uint8], part: NDArray[np.bool_]) -> Cutout:
    """Crop a part with a small margin."""
    near = cv2.dilate(part.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    alone = np.where(near, matte, 0).astype(np.float32) / np.float32(255)
    rows, columns = np.flatnonzero(near.any(axis=1)), np.flatnonzero(near.any(axis=0))
    y0, y1, x0, x1 = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    height, width = matte.shape
    box = (x0 / width, y0 / height, x1 / width, y1 / height)
    cut = _cut_by(part)
    return Cutout(box, alone[y0:y1, x0:x1], cut[0] if cut else None)


def refine(coarse: Alpha, pixels: Pixels) -> Alpha:
    """Scale a coarse soft mask up to a picture and let its edge follow the picture's edges.

    A guided filter (He et al., 2010) by the grey picture, then a steeper ramp: the upscaled mask
    alone would be soft over as many pixels as it was enlarged by.

    Args:
        coarse: soft mask of any size that covers the picture.
        pixels: (h, w, 3) RGB.

    Returns:
        (h, w) in 0..1.
    """
    height, width = pixels.shape[:2]
    grown = max(1.0, height / coarse.shape[0], width / coarse.shape[1])
    alpha = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32) / np.float32(255)
    size = (2 * round(2 * grown) + 1,) * 2

    def mean(values: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(cv2.blur(values, size))

    mean_grey, mean_alpha = mean(grey), mean(alpha)
    slope = (mean(grey * alpha) - mean_grey * mean_alpha) / (
        mean(grey * grey) - mean_grey**2 + 1e-4
    )
    offset = mean_alpha - slope * mean_grey
    guided = mean(slope) * grey + mean(offset)
    # Far from the coarse edge the network knows better than the grey levels do.
    guided = np.where((alpha > 0.97) | (alpha < 0.03), alpha, guided)
    steepness = min(3.5, 1.2 + 0.4 * grown)
    return np.asarray(np.clip((guided - 0.5) * steepness + 0.5, 0, 1), np.float32)
