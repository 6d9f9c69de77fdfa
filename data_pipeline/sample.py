"""Makes a forgery to try Morelli on, out of photographs that come inside PyWavelets.

The pictures are free of rights: `camera` is CC0 by Lav Varshney, `ascent` is in the public domain.
`python -m morelli.data_pipeline.sample FILE` writes it.
"""

import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pywt.data
from numpy.typing import NDArray

from morelli.data_pipeline.maker.frame import Alpha, Pixels, blend

_TOWER = ((410, 131), (416, 124), (422, 115), (432, 118), (432, 193), (410, 193))
"""Outline of the tower on the horizon of `camera`, (x, y) in pixels."""

_HIKER = (
    *((402, 345), (402, 300), (399, 284), (404, 275), (412, 270), (407, 262), (407, 255)),
    *((413, 248), (424, 244), (434, 245), (439, 253), (440, 262), (448, 264), (470, 266)),
    *((492, 272), (503, 280), (511, 288), (511, 345)),
)
"""Outline of the man with a backpack in `ascent`, down to the rail that hides his legs."""

_TOWER_GOAL = (1.0, -388.0, -12.0)
"""Size factor and shift in pixels (across, down) of the second tower."""

_HIKER_GOAL = (1.4, -204.4, 28.0)
"""The same for the man, whose cut edges come to lie on the border of the picture."""

_HOST_QUALITY, _FILE_QUALITY = 75, 92
"""JPEG qualities of the photograph before the forgery and of the forgery's file."""


def make_sample(path: Path) -> None:
    """Write a forged photograph, with a doubled tower and a man from another picture.

    The same versions of the libraries write the same bytes.

    Args:
        path: the JPEG file to write, 512 x 512 pixels; its folder must exist.

    Raises:
        OSError: the file cannot be written.
    """
    host = _decode(_encode(_in_colour(pywt.data.camera()), _HOST_QUALITY))
    guest = _in_colour(pywt.data.ascent())
    forged = _paste(host, host, _TOWER, _TOWER_GOAL)
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


def _in_colour(grey: NDArray[np.uint8]) -> Pixels:
    """Return a grey photograph as RGB, warm in the lights and cool in the shadows as a print."""
    return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2)


def _encode(pixels: Pixels, quality: int) -> bytes:
    _, data = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes()


def _decode(data: bytes) -> Pixels:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


if __name__ == "__main__":
    make_sample(Path(sys.argv[1]))
