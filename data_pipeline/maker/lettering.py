"""Words and numbers drawn on a picture, with the exact pixels they cover."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from morelli.data_pipeline.maker.frame import Alpha

_WORDS = (
    "Total",
    "Date",
    "Name",
    "Paid",
    "Invoice",
    "Address",
    "Amount",
    "Open",
    "Sale",
    "No",
    "Exit",
    "Street",
    "Price",
    "Account",
    "Balance",
    "Member",
    "Valid",
    "Until",
    "Station",
    "Market",
    "Hotel",
    "Police",
    "Private",
    "North",
    "Gate",
    "Room",
    "Service",
    "January",
    "March",
)


def phrase(rng: np.random.Generator) -> str:
    """Draw a number, an amount, a date or one to three words."""
    choice = int(rng.integers(5))
    if choice == 0:
        return str(int(rng.integers(10, 100_000)))
    if choice == 1:
        return f"{rng.integers(1, 5000)}.{rng.integers(100):02d}"
    if choice == 2:
        return f"{rng.integers(1, 29):02d}/{rng.integers(1, 13):02d}/{rng.integers(1990, 2027)}"
    words = rng.choice(_WORDS, int(rng.integers(1, 4)))
    return " ".join(str(word) for word in words)


def written(text: str, height: int, weight: int) -> Alpha:
    """Write text with Pillow's own typeface, the same on every machine.

    Args:
        text: what to write.
        height: of the line in pixels.
        weight: extra thickness of the strokes in pixels.

    Returns:
        (h, w) coverage in 0..1, cut to the letters with a margin of two pixels.
    """
    font = ImageFont.load_default(size=max(6, height))
    left, top, right, bottom = font.getbbox(text, stroke_width=weight)
    size = (int(right - left) + 4, int(bottom - top) + 4)
    image = Image.new("L", size, 0)
    ImageDraw.Draw(image).text((2 - left, 2 - top), text, fill=255, font=font, stroke_width=weight)
    return np.asarray(image, np.float32) / np.float32(255)
