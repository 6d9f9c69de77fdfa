"""Pages, receipts, forms, cards and screenshots, to forge or to keep.

All but screenshots have the look of a scan or of a photograph.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from morelli.data_pipeline.maker.fonts import draw_typeface, typeface
from morelli.data_pipeline.maker.frame import Pixels, to_pixels
from morelli.data_pipeline.maker.lettering import phrase, sentence
from morelli.data_pipeline.maker.print_scan import on_paper
from morelli.data_pipeline.maker.writing import Writer, draw_writer

PAGE = "rendered page"
"""Name and key of a host that is a page: it comes from no source and is in no part."""

_Colour = tuple[int, int, int]

_SIZES = (1 / 40, 1 / 13)
"""Height of letters in shares of a page's shorter side: larger ones are on signs, not on pages."""

_PORTRAIT = ((150, 230), (20, 140), (15, 110))
"""Ranges of the colours of wall, coat and hair in a portrait."""

_BUBBLE, _DARK = (232, 232, 235), (28, 28, 32)
_LEAST_CONTRAST = 0.3
_MOST_TILT = 3.0
"""Degrees by which a page is tilted at most: who photographs a page aims at it."""


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
    corner = (width // 3 * 2, sheet.top + 2 * sheet.size)
    sheet.image.paste(_portrait(sheet.rng, width // 5, width // 4), corner)
    sheet.bottom = frame[3] - 2 * sheet.size
    _form(sheet, columns=0.0)
    number = sentence(sheet.rng, 14).upper().replace(" ", "<")
    sheet.top, sheet.bottom = frame[3] - round(1.6 * sheet.size), frame[3]
    sheet.line(f"{number}<<{sheet.rng.integers(10**8, 10**9)}<<<", scale=0.9)


def _portrait(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    """Draw a passport picture's rough likeness: a head with hair and shoulders, out of focus."""
    wall, coat, hair = (tuple(int(part) for part in rng.integers(*of, 3)) for of in _PORTRAIT)
    skin = tuple(round(part * float(rng.uniform(0.45, 1.0))) for part in (235, 195, 170))
    image = Image.new("RGB", (width, height), wall)
    draw = ImageDraw.Draw(image)
    middle, wide = width * float(rng.uniform(0.45, 0.55)), width * float(rng.uniform(0.22, 0.28))
    draw.ellipse((middle - 2 * wide, 0.68 * height, middle + 2 * wide, 1.5 * height), fill=coat)
    top = height * float(rng.uniform(0.14, 0.24))
    draw.ellipse(
        (middle - 1.15 * wide, top - 0.3 * wide, middle + 1.15 * wide, top + 2.2 * wide), fill=hair
    )
    draw.ellipse((middle - wide, top, middle + wide, top + 2.6 * wide), fill=skin)
    for side in (-0.4, 0.4):
        eye, level = middle + side * wide, top + 1.1 * wide
        draw.ellipse((eye - 0.12 * wide, level, eye + 0.12 * wide, level + 0.2 * wide), fill=hair)
    mouth = (middle - 0.3 * wide, top + 1.8 * wide, middle + 0.3 * wide, top + 2.0 * wide)
    draw.ellipse(mouth, fill=tuple(round(0.7 * part) for part in skin))
    return image.filter(ImageFilter.GaussianBlur(width / 60))


def _screenshot(sheet: _Sheet) -> None:
    """Set messages in bubbles under a title bar, those of one side tinted, with times beside."""
    width = sheet.image.width
    bar = round(2.4 * sheet.size)
    tint = tuple(int(part) for part in sheet.rng.integers(140, 235, 3))
    sheet.draw.rectangle((0, 0, width, bar), fill=tint)
    sheet.top = bar // 4
    sheet.line(phrase(sheet.rng), _time(sheet.rng), scale=1.1)
    sheet.top = bar + sheet.size
    left, most = sheet.margin, width - 2 * sheet.margin
    while not sheet.full:
        font = typeface(sheet.face, sheet.size)
        words = sentence(sheet.rng, int(sheet.rng.integers(6, 40)))
        while font.getlength(words) > 0.7 * most and " " in words:
            words = words.rsplit(" ", 1)[0]
        long, own = round(font.getlength(words)), bool(sheet.rng.random() < 0.5)
        start = left + (most - long - sheet.size if own else 0)
        bubble = (start, sheet.top, start + long + sheet.size, sheet.top + 2 * sheet.size)
        sheet.draw.rounded_rectangle(bubble, radius=sheet.size // 2, fill=tint if own else _BUBBLE)
        place = (start + sheet.size // 2, sheet.top + sheet.size // 3)
        sheet.draw.text(place, words, fill=_DARK, font=font)
        small = typeface(sheet.face, max(8, round(0.6 * sheet.size)))
        beside = start - 3 * sheet.size if own else bubble[2] + sheet.size // 2
        place = (beside, sheet.top + sheet.size // 2)
        sheet.draw.text(place, _time(sheet.rng), fill=sheet.ink, font=small)
        sheet.top += round(2.8 * sheet.size)


def _time(rng: np.random.Generator) -> str:
    return f"{rng.integers(0, 24):02d}:{rng.integers(0, 60):02d}"


SCREENSHOT = "screenshot"

_LAYOUTS: dict[str, Callable[[_Sheet], None]] = {
    "letter": _letter,
    "receipt": _receipt,
    "form": _form,
    "card": _card,
    SCREENSHOT: _screenshot,
}


def render_page(rng: np.random.Generator, height: int, width: int) -> tuple[Pixels, dict[str, Any]]:
    """Set a page with made-up text, print it and photograph it; a screenshot is left as it is.

    Size, contrast and colour of its writing, and the blur, grain and tilt of the capture are those
    of an individual drawn from `writing`.

    Args:
        rng: the source of every draw.
        height: of the page in pixels.
        width: of the page in pixels.

    Returns:
        (height, width, 3) RGB pixels and what was drawn, plain JSON.
    """
    layout = list(_LAYOUTS)[int(rng.integers(len(_LAYOUTS)))]
    writer = draw_writer(rng)
    paper = to_pixels(rng.uniform(225, 255) + rng.normal(0, 5, 3))
    contrast = _drawn_within(rng, writer, "contrast", _LEAST_CONTRAST, 0.95)
    tint = writer.draw(rng, "tint") * (rng.permutation(3) / 2 - 0.5)
    ink = to_pixels(paper - 255 * contrast + tint)
    # A face's size is from the foot of a p to the head of a d, a letter's height is less.
    size = round(1.5 * min(height, width) * _drawn_within(rng, writer, "size", *_SIZES))
    margin = round(width * rng.uniform(0.04, 0.12))
    face = draw_typeface(rng)
    image = Image.new("RGB", (width, height), _colour(paper))
    sheet = _Sheet(image, rng, face, max(9, size), _colour(ink), margin, margin)
    _LAYOUTS[layout](sheet)
    pixels, capture = np.array(image), {"photographed": False}
    if layout != SCREENSHOT:
        pixels, capture = _captured(rng, pixels, _colour(paper), writer)
    drawn = {"layout": layout, "face": face, "size": sheet.size, "writer": writer.number}
    return pixels, {**drawn, "paper": list(_colour(paper)), "ink": list(_colour(ink)), **capture}


def _drawn_within(
    rng: np.random.Generator, writer: Writer, name: str, low: float, high: float
) -> float:
    """Draw a parameter until it fits a page; what does not in eight draws is cut to the range."""
    value = low
    for _ in range(8):
        value = writer.draw(rng, name)
        if low <= value <= high:
            break
    return min(max(value, low), high)


def _colour(pixel: Pixels) -> _Colour:
    return int(pixel[0]), int(pixel[1]), int(pixel[2])


def _captured(
    rng: np.random.Generator, page: Pixels, paper: _Colour, writer: Writer
) -> tuple[Pixels, dict[str, Any]]:
    """Give a clean page the look of a scan or, in half of the cases, of a photograph of it."""
    height, width = page.shape[:2]
    photographed = bool(rng.random() < 0.5)
    drawn: dict[str, Any] = {"photographed": photographed}
    if photographed:
        corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
        tilt = np.radians(_drawn_within(rng, writer, "tilt", -_MOST_TILT, _MOST_TILT))
        turn = np.array([[np.cos(tilt), np.sin(tilt)], [-np.sin(tilt), np.cos(tilt)]])
        middle = np.array([width / 2, height / 2])
        moved = (corners - middle) @ turn + middle
        moved += rng.uniform(-0.03, 0.03, (4, 2)) * (width, height)
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
    sigma = _drawn_within(rng, writer, "blur", 0.3, 1.6)
    grain = _drawn_within(rng, writer, "grain", 0.3, 6.0)
    uneven = float(rng.uniform(0.05, 0.25)) if photographed else float(rng.uniform(0, 0.03))
    soft = np.asarray(cv2.GaussianBlur(page, (0, 0), sigma), np.float32)
    drawn |= {"blur": sigma, "grain": grain, "uneven": uneven}
    return on_paper(rng, soft, uneven, 0.6 * grain, grain), drawn
