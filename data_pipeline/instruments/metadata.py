"""Metadata: does the file contradict itself, or say that it was generated or put together?

Thumbnail against picture, EXIF against XMP, dates against each other: Kee, Johnson and Farid,
"Digital image authentication from JPEG headers", IEEE TIFS 2011; Kee and Farid, "Digital image
authentication from thumbnails", SPIE 2010. The source type is IPTC's. Anyone can write or remove
metadata, so its absence says nothing.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from morelli.data_pipeline.images import Picture
from morelli.data_pipeline.instruments.file_facts import FileFacts, moment, read_facts
from morelli.data_pipeline.instruments.ranges import expected_range
from morelli.data_pipeline.instruments.stored import luma_table, stored_pixels, writer_of
from morelli.data_pipeline.schema import Measurement

NAME = "metadata"
_UNIT = "signs"
_SAME_SHAPE = 0.04
_SMALLEST, _BLACK = 32, 24
_ALIKE = 0.75
"""Correlation with the thumbnail from which the picture is still what it shows."""
_FEWEST_GREY_LEVELS = 12.0
"""Standard deviation below which a thumbnail has too little in it to be compared."""
_APART_DAYS = 2.0

_EDITORS = ("photoshop", "lightroom", "gimp", "affinity", "pixelmator", "snapseed", "picsart",
    "facetune", "paint.net", "corel", "capture one", "darktable", "canva", "meitu",
    "faceapp", "imagemagick", "krita", "luminar")  # fmt: skip
_GENERATORS = ("midjourney", "dall-e", "dall·e", "stable diffusion", "firefly", "imagen", "flux",
    "novelai", "comfyui", "invokeai", "automatic1111", "leonardo.ai", "ideogram",
    "gpt-4o", "gpt-image", "gemini", "made with google ai")  # fmt: skip
_GENERATED_TYPES = ("trainedAlgorithmicMedia", "algorithmicMedia", "virtualRecording")
_COMPOSITE_TYPES = ("compositeWithTrainedAlgorithmicMedia", "compositeSynthetic", "composite")


def _named(text: str, names: tuple[str, ...]) -> str | None:
    """Return the one of our names that a text holds, so that no stranger's words are printed."""
    return next((n for n in names if re.search(rf"\b{re.escape(n)}\b", text.lower())), None)


def _without_bars(shown: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a preview without the black bars that cameras put around another shape."""
    lit = shown > _BLACK
    rows, columns = np.flatnonzero(lit.any(1)), np.flatnonzero(lit.any(0))
    if rows.size == 0:
        return shown
    return shown[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def thumbnail_likeness(picture: Picture, facts: FileFacts) -> float | None:
    """Return the correlation of picture and thumbnail, -1 to 1, None if they cannot be compared.

    A picture that was cropped since has another shape than its thumbnail and is not compared.
    """
    if facts.thumbnail is None:
        return None
    pixels = np.ascontiguousarray(stored_pixels(picture))
    height, width = pixels.shape[:2]
    shown = _without_bars(cv2.cvtColor(facts.thumbnail.pixels, cv2.COLOR_RGB2GRAY))
    size = (shown.shape[1], shown.shape[0])
    if min(size) < _SMALLEST or abs(width / height / (size[0] / size[1]) - 1) > _SAME_SHAPE:
        return None
    small = cv2.cvtColor(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    # Blurred, since previews are scaled in many ways.
    one, other = (cv2.GaussianBlur(each.astype(np.float32), (0, 0), 1.5) for each in (shown, small))
    if min(float(one.std()), float(other.std())) < _FEWEST_GREY_LEVELS:
        return None
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def _said_outright(facts: FileFacts) -> Iterator[str]:
    """Yield what a file says itself of how it was made, in words of ours only."""
    source_type = dict(facts.xmp).get("source_type")
    generator = facts.generator or _named(facts.programs, _GENERATORS)
    if generator:
        yield f"it names the generator {generator}"
    if source_type in _GENERATED_TYPES:
        yield "it says that the picture was generated"
    if source_type in _COMPOSITE_TYPES:
        yield "it says that the picture is a composite"


def _days_after(one: datetime | None, other: datetime | None) -> float:
    """Return by how many days one moment comes after another, 0 if either is not known."""
    return (one - other).total_seconds() / 86400 if one and other else 0.0


def _contradictions(facts: FileFacts, likeness: float | None) -> Iterator[str]:
    """Yield where a file contradicts itself, in words of ours only."""
    xmp = dict(facts.xmp)
    if likeness is not None and likeness < _ALIKE:
        yield "its thumbnail shows another picture"
    if _days_after(facts.captured, facts.changed) > _APART_DAYS:
        yield "it was captured after it was last changed"
    if facts.make and facts.make.lower() != xmp.get("make", facts.make).lower():
        yield "EXIF and XMP name different cameras"
    if abs(_days_after(moment(xmp.get("created")), facts.captured)) > _APART_DAYS:
        yield "EXIF and XMP give different dates"


def measure_metadata(picture: Picture) -> Measurement:
    """Count the signs in a file's metadata that contradict one another or tell of an edit.

    An editor that is named is reported among the details, but is no sign: photographs are developed
    in editors. There is no map; the whole file is meant.
    """
    facts = read_facts(picture)
    expected = expected_range(NAME)
    likeness = thumbnail_likeness(picture, facts)
    details: dict[str, Any] = {
        "camera": f"{facts.make} {facts.model}".strip() or None,
        "software": facts.software or None,
        "written_by": writer_of(luma_table(picture.data)) if picture.format == "JPEG" else None,
        "editor": _named(facts.programs, _EDITORS),
        "source_type": dict(facts.xmp).get("source_type"),
        "position": "stated, not shown" if facts.position else None,
        "thumbnail_likeness": None if likeness is None else round(likeness, 3),
    }
    if not facts.any:
        statement = "The metadata tells nothing: the file has none, as is usual on the web."
        return Measurement(NAME, None, _UNIT, expected, 0.0, statement, details=details)
    signs = [*_said_outright(facts), *_contradictions(facts, likeness)]
    details["signs"] = signs
    value = float(len(signs))
    if signs:
        statement = f"The metadata has signs of an edit, {len(signs)} where 0 is normal: "
        statement += "; ".join(signs) + "."
    else:
        statement = "The metadata contradicts nothing: 0 signs of an edit, as is normal."
    checked = bool(facts.make) + (likeness is not None) + bool(facts.captured) + bool(facts.xmp)
    reliability = 0.9 if signs else 0.2 + 0.15 * checked
    return Measurement(NAME, value, _UNIT, expected, reliability, statement, details=details)
