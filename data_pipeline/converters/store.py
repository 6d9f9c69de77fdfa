"""Puts an item's mask, and its picture if it came packed, into files that a manifest can name."""

import zlib
from pathlib import Path
from zipfile import BadZipFile

from morelli.data_pipeline.cells import is_cell
from morelli.data_pipeline.converters.layout import Item, MaskReader, Skipped
from morelli.data_pipeline.formats import recognise
from morelli.data_pipeline.images import ImageError, Limits, upright_size, write_mask
from morelli.data_pipeline.manifest import Row
from morelli.data_pipeline.packed import bytes_of
from morelli.data_pipeline.schema import ForensicSample

_SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "TIFF": ".tif", "BMP": ".bmp"}
_LIMITS = Limits(min_side=1)
_UNREADABLE = (ValueError, KeyError, TypeError, IndexError, EOFError, BadZipFile, zlib.error)
"""What reading a stranger's mask may raise; ImageError is a ValueError."""


def stored(item: Item, work: Path) -> Row | Skipped:
    """Write what has to be written and return the manifest's row.

    Args:
        item: an entry of a data set.
        work: masks/<id>.png, origins/<id>.png and images/<id>.<suffix> are written into it.

    Raises:
        OSError: it cannot be written to.
    """
    image = _image_file(item, work)
    if isinstance(image, Skipped):
        return image
    try:
        mask = _mask_file(item.mask, image, work / "masks" / f"{item.id}.png")
        origin = _mask_file(item.origin, image, work / "origins" / f"{item.id}.png")
    except _UNREADABLE as error:
        return Skipped(str(image), f"its mask cannot be used: {error}")
    sample = ForensicSample(
        item.id, image, item.verdict, mask, item.kind, item.source, item.answer, origin
    )
    return Row(sample, item.conversation, item.extra)


def _mask_file(read: MaskReader | None, image: Path, path: Path) -> Path | None:
    """Write a mask of a picture, if it has one, and return where."""
    if read is None:
        return None
    pixels = read(*upright_size(image, _LIMITS))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_mask(pixels, path)
    return path


def _image_file(item: Item, work: Path) -> Path | Skipped:
    data = item.image
    if isinstance(data, Path):
        try:
            upright_size(data, _LIMITS)
        except ImageError as error:
            return Skipped(str(data), error.message)
        if not is_cell(data):
            return data
        data = bytes_of(data)
    kind = recognise(data)
    if kind not in _SUFFIXES:
        return Skipped(item.id, f"holds no picture that can be written, but {kind or 'other data'}")
    path = work / "images" / f"{item.id}{_SUFFIXES[kind]}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path
