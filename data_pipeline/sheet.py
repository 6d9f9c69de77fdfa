"""A contact sheet: pictures of a manifest, outlines of their masks and their conversations."""

import base64
import heapq
import random
from dataclasses import dataclass
from importlib.resources import files
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from jinja2 import Environment
from numpy.typing import NDArray
from PIL import Image

from morelli.data_pipeline.images import ImageError, open_picture, read_mask
from morelli.data_pipeline.manifest import Row, Turn, row_of
from morelli.data_pipeline.masks import Mask

_SIDE = 480
"""Longer side of a picture on the sheet, in pixels."""

_HALO, _LINE, _ORIGIN_LINE = (0, 0, 0), (255, 64, 200), (60, 230, 90)


@dataclass(frozen=True, slots=True)
class _Card:
    """What the template shows of one row."""

    line: int
    id: str
    verdict: str
    kind: str
    source: str
    split: str
    size: str
    altered: str
    picture: str
    turns: tuple[Turn, ...]
    fault: str


def write_sheet(manifest: Path, page: Path, count: int, seed: int = 0) -> int:
    """Write one HTML file with everything in it, and return the number of pictures shown.

    Args:
        manifest: JSON lines, see `manifest`.
        page: the file to write.
        count: how many rows to show, drawn evenly; all if there are not more.
        seed: draws others.

    Raises:
        ManifestError: a drawn line is no sample.
        OSError: the manifest cannot be read, or the page not written.
    """
    drawn = _drawn(manifest, count, seed)
    rows = [
        (line, row_of(text, f"{manifest}:{line}", manifest.parent)) for line, text in sorted(drawn)
    ]
    source = files("morelli.data_pipeline") / "templates" / "sheet.html"
    template = Environment(autoescape=True).from_string(source.read_text(encoding="utf-8"))
    cards = [_card(line, row) for line, row in rows]
    page.write_text(template.render(name=manifest.name, cards=cards), encoding="utf-8")
    return len(cards)


def _drawn(manifest: Path, count: int, seed: int) -> list[tuple[int, bytes]]:
    """Draw lines in one pass, however long the manifest is."""
    rng = random.Random(seed)
    with manifest.open("rb") as file:
        numbered = ((rng.random(), n, line) for n, line in enumerate(file, 1) if line.strip())
        return [(number, line) for _, number, line in heapq.nlargest(count, numbered)]


def _card(line: int, row: Row) -> _Card:
    sample = row.sample
    picture, size, altered, fault = "", "", "", ""
    try:
        pixels = open_picture(sample.image).pixels
        size = f"{pixels.shape[1]} x {pixels.shape[0]}"
        picture = _data_url(_small(pixels))
        if sample.mask is not None:
            mask = read_mask(sample.mask, *pixels.shape[:2])
            altered = f"{100 * mask.mean():.1f} % marked"
            drawn = _outlined(_small(pixels), mask, _LINE)
            if sample.origin is not None:
                origin = read_mask(sample.origin, *pixels.shape[:2])
                drawn = _outlined(drawn, origin, _ORIGIN_LINE)
            picture = _data_url(drawn)
    except (ImageError, ValueError) as error:
        fault = str(error)
    turns = row.conversation
    if sample.answer and not turns:
        turns = (Turn("assistant", sample.answer),)
    return _Card(
        line=line,
        id=sample.id,
        verdict=str(sample.verdict),
        kind=sample.kind or "",
        source=sample.source,
        split=str(row.extra.get("split") or ""),
        size=size,
        altered=altered,
        picture=picture,
        turns=turns,
        fault=fault,
    )


def _small(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    scale = min(1.0, _SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def _outlined(
    pixels: NDArray[np.uint8], mask: Mask, line: tuple[int, int, int]
) -> NDArray[np.uint8]:
    """Draw the outline of a mask of another size, light on a dark halo."""
    height, width = pixels.shape[:2]
    # The area filter keeps specks that nearest-neighbour would lose.
    share = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    inside = (share > min(0.5, 0.9 * float(share.max(initial=0)))).astype(np.uint8)
    outlines, _ = cv2.findContours(inside, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    drawn = pixels.copy()
    for colour, thickness in ((_HALO, 4), (line, 2)):
        cv2.drawContours(drawn, outlines, -1, colour, thickness, cv2.LINE_AA)
    return drawn


def _data_url(pixels: NDArray[np.uint8]) -> str:
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, format="JPEG", quality=88)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
