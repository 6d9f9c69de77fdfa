"""Makes a forgery to try Morelli on, out of photographs that come inside PyWavelets.

The pictures are free of rights: `camera` is CC0 by Lav Varshney, `ascent` is in the public domain.
`python -m morelli.data_pipeline.sample FILE` writes it.
"""

import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pywt.data
from numpy.typing import NDArray
from PIL import Image

from morelli.data_pipeline.maker.frame import Pixels, blend

_GRASS = ((404, 266), (424, 252), (454, 312), (494, 392), (466, 396), (432, 340))
"""Outline of the grass in `camera` that is laid over a leg of the tripod, (x, y) in pixels."""

_HIKER = (
    *((402, 345), (402, 300), (399, 284), (404, 275), (412, 270), (407, 262), (407, 255)),
    *((413, 248), (424, 244), (434, 245), (439, 253), (440, 262), (448, 264), (470, 266)),
    *((492, 272), (503, 280), (511, 288), (511, 345)),
)
"""Outline of the man with a backpack in `ascent`, down to the rail that hides his legs."""

_GRASS_GOAL = (1.0, -110.0, 66.0)
"""Size factor and shift in pixels (across, down) of the grass."""

_HIKER_GOAL = (1.4, -204.4, 28.0)
"""The same for the man, whose cut edges come to lie on the border of the picture."""

_HOST_QUALITY, _FILE_QUALITY = 75, 92
"""JPEG qualities of the photograph before the forgery and of the forgery's file."""


def make_sample(path: Path) -> None:
    """Write a forged photograph, a tripod's leg hidden under copied grass and a man from elsewhere.

    The same versions of the libraries write the same bytes.

    Args:
        path: the JPEG file to write, 512 x 512 pixels; its folder must exist.

    Raises:
        OSError: the file cannot be written.
    """
    host = _decode(_encode(_as_rgb(pywt.data.camera()), _HOST_QUALITY))
    guest = _as_rgb(pywt.data.ascent())
    forged = _paste(host, host, _GRASS, _GRASS_GOAL)
    forged = _paste(forged, guest, _HIKER, _HIKER_GOAL)
    path.write_bytes(_encode(forged, _FILE_QUALITY))


def _paste(
    host: Pixels,
    donor: Pixels,
    outline: tuple[tuple[int, int], ...],
    goal: tuple[float, float, float],
) -> Pixels:
    """Lay what `outline` encloses in the donor over the host, resized and shifted by `goal`."""
    inside = np.zeros(donor.shape[:2], np.float32)
    cv2.fillPoly(inside, [np.array(outline, np.int32)], 1.0)
    soft = cv2.GaussianBlur(inside, (0, 0), 0.8)
    size, across, down = goal
    transform = np.array([[size, 0, across], [0, size, down]])
    return blend(host, _moved(donor, transform), _moved(soft, transform))


def _moved(values: NDArray[Any], transform: NDArray[np.float64]) -> NDArray[Any]:
    height, width = values.shape[:2]
    return np.asarray(cv2.warpAffine(values, transform, (width, height), flags=cv2.INTER_CUBIC))


def _as_rgb(grey: NDArray[Any]) -> Pixels:
    return np.repeat(grey[..., None], 3, axis=2).astype(np.uint8)


def _encode(pixels: Pixels, quality: int) -> bytes:
    _, data = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes()


def _decode(data: bytes) -> Pixels:
    return np.asarray(Image.open(BytesIO(data)))


if __name__ == "__main__":
    make_sample(Path(sys.argv[1]))
