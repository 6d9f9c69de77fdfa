"""The safe door for images: the only way by which a stranger's file becomes pixels.

A file is named by its content, never by its extension, and only formats on the list below are
decoded; its size is read from the header before any pixel is. What cannot be examined is refused
with an `ImageError`, whose code a program can read and whose message a person can.
"""

import hashlib
import re
import stat
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    ExifTags,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from morelli.data_pipeline.colour import to_srgb
from morelli.data_pipeline.formats import FORMATS, ends_early, format_by_name, recognise
from morelli.data_pipeline.packed import read_packed
from morelli.data_pipeline.pillow_state import silence
from morelli.data_pipeline.whole_files import whole

MOST_PIXELS = 200_000_000
"""The highest pixel limit that may be set: decoding one that large takes about 2.2 GB."""

_OPENERS = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "AVIF": AvifImagePlugin.AvifImageFile,
}

_DECODE_ERRORS = (OSError, ValueError, SyntaxError, RuntimeError, EOFError, LookupError, TypeError,
    ArithmeticError, struct.error, zlib.error)  # fmt: skip
"""What Pillow, libtiff and libheif raise on broken files; RuntimeError is libheif's."""

_CUT_SHORT = re.compile(r"truncat|end of (file|data)|not (large )?enough|requires a buffer", re.I)
_CANNOT = re.compile(r"cannot handle|unsupported|not (yet )?supported|unknown pixel mode", re.I)


class ImageError(ValueError):
    """Says why a file cannot be examined, in words and as a code.

    Attributes:
        code: missing, not_a_file, unreadable, empty, not_an_image, unsupported_format, truncated,
            too_small, too_many_pixels, too_many_bytes, corrupt or decoder_failed.
        message: one line with the file, the reason and the way out; also `str(error)`.
    """

    def __init__(self, code: str, path: str, reason: str) -> None:
        super().__init__(code, path, reason)
        self.code = code
        name = path if path.isprintable() else ascii(path)
        line = " ".join(f"{name}: {reason}".split())
        # Decoders quote the file in their errors, and a terminal obeys control characters.
        self.message = "".join(letter if letter.isprintable() else "?" for letter in line)

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a file may be before it is refused unopened.

    Attributes:
        max_pixels: width times height, from 1 to `MOST_PIXELS`.
        max_bytes: size of the file.
        min_side: pixels on the shorter side.
    """

    max_pixels: int = 50_000_000
    max_bytes: int = 100_000_000
    min_side: int = 64

    def __post_init__(self) -> None:
        """Refuse a limit that protects nothing."""
        if not 1 <= self.max_pixels <= MOST_PIXELS:
            raise ValueError(f"max_pixels must be 1 to {MOST_PIXELS:,}, got {self.max_pixels:,}")


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A decoded picture together with the evidence it came from.

    Attributes:
        path: as given.
        data: the file's bytes, for instruments that read what decoding loses.
        sha256: of `data`, in hexadecimal.
        format: a name in `FORMATS`, found by content.
        pixels: (H, W, 3) uint8, sRGB, upright: the image frame.
        orientation: the EXIF orientation, 1 to 8, that was applied to make it upright.
        notes: what decoding did to the stored samples, one short sentence each.
    """

    path: str
    data: bytes
    sha256: str
    format: str
    pixels: NDArray[np.uint8]
    orientation: int
    notes: tuple[str, ...]

    @property
    def height(self) -> int:
        """Rows of the upright picture."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Columns of the upright picture."""
        return int(self.pixels.shape[1])

    def upright(self, array: NDArray[Any]) -> NDArray[Any]:
        """Turn an (h, w, ...) array of the stored frame into the image frame, (H, W, ...)."""
        return turn_upright(array, self.orientation)


