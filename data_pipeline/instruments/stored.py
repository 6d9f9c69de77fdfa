"""The frame in which JPEG works: stored pixels, their 8 x 8 grid, and the tables of the last save.

Quantisation and blocks lie on the pixels as they are stored; the image frame is upright. What is
read in the stored frame is turned into the image frame by `grid_to_image`.
"""

from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import JpegImagePlugin, JpegPresets

from morelli.data_pipeline.images import Picture, turn_upright
from morelli.data_pipeline.instruments.regions import spread
from morelli.data_pipeline.pillow_state import silence

# The luma table of annex K.1 of ITU-T T.81, row by row, that the IJG library scales.
_ANNEX_K = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)
_PHOTOSHOP = ("low", "medium", "high", "maximum")
_PHOTOSHOP_WEB = ("web_low", "web_medium", "web_high", "web_very_high", "web_maximum")


def standard_table(quality: int) -> NDArray[np.int64]:
    """Return the (8, 8) luma table that the IJG library writes at a quality of 1 to 100."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return np.asarray(np.clip((_ANNEX_K * scale + 50) // 100, 1, 255), np.int64)


def nearest_quality(table: NDArray[np.int64]) -> tuple[int, bool]:
    """Return the IJG quality whose luma table is nearest, and whether it is the very same."""
    distances = [int(np.abs(standard_table(q) - table).sum()) for q in range(1, 101)]
    best = int(np.argmin(distances))
    return best + 1, distances[best] == 0


def saved_quality(picture: Picture) -> int | None:
    """Return the IJG quality nearest to that of the last save, None if that was not as JPEG."""
    return nearest_quality(luma_table(picture.data))[0] if picture.format == "JPEG" else None


@cache
def _photoshop_tables() -> dict[tuple[int, ...], str]:
    """Return the luma tables of Photoshop's named settings, which Pillow keeps as presets."""
    known = {}
    for names, dialogue in ((_PHOTOSHOP, "Save As"), (_PHOTOSHOP_WEB, "Save for Web")):
        for preset in names:
            words = preset.removeprefix("web_").replace("_", " ")
            settings: dict[str, Any] = JpegPresets.presets[preset]
            luma = settings["quantization"][0]
            # Nikon's first cameras wrote some of these tables too.
            name = f"Adobe Photoshop ({dialogue}, {words}), or a camera with the same table"
            known[tuple(luma)] = name
    return known


def writer_of(table: NDArray[np.int64]) -> str | None:
    """Name the software whose table this is, None if it is none that is known.

    Args:
        table: (8, 8) luma steps. The IJG library stands behind many programs and phones, so that
            its name says less than Photoshop's.
    """
    if table.min() == table.max() == 1:
        return None
    steps = tuple(int(step) for step in table.ravel())
    if steps in _photoshop_tables():
        return _photoshop_tables()[steps]
    quality, same = nearest_quality(table)
    return f"the IJG library at quality {quality}" if same else None


def _opened(data: bytes) -> tuple[JpegImagePlugin.JpegImageFile, NDArray[np.int64]]:
    with silence():
        image = JpegImagePlugin.JpegImageFile(BytesIO(data))
    # Pillow hands the tables over row by row, not in zigzag order.
    table = np.array(image.quantization[image.layer[0][3]], np.int64).reshape(8, 8)
    return image, table


def luma_table(data: bytes) -> NDArray[np.int64]:
    """Return the (8, 8) luma quantisation steps of a JPEG file, without decoding its pixels."""
    return _opened(data)[1]


def stored_luma(data: bytes) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the luma of a JPEG file in the stored frame and its (8, 8) quantisation steps."""
    image, table = _opened(data)
    if image.mode == "RGB":
        # Decoding to luma alone skips the rounding that RGB would add.
        image.draft("L", image.size)
    return np.asarray(image.convert("L"), np.float32), table


def stored_pixels(picture: Picture) -> NDArray[np.uint8]:
    """Return the view of the pixels as the grid lies on them: stored in JPEG, else upright."""
    if picture.format != "JPEG":
        return picture.pixels
    # Every turn undoes itself but the two by a quarter, which undo each other.
    back = {6: 8, 8: 6}.get(picture.orientation, picture.orientation)
    return turn_upright(picture.pixels, back)


def grid_offset(luma: NDArray[np.float32]) -> tuple[int, int, float]:
    """Find the 8 x 8 grid of a former JPEG in pixels.

    Steps across block borders show in the second difference, which vanishes on slopes; it is
    clipped so that edges count no more than steps: Li, Yuan and Yu, "Passive detection of doctored
    JPEG image via block artifact grid extraction", Signal Processing 2009.

    Returns:
        Row and column of the first border, and how far it stands out in standard deviations of the
        other seven, the weaker of both directions.
    """
    found = []
    for axis in (0, 1):
        lines = luma if axis == 0 else luma.T
        # A step between rows y and y + 1 makes both of their second differences large.
        across = np.abs(lines[:-3] - 3 * lines[1:-2] + 3 * lines[2:-1] - lines[3:])
        strength = np.minimum(across, 12).mean(1)
        phases = np.array([strength[(phase + 6) % 8 :: 8].mean() for phase in range(8)])
        best = int(np.argmax(phases))
        rest = np.delete(phases, best)
        found.append((best, float((phases[best] - rest.mean()) / (rest.std() + 1e-3))))
    (top, above), (left, beside) = found
    return top, left, min(above, beside)


def grid_to_image(
    picture: Picture, grid: NDArray[np.float32], cell: int, corner: tuple[int, int] = (0, 0)
) -> NDArray[np.float32]:
    """Spread an (h, w) grid of the stored frame over the (H, W) image frame; 0 beyond the grid.

    Args:
        picture: whose frames are meant.
        grid: one reading a cell.
        cell: side of a cell in pixels.
        corner: row and column in the stored frame at which the grid begins.
    """
    top, left = corner
    height, width, _ = stored_pixels(picture).shape
    pixels = np.zeros((height, width), np.float32)
    pixels[top:, left:] = spread(grid, cell, height - top, width - left)
    return np.ascontiguousarray(picture.upright(pixels) if picture.format == "JPEG" else pixels)
