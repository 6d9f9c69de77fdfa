"""What a file says about itself: camera, software, dates, thumbnail, source type.

All of it is a stranger's text: it is cut short, kept printable and compared, never obeyed. Where a
picture was taken is not read, only whether the file says so.
"""

import datetime
import re
import struct
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from PIL import ExifTags, Image

from morelli.data_pipeline.images import (
    ImageError,
    Limits,
    Picture,
    picture_from_bytes,
)
from morelli.data_pipeline.pillow_state import silence

_LONGEST = 60
_ERRORS = (OSError, ValueError, SyntaxError, LookupError, TypeError, ArithmeticError, struct.error,
    AttributeError)  # fmt: skip
"""What Pillow raises on broken metadata."""

_THUMBNAIL_LIMITS = Limits(max_pixels=1_000_000, max_bytes=200_000, min_side=32)
_THUMBNAIL_AT, _THUMBNAIL_LENGTH = 513, 514
_LARGEST_TEXT = 200_000

_XMP_FIELDS = {
    "source_type": re.compile(r"DigitalSourceType(?:>|=\")\s*(?:[^<\"]*/)?([A-Za-z]+)"),
    "creator_tool": re.compile(r"CreatorTool(?:>|=\")\s*([^<\"]+)"),
    "make": re.compile(r"tiff:Make(?:>|=\")\s*([^<\"]+)"),
    "created": re.compile(r"xmp:CreateDate(?:>|=\")\s*([^<\"]+)"),
}
_GENERATOR_KEYS = {"parameters": "Stable Diffusion web UI", "workflow": "ComfyUI",
    "invokeai_metadata": "InvokeAI", "sd-metadata": "InvokeAI"}  # fmt: skip
"""Text chunks of PNG files in which generators write down how a picture was made."""


@dataclass(frozen=True, slots=True, eq=False)
class FileFacts:
    """What one file says about itself; "" or None where it says nothing.

    Attributes:
        make: of the camera, by EXIF.
        model: of the camera, by EXIF.
        software: by EXIF.
        captured: when the picture was taken, by EXIF, in the camera's own time.
        changed: when the file was written last, by EXIF.
        stated_size: (width, height) of the picture by EXIF.
        thumbnail: the preview that EXIF carries.
        position: whether the file says where it was taken.
        xmp: fields of its XMP packet by name: source_type, creator_tool, make, created.
        generator: whose text chunk a PNG file has.
    """

    make: str = ""
    model: str = ""
    software: str = ""
    captured: datetime.datetime | None = None
    changed: datetime.datetime | None = None
    stated_size: tuple[int, int] | None = None
    thumbnail: Picture | None = None
    position: bool = False
    xmp: tuple[tuple[str, str], ...] = ()
    generator: str = ""

    @property
    def programs(self) -> str:
        """Every program that the file names, by EXIF and XMP."""
        return f"{self.software} {dict(self.xmp).get('creator_tool', '')}".strip()

    @property
    def any(self) -> bool:
        """True if the file says anything at all."""
        said = (self.make, self.model, self.software, self.generator, self.xmp)
        return any(said) or any((self.captured, self.changed, self.stated_size, self.position))


def _text(value: Any) -> str:
    """Return a field as short printable text."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    cleaned = "".join(letter for letter in str(value or "") if letter.isprintable())
    return cleaned.strip()[:_LONGEST]


def moment(value: Any) -> datetime.datetime | None:
    """Return a date of EXIF (2024:05:01 12:00:00) or XMP (2024-05-01T12:00:00), None if neither."""
    match = re.match(r"(\d{4})[:-](\d\d)[:-](\d\d)[ T](\d\d):(\d\d)", _text(value))
    if match is None:
        return None
    try:
        return datetime.datetime(*(int(part) for part in match.groups()))  # type: ignore[arg-type]
    except ValueError:
        return None


def _thumbnail(data: bytes | None, tags: dict[int, Any]) -> Picture | None:
    """Decode the thumbnail that lies in an EXIF block, through the door for images."""
    if data is None or not data.startswith(b"Exif\x00\x00"):
        return None
    try:
        begin, length = 6 + int(tags[_THUMBNAIL_AT]), int(tags[_THUMBNAIL_LENGTH])
        return picture_from_bytes(data[begin : begin + length], "thumbnail", _THUMBNAIL_LIMITS)
    except (KeyError, TypeError, ValueError, ImageError):
        return None


def _xmp(info: dict[Any, Any]) -> tuple[tuple[str, str], ...]:
    packet = info.get("xmp") or info.get("XML:com.adobe.xmp") or b""
    text = packet.decode("utf-8", "replace") if isinstance(packet, bytes) else str(packet)
    found = {name: field.search(text[:_LARGEST_TEXT]) for name, field in _XMP_FIELDS.items()}
    return tuple((name, _text(match[1])) for name, match in found.items() if match)


def _stated_size(camera: dict[int, Any]) -> tuple[int, int] | None:
    try:
        width = int(camera[ExifTags.Base.ExifImageWidth])
        height = int(camera[ExifTags.Base.ExifImageHeight])
    except (KeyError, TypeError, ValueError):
        return None
    return (width, height) if width > 0 and height > 0 else None


def read_facts(picture: Picture) -> FileFacts:
    """Read what the file of a picture says about itself; broken metadata says nothing."""
    try:
        with silence(), Image.open(BytesIO(picture.data), formats=(picture.format,)) as image:
            info = dict(image.info)
            exif = image.getexif()
            camera = dict(exif.get_ifd(ExifTags.IFD.Exif))
            position = bool(exif.get_ifd(ExifTags.IFD.GPSInfo))
            preview = dict(exif.get_ifd(ExifTags.IFD.IFD1))
            main = dict(exif)
    except _ERRORS:
        return FileFacts()
    generators = (name for key, name in _GENERATOR_KEYS.items() if key in info)
    return FileFacts(
        make=_text(main.get(ExifTags.Base.Make)),
        model=_text(main.get(ExifTags.Base.Model)),
        software=_text(main.get(ExifTags.Base.Software)),
        captured=moment(camera.get(ExifTags.Base.DateTimeOriginal)),
        changed=moment(main.get(ExifTags.Base.DateTime)),
        stated_size=_stated_size(camera),
        thumbnail=_thumbnail(info.get("exif"), preview),
        position=position,
        xmp=_xmp(info),
        generator=next(generators, "") if picture.format == "PNG" else "",
    )