def turn_upright(array: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Return the view of an (h, w, ...) array that undoes an EXIF orientation of 1 to 8."""
    if orientation in (3, 4, 6, 7):
        array = array[::-1]
    if orientation in (2, 3, 7, 8):
        array = array[:, ::-1]
    return array.swapaxes(0, 1) if orientation >= 5 else array


def open_picture(path: str | Path, limits: Limits = DEFAULT_LIMITS) -> Picture:
    """Open a file that may be anything, and decode it if it is a picture.

    Raises:
        ImageError: and nothing else; the code says why.
    """
    name = str(path)
    return picture_from_bytes(read_file(name, limits), name, limits)


def upright_size(path: str | Path, limits: Limits = DEFAULT_LIMITS) -> tuple[int, int]:
    """Return (height, width) of the upright picture, read from the header without any pixels.

    Raises:
        ImageError: as `open_picture`, except for damage that only decoding would find.
    """
    data, name = read_file(str(path), limits), str(path)
    kind = _accepted_format(data, name)
    with silence(), _refusal(kind, data, name):
        image = _open(kind, data, name)
        _check_size(image.size, name, limits)
        # HEIF's header already gives the upright size.
        turned = kind != "HEIF" and _orientation(image, []) >= 5
        width, height = image.size
    return (width, height) if turned else (height, width)


def read_file(path: str, limits: Limits) -> bytes:
    """Return the bytes of a regular file that is within the limit.

    Raises:
        ImageError: there is none.
    """
    try:
        status = Path(path).stat()
        if not stat.S_ISREG(status.st_mode):
            kind = "a folder" if stat.S_ISDIR(status.st_mode) else "not a regular file"
            raise ImageError("not_a_file", path, f"is {kind}; give the path of an image file")
        _check_bytes(status.st_size, path, limits)
        with Path(path).open("rb") as file:
            return file.read(limits.max_bytes + 1)
    except (FileNotFoundError, NotADirectoryError):
        return _read_packed(path, limits)
    except OSError as error:
        reason = f"cannot be read ({error.strerror}); check its permissions"
        raise ImageError("unreadable", path, reason) from None
    except ImageError:
        raise
    except ValueError:
        raise ImageError("missing", path, "is not a possible file name; check the path") from None


def _read_packed(path: str, limits: Limits) -> bytes:
    """Return what a path below a shard names; see `packed`."""
    try:
        data = read_packed(Path(path), limits.max_bytes + 1)
    except OSError as error:
        raise ImageError("unreadable", path, f"cannot be read ({error})") from None
    if data is None:
        raise ImageError("missing", path, "no such file; check the path")
    return data


def _check_bytes(count: int, path: str, limits: Limits) -> None:
    """Refuse an empty file and one above the limit."""
    if count == 0:
        raise ImageError("empty", path, "holds no bytes; copy or download the file again")
    if count > limits.max_bytes:
        reason = (
            f"has {count:,} bytes, above the limit of {limits.max_bytes:,}; give a smaller file"
        )
        raise ImageError("too_many_bytes", path, reason)


def picture_from_bytes(data: bytes, path: str, limits: Limits = DEFAULT_LIMITS) -> Picture:
    """Decode a picture that is already in memory; `path` only names it in messages.

    Raises:
        ImageError: and nothing else; the code says why.
    """
    _check_bytes(len(data), path, limits)
    kind = _accepted_format(data, path)
    notes: list[str] = []
    with silence(), _refusal(kind, data, path):
        image = _open(kind, data, path)
        _check_size(image.size, path, limits)
        pixels, orientation = _decode(image, kind, notes)
    named = format_by_name(path)
    if named not in (kind, None):
        notes.append(f"the name says {named}, the content is {kind}")
    digest = hashlib.sha256(data).hexdigest()
    return Picture(path, data, digest, kind, pixels, orientation, tuple(notes))


def _accepted_format(data: bytes, path: str) -> str:
    """Return the name in `FORMATS` of what the first bytes announce, or refuse it."""
    kind = recognise(data)
    if kind in FORMATS:
        return kind
    way_out = f"give one of {', '.join(FORMATS)}"
    if kind is None:
        raise ImageError("not_an_image", path, f"holds no image of a known format; {way_out}")
    raise ImageError("unsupported_format", path, f"is {kind}; {way_out}")


@contextmanager
def _refusal(kind: str, data: bytes, path: str) -> Iterator[None]:
    """Turn what decoders raise on a bad file into an `ImageError`."""
    try:
        yield
    except ImageError:
        raise
    except (Image.DecompressionBombError, MemoryError) as error:
        reason = f"too large to decode ({error or 'out of memory'}); give a smaller image"
        raise ImageError("too_many_pixels", path, reason) from None
    except _DECODE_ERRORS as error:
        if _CUT_SHORT.search(str(error)) or ends_early(kind, data):
            reason = "ends before the picture does; copy or download the file again"
            raise ImageError("truncated", path, reason) from None
        code = "unsupported_format" if _CANNOT.search(str(error)) else "corrupt"
        reason = f"cannot be decoded ({error}); export it again as PNG or JPEG"
        raise ImageError(code, path, reason) from None


def _open(kind: str, data: bytes, path: str) -> Image.Image:
    """Read the header only; the returned image has a size but no pixels yet.

    The plugin is called by itself and not through `Image.open`, whose own limit is lower than
    ours, whose fallbacks try other formats and whose register others may have added to.
    """
    if kind == "HEIF":
        # The import costs time that only HEIC files need.
        from pillow_heif.as_plugin import HeifImageFile

        return HeifImageFile(BytesIO(data))  # type: ignore[no-any-return]
    image = _OPENERS[kind](BytesIO(data))
    if isinstance(image, TiffImagePlugin.TiffImageFile) and (
        int(image.tag_v2.get(ExifTags.Base.NewSubfileType, 0)) & 1
        or ExifTags.Base.DNGVersion in image.tag_v2
    ):
        # Its first directory is a preview: examining that would be examining another picture.
        raise ImageError("unsupported_format", path, "is camera raw; develop it to TIFF or PNG")
    return image


def _check_size(size: tuple[int, int], path: str, limits: Limits) -> None:
    """Refuse a picture by the width and height that its header declares."""
    width, height = size
    if min(size) < limits.min_side:
        reason = f"is {width} x {height} pixels; both sides must have {limits.min_side} or more"
        raise ImageError("too_small", path, reason)
    if width * height > limits.max_pixels:
        reason = (
            f"is {width} x {height} = {width * height:,} pixels, above the limit of"
            f" {limits.max_pixels:,}; --max-pixels goes up to {MOST_PIXELS:,}"
        )
        raise ImageError("too_many_pixels", path, reason)


def _decode(image: Image.Image, kind: str, notes: list[str]) -> tuple[NDArray[np.uint8], int]:
    """Return (H, W, 3) upright sRGB pixels and the orientation that was applied."""
    _note_frames(image, kind, notes)
    _note_depth(image, kind, notes)
    # Pillow turns TIFF upright, and forgets how, while it loads; PNG may keep EXIF at its end.
    orientation = _orientation(image, notes) if kind == "TIFF" else 1
    image.load()
    if kind not in ("TIFF", "HEIF"):
        orientation = _orientation(image, notes)
    stored = np.array(to_srgb(image, notes))
    if kind != "TIFF":
        stored = np.ascontiguousarray(turn_upright(stored, orientation))
    if orientation != 1:
        notes.append(f"turned upright from EXIF orientation {orientation}")
    return stored, orientation


def _orientation(image: Image.Image, notes: list[str]) -> int:
    """Return the EXIF orientation, 1 where none or an undefined one is given."""
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except _DECODE_ERRORS:
        notes.append("EXIF could not be read")
        return 1
    return value if value in range(1, 9) else 1


def _note_frames(image: Image.Image, kind: str, notes: list[str]) -> None:
    """Say which of several frames is opened."""
    if kind == "JPEG" and "mp" in image.info:
        notes.append("first of several pictures in one file (MPO)")
    elif getattr(image, "is_animated", False):
        # Counting the frames of these two would walk the whole file.
        count = "several" if kind in ("GIF", "TIFF") else getattr(image, "n_frames", "several")
        notes.append(f"{'primary' if kind == 'HEIF' else 'first'} of {count} frames")


def _note_depth(image: Image.Image, kind: str, notes: list[str]) -> None:
    """Say that samples of more than 8 bits lose their low bits while the decoder unpacks them."""
    depth = int(image.info.get("bit_depth", 8))
    if kind in ("PNG", "TIFF") and image.tile:  # type: ignore[attr-defined]
        layout = image.tile[0].args  # type: ignore[attr-defined]
        raw_mode = layout if isinstance(layout, str) else layout[0]
        depth = 16 if ";16" in raw_mode else depth
    if depth > 8:
        notes.append(f"{depth}-bit samples reduced to 8")


def read_mask(path: str | Path, height: int, width: int) -> NDArray[np.bool_]:
    """Return a mask file as (height, width) bool, True where any channel is above half.

    Raises:
        ImageError: the file is no image.
        ValueError: it has another size than the picture it belongs to.
    """
    pixels = open_picture(path, Limits(max_pixels=MOST_PIXELS)).pixels
    mask: NDArray[np.bool_] = pixels.max(axis=2) > 127
    if mask.shape != (height, width):
        raise ValueError(
            f"{path}: mask is {mask.shape[1]} x {mask.shape[0]} pixels but its picture"
            f" {width} x {height}; save the mask at the picture's size"
        )
    return mask


def write_mask(mask: NDArray[np.bool_], path: str | Path) -> None:
    """Write an (H, W) bool mask as an 8-bit PNG, 255 = altered, whole or not at all.

    Raises:
        OSError: the folder cannot be written to.
    """
    _write_png(np.where(mask, 255, 0).astype(np.uint8), Path(path))


def write_map(heat: NDArray[np.floating[Any]], path: str | Path) -> None:
    """Write an (H, W) map from 0 to 1 as an 8-bit PNG, 255 = 1, whole or not at all.

    Raises:
        OSError: the folder cannot be written to.
    """
    _write_png(np.rint(np.clip(heat, 0.0, 1.0) * 255.0).astype(np.uint8), Path(path))


def _write_png(levels: NDArray[np.uint8], path: Path) -> None:
    with whole(path) as unfinished:
        Image.fromarray(levels).save(unfinished, format="PNG", compress_level=1)
