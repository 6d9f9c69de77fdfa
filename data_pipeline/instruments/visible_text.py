"""Visible text: where writing stands in the picture, and what the largest of it says.

A fact, and no sign of anything: any amount of writing is ordinary. It is quoted so that a reader
can look it up, and it is a stranger's words: cut short, freed of every character that markup, a
terminal or a prompt is made of, and told to no language model. Found and read by PP-OCRv6, small
(PaddleOCR; the detector after differentiable binarisation, Liao et al., AAAI 2020), in rapidocr,
whose wheel brings the weights; nothing is fetched.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from morelli.data_pipeline.images import Picture
from morelli.data_pipeline.schema import Measurement

NAME = "visible-text"
MOST_REGIONS = 1000
"""That the detector gives, so that no number of them lies outside its range."""

_UNIT = "regions"
_SIDE = 960
"""Longest side in pixels at which writing is searched for."""

_SMALLEST_SIDE = 96
_LOWEST_LETTERS = 10
"""Height in pixels, at the size of the search, of the smallest letters that are found."""

_LEAST_AREA = 16.0
_RELIABILITY, _LEAST_RELIABILITY = 0.9, 0.4
_MOST_READ, _MOST_QUOTED = 12, 3
_WRITING, _SURE = 0.5, 0.8
"""Confidence of the reader from which on a region is writing at all, and is quoted."""

_LONGEST_QUOTE = 40
_PLAIN = frozenset(" .,:;!?%&+-/@#€$£'()")
"""Characters that are quoted besides letters and digits."""

Quads = NDArray[np.float32]
"""(n, 4, 2) x and y of the corners of regions, in image pixels, largest region first."""


@cache
def _engine(part: str) -> Any:
    """Return the half of rapidocr that finds writing ("det") or reads it ("rec").

    One thread, so that sums are the same with any number of cores.
    """
    # Loading it takes half a second, which those who read other instruments need not wait for.
    import rapidocr

    models = Path(rapidocr.__file__).parent / "models"
    return rapidocr.RapidOCR(
        params={
            "Global.log_level": "critical",
            "Global.use_det": part == "det",
            "Global.use_cls": False,
            "Global.use_rec": part == "rec",
            "Det.model_path": str(models / "PP-OCRv6_det_small.onnx"),
            "Det.limit_type": "max",
            "Det.limit_side_len": _SIDE,
            "Det.max_candidates": MOST_REGIONS,
            "Rec.model_path": str(models / "PP-OCRv6_rec_small.onnx"),
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )


def _found(blue_first: NDArray[np.uint8]) -> Quads:
    """Find the regions of writing in (H, W, 3) pixels."""
    height, width = blue_first.shape[:2]
    factor = min(1.0, _SIDE / max(height, width))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    small = cv2.resize(blue_first, size, interpolation=cv2.INTER_AREA)
    boxes = _engine("det")(small).boxes
    if boxes is None or not len(boxes):
        return np.empty((0, 4, 2), np.float32)
    scale = np.array([width / size[0], height / size[1]], np.float32)
    quads: Quads = np.asarray(boxes, np.float32) * scale
    areas = np.array([cv2.contourArea(quad) for quad in quads])
    # At the border of the picture a region may be cut down to nothing.
    order = [n for n in np.argsort(-areas, kind="stable") if areas[n] >= _LEAST_AREA]
    return quads[order]


def _read(blue_first: NDArray[np.uint8], quads: Quads) -> Iterator[tuple[str, float]]:
    """Yield the words of each region, as they are, and the reader's confidence, 0 to 1."""
    from rapidocr.utils.process_img import get_rotate_crop_image

    for quad in quads:
        said = _engine("rec")(get_rotate_crop_image(blue_first, quad.copy()))
        yield (said.txts[0], float(said.scores[0])) if said.txts else ("", 0.0)


def written_lines(pixels: NDArray[np.uint8]) -> list[tuple[NDArray[np.float32], str]]:
    """Return the lines of writing in (H, W, 3) RGB pixels that can be read with certainty.

    Returns:
        (4, 2) corners in pixels, from the top left clockwise as the line is read, and its words.
    """
    blue_first = np.ascontiguousarray(pixels[..., ::-1])
    quads = _found(blue_first)
    read = _read(blue_first, quads)
    return [(quad, words) for quad, (words, sure) in zip(quads, read, strict=True) if sure >= _SURE]


def quotable(words: str) -> str:
    """Return a stranger's words as short, plain text on one line, "" if nothing is left."""
    plain = "".join(one if one.isalnum() or one in _PLAIN else " " for one in words)
    short = " ".join(plain.split())
    return short if len(short) <= _LONGEST_QUOTE else short[: _LONGEST_QUOTE - 3] + "..."


def _statement(count: int, quotes: list[str], smallest: int) -> str:
    if not count:
        return f"No writing was found; letters lower than about {smallest} pixels are not seen."
    places = "1 place" if count == 1 else f"{count} places"
    if not quotes:
        return f"Writing stands in {places}; none of it could be read with certainty."
    words = ", ".join(f'"{quote}"' for quote in quotes[:_MOST_QUOTED])
    return f"Writing stands in {places}; the largest that could be read, quoted: {words}."


def measure_visible_text(picture: Picture) -> Measurement:
    """Count the regions of writing, and quote the largest.

    The map is 1 inside the regions. Words turned upside down are found and not read. Where a large
    picture is reduced for the search, small writing is lost, and reliability with it.
    """
    expected = (0.0, float(MOST_REGIONS))
    if min(picture.height, picture.width) < _SMALLEST_SIDE:
        words = f"A picture below {_SMALLEST_SIDE} pixels a side is too small to look for writing."
        return Measurement(NAME, None, _UNIT, expected, 0.0, words)
    blue_first = np.ascontiguousarray(picture.pixels[..., ::-1])
    quads = _found(blue_first)
    read = list(_read(blue_first, quads[:_MOST_READ]))
    # What the reader sees no writing in is texture; more than it reads, the detector answers for.
    wrong = [n for n, (_, sure) in enumerate(read) if sure < _WRITING]
    quads = np.delete(quads, wrong, axis=0)
    quotes = [quote for said, sure in read if sure >= _SURE and (quote := quotable(said))]
    reduction = max(1.0, max(picture.height, picture.width) / _SIDE)
    heat = None
    if len(quads):
        inside = np.zeros((picture.height, picture.width), np.uint8)
        cv2.fillPoly(inside, [np.rint(quad).astype(np.int32) for quad in quads], 1)
        heat = inside.astype(np.float32)
    return Measurement(
        NAME,
        float(len(quads)),
        _UNIT,
        expected,
        max(_LEAST_RELIABILITY, _RELIABILITY / reduction**0.5),
        _statement(len(quads), quotes, round(_LOWEST_LETTERS * reduction)),
        map=heat,
        details={"words": quotes},
    )
