"""What a localiser must beat: maps that need no training, each given its best threshold."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from morelli.data_pipeline.images import Picture, picture_from_bytes
from morelli.data_pipeline.instruments.copy_move import measure_copy_move
from morelli.data_pipeline.instruments.noise import measure_noise
from morelli.data_pipeline.schema import Measurement

_QUALITY = 90
_WINDOW = 17
_FULL_SCALE = 32.0
"""Grey levels of difference at which the error-level map saturates; 1 / 8 of one is told apart."""

Map = NDArray[np.float32]


def recompressed(picture: Picture, quality: int) -> Picture:
    """Return the picture saved as JPEG of an IJG quality, 4:2:0, and opened again."""
    stream = BytesIO()
    Image.fromarray(picture.pixels).save(stream, "JPEG", quality=quality, subsampling="4:2:0")
    return picture_from_bytes(stream.getvalue(), f"{picture.path} at quality {quality}")


def all_altered(picture: Picture) -> Map:
    """Call every pixel altered: what a score is worth that knows nothing."""
    return np.ones((picture.height, picture.width), np.float32)


def error_level(picture: Picture) -> Map:
    """Map how much each region changes when saved once more as JPEG, 0 to 1.

    Krawetz, "A picture's worth: digital image analysis and forensics", Black Hat 2007: absolute
    difference to the picture at quality 90, mean of the channels, averaged over 17 x 17 pixels.
    """
    saved = recompressed(picture, _QUALITY).pixels
    apart = cv2.absdiff(picture.pixels, saved).astype(np.float32).mean(axis=2)
    smooth = cv2.blur(apart, (_WINDOW, _WINDOW), borderType=cv2.BORDER_REFLECT_101)
    return _as_map(np.clip(smooth / _FULL_SCALE, 0, 1))


def noise_map(picture: Picture) -> Map:
    """Return the noise instrument's map; 0 everywhere where it cannot tell."""
    return _map_of(measure_noise(picture), picture)


def copy_move(picture: Picture) -> Map:
    """Return the copy-move instrument's map; 0 everywhere where it cannot tell."""
    return _map_of(measure_copy_move(picture), picture)


def _map_of(measurement: Measurement, picture: Picture) -> Map:
    empty = np.zeros((picture.height, picture.width), np.float32)
    return empty if measurement.map is None else measurement.map


def _as_map(heat: Any) -> Map:
    return np.asarray(heat, np.float32)


BASELINES: dict[str, Callable[[Picture], Map]] = {
    "all-altered": all_altered,
    "error level": error_level,
    "noise map": noise_map,
    "copy-move": copy_move,
}
"""Every baseline by the name that tables print: (H, W) float32 in the image frame, 0 to 1."""
