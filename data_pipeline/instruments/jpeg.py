"""JPEG history: does one region lack the earlier save that the rest of the picture went through?

The tables of a JPEG file say how it was saved last; what its coefficients say of an earlier save is
in `quantisation`. Files in a lossless format are searched for the grid of a former JPEG.
"""

from io import BytesIO
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import JpegImagePlugin

from morelli.data_pipeline.images import Picture, turn_upright
from morelli.data_pipeline.instruments.quantisation import Trace, earlier_save
from morelli.data_pipeline.instruments.ranges import expected_range
from morelli.data_pipeline.instruments.regions import (
    box_around,
    part_around,
    spread,
    strongest_region,
)
from morelli.data_pipeline.schema import Measurement

NAME = "jpeg"
_UNIT = "bits per block"
_NEIGHBOURS = 5
_FEWEST_TRACES = 3
_AMPLE_TRACES = 6
"""Coefficients that must show an earlier save: to be read at all, and for full reliability."""
_FEWEST_BLOCKS = 12
_MOST_BITS = 12.0
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


def standard_table(quality: int) -> NDArray[np.int64]:
    """Return the (8, 8) luma table that the IJG library writes at a quality of 1 to 100."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return np.asarray(np.clip((_ANNEX_K * scale + 50) // 100, 1, 255), np.int64)


def nearest_quality(table: NDArray[np.int64]) -> tuple[int, bool]:
    """Return the IJG quality whose luma table is nearest, and whether it is the very same."""
    distances = [int(np.abs(standard_table(q) - table).sum()) for q in range(1, 101)]
    best = int(np.argmin(distances))
    return best + 1, distances[best] == 0


def _stored_luma(data: bytes) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the luma of a JPEG file in the stored frame and its (8, 8) quantisation steps."""
    image = JpegImagePlugin.JpegImageFile(BytesIO(data))
    # Pillow hands the tables over row by row, not in zigzag order.
    table = np.array(image.quantization[image.layer[0][3]], np.int64).reshape(8, 8)
    if image.mode == "RGB":
        # Decoding to luma alone skips the rounding that RGB would add.
        image.draft("L", image.size)
    return np.asarray(image.convert("L"), np.float32), table


def _grid_offset(luma: NDArray[np.float32]) -> tuple[int, int, float]:
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


def _smooth(evidence: NDArray[np.float32]) -> NDArray[np.float32]:
    """Average the evidence over neighbouring blocks, each bounded so that none decides alone."""
    bounded = np.clip(evidence, -_MOST_BITS, _MOST_BITS)
    size = (_NEIGHBOURS, _NEIGHBOURS)
    return np.asarray(cv2.blur(bounded, size, borderType=cv2.BORDER_REPLICATE), np.float32)


def _clipped_blocks(pixels: NDArray[np.uint8], top: int, left: int) -> NDArray[np.bool_]:
    """Say which blocks of a grid hold clipped pixels, whose rounding is lost.

    Args:
        pixels: (H, W, 3), stored frame.
        top: first row of the grid.
        left: first column of the grid.
    """
    rows, columns = (pixels.shape[0] - top) // 8, (pixels.shape[1] - left) // 8
    inside = pixels[top : top + 8 * rows, left : left + 8 * columns]
    clipped = ((inside == 0) | (inside == 255)).any(2)
    return np.asarray(clipped.reshape(rows, 8, columns, 8).any((1, 3)), np.bool_)


def _stored_pixels(picture: Picture) -> NDArray[np.uint8]:
    """Return the view of the pixels as the grid lies on them: stored in JPEG, else upright."""
    if picture.format != "JPEG":
        return picture.pixels
    # Every turn undoes itself but the two by a quarter, which undo each other.
    back = {6: 8, 8: 6}.get(picture.orientation, picture.orientation)
    return turn_upright(picture.pixels, back)


def _earlier_quality(traces: list[Trace]) -> int:
    """Return the IJG quality whose luma table is nearest to the steps of the earlier save."""
    distances = []
    for quality in range(1, 101):
        table = standard_table(quality)
        distances.append(sum(abs(int(table[t.frequency]) - t.step) for t in traces))
    return int(np.argmin(distances)) + 1


def measure_jpeg(picture: Picture) -> Measurement:
    """Look for the region that most lacks the JPEG save that the rest went through earlier.

    The value is the evidence, in bits for every block of 8 x 8 pixels, that a connected region of
    half a percent of the picture or more, 12 blocks at least, was not part of the earlier save. The
    map is 0.5 at the highest evidence expected on untouched photographs.
    """
    if picture.format == "JPEG":
        luma, table = _stored_luma(picture.data)
        top = left = 0
        quality, standard = nearest_quality(table)
        details = {"quality": quality, "standard_tables": standard, "table": table.ravel().tolist()}
        reason = f"the file was saved at a quality of about {quality}, and no earlier save shows"
    else:
        luma = cv2.cvtColor(picture.pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
        table = np.ones((8, 8), np.int64)
        top, left, clarity = _grid_offset(luma)
        details = {"grid": [left, top], "grid_clarity": round(clarity, 2)}
        reason = "the picture shows no trace of ever having been one"
    evidence, traces = earlier_save(luma, top, left, table)
    details["earlier_steps"] = [[*t.frequency, t.step, round(t.gain, 3)] for t in traces]
    if len(traces) < _FEWEST_TRACES:
        statement = f"The JPEG history of regions cannot be compared: {reason}."
        return Measurement(NAME, None, _UNIT, expected_range(NAME), 0.0, statement, details=details)
    evidence[_clipped_blocks(_stored_pixels(picture), top, left)] = 0
    details["earlier_quality"] = _earlier_quality(traces)
    reliability = min(1.0, len(traces) / _AMPLE_TRACES)
    return _compare(picture, _smooth(evidence), (top, left), reliability, details)


def _to_image(
    picture: Picture, grid: NDArray[np.float32], corner: tuple[int, int]
) -> NDArray[np.float32]:
    """Spread an (h, w) grid of blocks that begins at `corner` over the (H, W) image frame."""
    top, left = corner
    height, width, _ = _stored_pixels(picture).shape
    pixels = np.zeros((height, width), np.float32)
    pixels[top:, left:] = spread(grid, 8, height - top, width - left)
    return np.ascontiguousarray(picture.upright(pixels) if picture.format == "JPEG" else pixels)


def _compare(
    picture: Picture,
    levels: NDArray[np.float32],
    corner: tuple[int, int],
    reliability: float,
    details: dict[str, Any],
) -> Measurement:
    """Make the measurement from (h, w) bits per block whose grid begins at `corner`."""
    low, high = expected_range(NAME)
    region = strongest_region(levels, _FEWEST_BLOCKS)
    value = round(region.level, 4) if region else 0.0
    box = None
    if region and value > high:
        cells = part_around(region.cells, levels > high).astype(np.float32)
        box = box_around(_to_image(picture, cells, corner) > 0)
    return Measurement(
        instrument=NAME,
        value=value,
        unit=_UNIT,
        expected=(low, high),
        reliability=reliability,
        statement=(
            f"The picture was saved as JPEG before, at a quality of about"
            f" {details['earlier_quality']}; the evidence that a region was not part of that save"
            f" reaches {value:.2f} bits per block, up to {high:.2f} being normal."
        ),
        map=_to_image(picture, np.clip(levels / (2 * high), 0, 1).astype(np.float32), corner),
        box=box,
        details=details,
    )
