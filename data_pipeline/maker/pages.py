"""Pages, receipts, forms and cards with the look of a scan or a photograph, to forge or to keep."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageDraw

from morelli.data_pipeline.maker.fonts import draw_typeface, typeface
from morelli.data_pipeline.maker.frame import Pixels, log_uniform, to_pixels
from morelli.data_pipeline.maker.lettering import phrase, sentence

PAGE = "rendered page"
"""Name and key of a host that is a page: it comes from no source and is in no part."""

_Colour = tuple[int, int, int]


@dataclass
class _Sheet:
    """A page in the making: where the next line goes, where the last may, and how they are set."""

    image: Image.Image
    rng: np.random.Generator
    face: str
    size: int
    ink: _Colour
    margin: int
    top: int
    bottom: int = field(init=False)
    draw: ImageDraw.ImageDraw = field(init=False)

    def __post_init__(self) -> None:
        self.bottom = self.image.height - self.margin // 2
        self.draw = ImageDraw.Draw(self.image)

    def line(self, left: str, right: str = "", scale: float = 1.0, gap: float = 1.45) -> None:
        """Set a line with something at its left and something at its right edge."""
        font = typeface(self.face, round(self.size * scale))
        self.draw.text((self.margin, self.top), left, fill=self.ink, font=font)
        start = self.image.width - self.margin - font.getlength(right)
        if right and start > self.margin + font.getlength(left) + self.size:
            self.draw.text((start, self.top), right, fill=self.ink, font=font)
        self.top += round(self.size * scale * gap)

    def rule(self) -> None:
        """Draw a line across."""
        width = max(1, self.size // 10)
        ends = (self.margin, self.top, self.image.width - self.margin, self.top)
        self.draw.line(ends, fill=self.ink, width=width)
        self.top += self.size // 2

    @property
    def full(self) -> bool:
        """Whether the next line would leave the page."""
        return self.top + 2 * self.size > self.bottom

    def words_across(self) -> str:
        """Return as many words as a line takes."""
        letters = (self.image.width - 2 * self.margin) / (0.55 * self.size)
        return sentence(self.rng, max(3, int(letters)))


def _letter(sheet: _Sheet) -> None:
    sheet.line(phrase(sheet.rng), phrase(sheet.rng), scale=1.6)
    for _ in range(int(sheet.rng.integers(1, 4))):
        sheet.line(phrase(sheet.rng))
    while not sheet.full:
        if sheet.rng.random() < 0.15:
            sheet.top += sheet.size
        sheet.line(sheet.words_across())


def _receipt(sheet: _Sheet) -> None:
    sheet.line(phrase(sheet.rng), scale=1.4)
    sheet.line(phrase(sheet.rng))
    sheet.rule()
    while not sheet.full:
        amount = f"{sheet.rng.integers(1, 400)}.{sheet.rng.integers(100):02d}"
        if sheet.rng.random() < 0.12:
            sheet.rule()
        sheet.line(sentence(sheet.rng, 12), amount)


def _form(sheet: _Sheet, columns: float = 0.4) -> None:
    """Set fields; `columns` is how often a line has a second one on the right."""
    sheet.line(sentence(sheet.rng, 18), scale=1.5)
    while not sheet.full:
        sheet.line(sentence(sheet.rng, 10), scale=0.65, gap=1.2)
        sheet.line(phrase(sheet.rng), phrase(sheet.rng) if sheet.rng.random() < columns else "")
        if sheet.rng.random() < 0.6:
            sheet.rule()


def _card(sheet: _Sheet) -> None:
    width, height = sheet.image.size
    frame = (sheet.margin // 2, sheet.margin // 2, width - sheet.margin // 2, height // 3 * 2)
    tint = tuple(int(part) for part in sheet.rng.integers(150, 245, 3))
    sheet.draw.rounded_rectangle(frame, radius=sheet.size, fill=tint)
    box = (width // 3 * 2, sheet.top + 2 * sheet.size)
    shade = tuple(int(part) for part in sheet.rng.integers(90, 180, 3))
    sheet.draw.rectangle((*box, box[0] + width // 5, box[1] + width // 4), fill=shade)
    sheet.bottom = frame[3]
    _form(sheet, columns=0.0)


_LAYOUTS: dict[str, Callable[[_Sheet], None]] = {
    "letter": _letter,
    "receipt": _receipt,
    "form": _form,
    "card": _card,
}


def render_page(rng: np.random.Generator, height: int, width: int) -> tuple[Pixels, dict[str, Any]]:
    """Set a page with made-up text, print it and photograph it.

    Args:
        rng: the source of every draw.
        height: of the page in pixels.
        width: of the page in pixels.

    Returns:
        (height, width, 3) RGB pixels and what was drawn, plain JSON.
    """
    layout = list(_LAYOUTS)[int(rng.integers(len(_LAYOUTS)))]
    paper = to_pixels(rng.uniform(225, 255) + rng.normal(0, 5, 3))
    ink = to_pixels(rng.uniform(5, 80) + rng.normal(0, 12, 3))
    size = round(min(height, width) / log_uniform(rng, 16, 38))
    margin = round(width * rng.uniform(0.04, 0.12))
    face = draw_typeface(rng)
    image = Image.new("RGB", (width, height), _colour(paper))
    sheet = _Sheet(image, rng, face, max(9, size), _colour(ink), margin, margin)
    _LAYOUTS[layout](sheet)
    pixels, capture = _captured(rng, np.asarray(image), _colour(paper))
    drawn = {"layout": layout, "face": face, "size": sheet.size, "paper": _colour(paper)}
    return pixels, {**drawn, "paper": list(_colour(paper)), "ink": list(_colour(ink)), **capture}


def _colour(pixel: Pixels) -> _Colour:
    return int(pixel[0]), int(pixel[1]), int(pixel[2])


def _captured(
    rng: np.random.Generator, page: Pixels, paper: _Colour
) -> tuple[Pixels, dict[str, Any]]:
    """Give a clean page the look of a scan or, in half of the cases, of a photograph of it."""
    height, width = page.shape[:2]
    photographed = bool(rng.random() < 0.5)
    drawn: dict[str, Any] = {"photographed": photographed}
    if photographed:
        corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
        moved = corners + rng.uniform(-0.03, 0.03, (4, 2)).astype(np.float32) * (width, height)
        matrix = cv2.getPerspectiveTransform(corners, moved.astype(np.float32))
        page = np.asarray(
            cv2.warpPerspective(
                page,
                matrix,
                (width, height),
                borderMode=cv2.BORDER_CONSTANT,
                borderValue=paper,
                flags=cv2.INTER_LINEAR,
            ),
            np.uint8,
        )
        drawn["corners"] = [[float(x), float(y)] for x, y in moved]
    sigma = float(rng.uniform(0.3, 1.1))
    grain = float(rng.uniform(0.8, 4.0))
    uneven = float(rng.uniform(0.05, 0.25)) if photographed else float(rng.uniform(0, 0.03))
    soft = cv2.GaussianBlur(page, (0, 0), sigma).astype(np.float32)
    cells = 1 - uneven * rng.random((3, 3), dtype=np.float32)
    soft *= cv2.resize(cells, (width, height), interpolation=cv2.INTER_CUBIC)[..., None]
    # The grain of paper is coarser than that of the sensor.
    fibre = rng.standard_normal((height // 2 + 1, width // 2 + 1), dtype=np.float32)
    soft += 0.6 * grain * cv2.resize(fibre, (width, height))[..., None]
    soft += grain * rng.standard_normal((height, width, 1), dtype=np.float32)
    return to_pixels(soft), {**drawn, "blur": sigma, "grain": grain, "uneven": uneven}
