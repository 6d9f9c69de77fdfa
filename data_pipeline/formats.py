"""Which image format a file is, read from its first bytes and never from its name."""

import re
from pathlib import Path

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "HEIF", "AVIF")
"""Everything that is decoded, by the names a report uses."""

_SIGNATURES = (
    (rb"\xff\xd8\xff", "JPEG"),
    (rb"\x89PNG\r\n\x1a\n", "PNG"),
    (rb"RIFF.{4}WEBP", "WEBP"),
    (rb"II\*\0.{4}CR|IIRO|IIU\0|FUJIFILMCCD", "camera raw"),
    (rb"II[*+]\0|MM\0[*+]", "TIFF"),
    (rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0", "BMP"),
    (rb"GIF8[79]a", "GIF"),
    (rb"%!PS|\xc5\xd0\xd3\xc6", "EPS or PostScript"),
    (rb"\s*%PDF", "PDF"),
    (rb"8BPS", "Photoshop PSD"),
    (rb"(?i)(\xef\xbb\xbf)?\s*(<\?xml|<!--|<!doctype svg|<svg)", "SVG or XML"),
    (rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51", "JPEG 2000"),
    (rb"\0\0\0\x0cJXL |\xff\x0a", "JPEG XL"),
    (rb"\0\0[\1\2]\0", "an icon"),
    (rb".{4}ftyp", "video or camera raw"),
)
"""What the first bytes mean, formats that are decoded and formats that are refused by name."""

_EXTENSIONS = {
    "jpg": "JPEG", "jpeg": "JPEG", "jpe": "JPEG", "jfif": "JPEG", "mpo": "JPEG", "png": "PNG",
    "apng": "PNG", "webp": "WEBP", "tif": "TIFF", "tiff": "TIFF", "bmp": "BMP", "dib": "BMP",
    "gif": "GIF", "heic": "HEIF", "heif": "HEIF", "hif": "HEIF", "avif": "AVIF",
}  # fmt: skip


def recognise(data: bytes) -> str | None:
    """Return a name in `FORMATS`, the words for a known format that is refused, or None."""
    head = data[:512]
    brands = _brands(head)
    if brands & {b"avif", b"avis"}:
        return "AVIF"
    if brands & {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}:
        return "HEIF"
    return next((kind for pattern, kind in _SIGNATURES if re.match(pattern, head, re.S)), None)


def _brands(head: bytes) -> set[bytes]:
    """Return the brands of an ISO media file's first box, none for any other file."""
    if head[4:8] != b"ftyp":
        return set()
    end = min(int.from_bytes(head[:4], "big"), len(head))
    return {head[8:12], *(head[start : start + 4] for start in range(16, end, 4))}


def format_by_name(path: str) -> str | None:
    """Return the name in `FORMATS` that a path's extension claims, None if it claims none."""
    return _EXTENSIONS.get(Path(path).suffix.lower().lstrip("."))


def ends_early(kind: str, data: bytes) -> bool:
    """Say whether a container's own lengths reach beyond the end of the file."""
    if kind == "WEBP":
        return int.from_bytes(data[4:8], "little") + 8 > len(data)
    if kind == "TIFF":
        offset = data[8:16] if b"+" in data[:4] else data[4:8]
        return int.from_bytes(offset, "little" if data[:1] == b"I" else "big") + 2 > len(data)
    return kind in ("HEIF", "AVIF") and _last_box_end(data) > len(data)


def _last_box_end(data: bytes) -> int:
    """Return the offset at which the last top-level box of an ISO media file says it ends."""
    end = 0
    while end < len(data):
        size = int.from_bytes(data[end : end + 4], "big")
        if size == 1:
            size = int.from_bytes(data[end + 8 : end + 16], "big")
        if size == 0:
            return len(data)
        end += max(size, 8)
    return end
