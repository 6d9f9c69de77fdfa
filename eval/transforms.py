"""What happens to pictures on their way: saved again, resized, blurred, cropped, photographed.

JPEG, resizing, blur and noise have the strengths of the CASIA robustness protocol (IMDL-BenCo).
What is not JPEG or WebP by nature is saved as PNG, so that one change is measured at a time.
Changes that move pixels move the true mask along.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from morelli.data_pipeline.images import DEFAULT_LIMITS, Picture, picture_from_bytes
from morelli.eval.changes import Change, Scale

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]

_SOCIAL_SIDE = 1280
"""Longest side, in pixels, that a platform keeps."""

_PLATFORMS = ((2048, 85), (1280, 75), (1080, 70))
"""Longest side in pixels and JPEG quality of the platforms that a chain goes through, in order."""

_SMALLEST_SIDE = DEFAULT_LIMITS.min_side


@dataclass(frozen=True, slots=True)
class Family(Scale):
    """One kind of change.

    Attributes:
        change: pixels, mask, strength and seed to changed pixels and mask.
        format: that the result is saved in.
        quality: strength to the quality it is saved with, None for a lossless format.
    """

    change: Callable[[Pixels, Mask | None, float, int], tuple[Pixels, Mask | None]]
    format: str = "PNG"
    quality: Callable[[float], int] | None = None


@dataclass(frozen=True, slots=True)
class Transform(Change):
    """One transform of one strength."""

    NOUN = "transform"

    @classmethod
    def families(cls) -> Mapping[str, Family]:
        """Return `FAMILIES`."""
        return FAMILIES

    def apply(self, picture: Picture, mask: Mask | None) -> tuple[Picture, Mask | None]:
        """Return the changed picture and its (H, W) true mask, the same each time."""
        family = FAMILIES[self.family]
        seed = int.from_bytes(hashlib.sha256(f"{picture.sha256} {self.name}".encode()).digest()[:4])
        pixels, moved = family.change(picture.pixels, mask, self.strength, seed)
        stream = BytesIO()
        settings: dict[str, Any] = (
            {} if family.quality is None else {"quality": family.quality(self.strength)}
        )
        if family.format == "JPEG":
            settings["subsampling"] = "4:2:0"
        Image.fromarray(pixels).save(stream, family.format, **settings)
        return picture_from_bytes(stream.getvalue(), f"{picture.path} ({self.name})"), moved


def _unchanged(
    pixels: Pixels, mask: Mask | None, strength: float, seed: int
) -> tuple[Pixels, Mask | None]:
    return pixels, mask


def _resize(
    pixels: Pixels, mask: Mask | None, strength: float, seed: int
) -> tuple[Pixels, Mask | None]:
    """Resize both sides by a factor, never below the smallest picture that is examined."""
    height, width = pixels.shape[:2]
    factor = max(strength, _SMALLEST_SIDE / min(height, width))
    size = (max(_SMALLEST_SIDE, round(width * factor)), max(_SMALLEST_SIDE, round(height * factor)))
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    changed = np.asarray(cv2.resize(pixels, size, interpolation=method), np.uint8)
    if mask is None:
        return changed, None
    moved = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    return changed, np.asarray(moved, bool)


def _screenshot(
    pixels: Pixels, mask: Mask | None, strength: float, seed: int
) -> tuple[Pixels, Mask | None]:
    """Show the picture on a screen of a width in pixels, at nine tenths at most."""
    return _resize(pixels, mask, min(0.9, strength / pixels.shape[1]), seed)


def _social(
    pixels: Pixels, mask: Mask | None, strength: float, seed: int
) -> tuple[Pixels, Mask | None]:
    """Reduce to what a platform keeps; the strength is the quality it saves with."""
    factor = _SOCIAL_SIDE / max(pixels.shape[:2])
    return _resize(pixels, mask, factor, seed) if factor < 1 else (pixels, mask)


def _chain(
    pixels: Pixels, mask: Mask | None, strength: float, seed: int
) -> tuple[Pixels, Mask | None]:
    """Pass the picture from platform to platform; the last one's save is the file's own."""
    hops = _PLATFORMS[: round(strength)]
    for number, (side, quality) in enumerate(hops, start=1):
        factor = side / max(pixels.shape[:2])
        if factor < 1:
            pixels, mask = _resize(pixels, mask, factor, seed)
        if number < len(hops):
            settings = [cv2.IMWRITE_JPEG_QUALITY, quality]
            saved = cv2.imencode(".jpg", pixels[..., ::-1], settings)[1]
            pixels = np.asarray(cv2.imdecode(saved, cv2.IMREAD_COLOR_RGB), np.uint8)
    return pixels, mask


def _last_quality(strength: float) -> int:
    return _PLATFORMS[round(strength) - 1][1]


def _blur(
    pixels: Pixels, mask: Mask | None, strength: float, seed: int
) -> tuple[Pixels, Mask | None]:
    side = 2 * int(strength // 2) + 1
    return np.asarray(cv2.GaussianBlur(pixels, (side, side), 0), np.uint8), mask


def _noise(
    pixels: Pixels, mask: Mask | None, strength: float, seed: int
) -> tuple[Pixels, Mask | None]:
    grain = np.random.default_rng(seed).normal(0, np.sqrt(strength), pixels.shape)
    return np.clip(np.rint(pixels + grain), 0, 255).astype(np.uint8), mask


def _crop(
    pixels: Pixels, mask: Mask | None, strength: float, seed: int
) -> tuple[Pixels, Mask | None]:
    """Keep a share of both sides: of five places the one with the most of the altered part.

    With half of each side or more, the five places cover the picture, so nothing that was
    altered becomes untouched.
    """
    height, width = pixels.shape[:2]
    tall, wide = (max(_SMALLEST_SIDE, round(side * strength)) for side in (height, width))
    down, across = height - tall, width - wide
    places = [(0, 0), (0, across), (down, 0), (down, across), (down // 2, across // 2)]
    order = np.random.default_rng(seed).permutation(len(places))
    windows = [
        (slice(places[one][0], places[one][0] + tall), slice(places[one][1], places[one][1] + wide))
        for one in order
    ]
    if mask is None:
        return np.ascontiguousarray(pixels[windows[0]]), None
    best = max(windows, key=lambda window: int(mask[window].sum()))
    return np.ascontiguousarray(pixels[best]), mask[best]


FAMILIES = {
    "jpeg": Family(
        "JPEG", "quality", (1, 100), (100, 90, 80, 70, 60, 50), _unchanged, "JPEG", round
    ),
    "webp": Family("WebP", "quality", (1, 100), (95, 80, 65, 50), _unchanged, "WEBP", round),
    "resize": Family("resize", "factor", (0.1, 4), (0.25, 0.5, 0.75, 1.25, 1.5, 2), _resize),
    "blur": Family("blur", "pixels of kernel", (3, 63), (3, 7, 11, 15, 19, 23), _blur),
    "noise": Family("noise", "variance", (1, 400), (3, 7, 11, 15, 19, 23), _noise),
    "screenshot": Family("screenshot", "pixels of width", (320, 8000), (1280,), _screenshot),
    "social": Family("social", "quality", (1, 100), (75,), _social, "JPEG", round),
    "chain": Family("social chain", "platforms", (1, 3), (1, 2, 3), _chain, "JPEG", _last_quality),
    "crop": Family("crop", "share of each side", (0.5, 1), (0.9, 0.75, 0.5), _crop),
}
"""Every transform by the name it has on the command line."""
