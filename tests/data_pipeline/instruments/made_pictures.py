"""Pictures that the instruments' tests make, from scikit-image's photographs and from nothing."""

from io import BytesIO

import cv2
import numpy as np
from PIL import Image
from skimage import data

from morelli.data_pipeline.images import Picture, picture_from_bytes

REGION = np.s_[120:264, 200:376]
"""Where a made picture was altered."""


def encoded(pixels, kind="PNG", **options) -> bytes:
    stream = BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(stream, kind, **options)
    return stream.getvalue()


def decoded(data_: bytes):
    return np.asarray(Image.open(BytesIO(data_)).convert("RGB"))


def saved(pixels, kind="PNG", **options) -> Picture:
    return picture_from_bytes(encoded(pixels, kind, **options), f"made.{kind.lower()}")


def resaved(pixels, quality: int):
    """Return the pixels after a save as JPEG."""
    return decoded(encoded(pixels, "JPEG", quality=quality))


def photograph(name="coffee"):
    """A photograph scaled down, so that no save that it may have gone through can be read."""
    return cv2.resize(getattr(data, name)(), None, fx=0.9, fy=0.9, interpolation=cv2.INTER_AREA)


def blank(level=200):
    return np.full((256, 256, 3), level, np.uint8)


def region_mask(shape):
    mask = np.zeros(shape, bool)
    mask[REGION] = True
    return mask


def overlap(reading) -> float:
    """Return intersection over union of REGION and where the map is anomalous."""
    found = reading.map >= reading.map_threshold
    truth = region_mask(found.shape)
    return float((found & truth).sum() / (found | truth).sum())
