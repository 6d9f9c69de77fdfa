"""The typefaces that pages are set in: Pillow's own and those of the machine."""

import functools
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from morelli.data_pipeline.maker.frame import Alpha

PILLOW = "pillow"
"""The typeface inside Pillow, the same on every machine."""

_FOLDERS = (Path("/usr/share/fonts"), Path("/Library/Fonts"), Path("C:/Windows/Fonts"))
_FAMILIES = ("dejavu", "liberation", "arial", "times", "cour", "verdana", "georgia", "noto")

_LETTERS = "aegnR5/.-\uffff"
"""Must all look different; the last is no character, for which a face draws what it lacks."""


@functools.cache
def typefaces() -> dict[str, Path | None]:
    """Return the Latin text faces found here by name, `PILLOW` first."""
    found: dict[str, Path | None] = {PILLOW: None}
    for folder in _FOLDERS:
        for path in sorted(folder.glob("**/*.ttf")):
            known = path.stem.lower().startswith(_FAMILIES) and "Math" not in path.stem
            if known and path.stem not in found and _is_latin(path):
                found[path.stem] = path
    return found


def _is_latin(path: Path) -> bool:
    """Tell whether a face has Latin letters and marks; others draw the same box for each."""
    try:
        font = ImageFont.truetype(str(path), 16)
        drawn = {bytes(font.getmask(letter)) for letter in _LETTERS}
    except OSError:
        return False
    return len(drawn) == len(_LETTERS)


@functools.lru_cache(maxsize=256)
def typeface(name: str, size: int) -> ImageFont.FreeTypeFont:
    """Return a face of `typefaces` at a size in pixels, Pillow's own if it is not here."""
    path = typefaces().get(name)
    if path is None:
        font = ImageFont.load_default(size=max(6, size))
        if not isinstance(font, ImageFont.FreeTypeFont):
            raise OSError("this Pillow was built without FreeType; install the wheel from PyPI")
        return font
    return ImageFont.truetype(str(path), max(6, size))


def draw_typeface(rng: np.random.Generator) -> str:
    """Draw a face by name."""
    names = list(typefaces())
    return names[int(rng.integers(len(names)))]


def set_line(text: str, name: str, size: int, weight: int = 0) -> Alpha:
    """Set a line of text.

    Args:
        text: what to write.
        name: of the face.
        size: of the face in pixels.
        weight: extra thickness of the strokes in pixels.

    Returns:
        (h, w) coverage in 0..1, cut to the letters with a margin of two pixels.
    """
    font = typeface(name, size)
    left, top, right, bottom = font.getbbox(text, stroke_width=weight)
    shape = (int(right - left) + 4, int(bottom - top) + 4)
    image = Image.new("L", shape, 0)
    ImageDraw.Draw(image).text((2 - left, 2 - top), text, fill=255, font=font, stroke_width=weight)
    return np.asarray(image, np.float32) / np.float32(255)
