"""JPEG history: does one region lack the earlier save that the rest of the picture went through?

The tables of a JPEG file say how it was saved last; what its coefficients say of an earlier save is
in `quantisation`. Files in a lossless format are searched for the grid of a former JPEG.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from morelli.data_pipeline.images import Picture
from morelli.data_pipeline.instruments.quantisation import Trace, earlier_save
from morelli.data_pipeline.instruments.ranges import expected_range
from morelli.data_pipeline.instruments.regions import (
    box_around,
    part_around,
    strongest_region,
)
from morelli.data_pipeline.instruments.stored import (
    grid_offset,
    grid_to_image,
    nearest_quality,
    standard_table,
    stored_luma,
    stored_pixels,
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
        luma, table = stored_luma(picture.data)
        top = left = 0
        quality, standard = nearest_quality(table)
        details = {"quality": quality, "standard_tables": standard, "table": table.ravel().tolist()}
        reason = f"the file was saved at a quality of about {quality}, and no earlier save shows"
    else:
        luma = cv2.cvtColor(picture.pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
        table = np.ones((8, 8), np.int64)
        top, left, clarity = grid_offset(luma)
        details = {"grid": [left, top], "grid_clarity": round(clarity, 2)}
        reason = "the picture shows no trace of ever having been one"
    evidence, traces = earlier_save(luma, top, left, table)
    details["earlier_steps"] = [[*t.frequency, t.step, round(t.gain, 3)] for t in traces]
    if len(traces) < _FEWEST_TRACES:
        statement = f"The JPEG history of regions cannot be compared: {reason}."
        return Measurement(NAME, None, _UNIT, expected_range(NAME), 0.0, statement, details=details)
    evidence[_clipped_blocks(stored_pixels(picture), top, left)] = 0
    details["earlier_quality"] = _earlier_quality(traces)
    reliability = min(1.0, len(traces) / _AMPLE_TRACES)
    return _compare(picture, _smooth(evidence), (top, left), reliability, details)


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
    shown = np.clip(levels / (2 * high), 0, 1).astype(np.float32)
    box = None
    if region and value > high:
        cells = part_around(region.cells, levels > high).astype(np.float32)
        box = box_around(grid_to_image(picture, cells, 8, corner) > 0)
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
        map=grid_to_image(picture, shown, 8, corner),
        box=box,
        details=details,
    )
