"""A report made readable: the one-file HTML page, the words for a terminal, and the overlays.

Everything said here is said by the JSON object of `morelli.report/1`; nothing is decided here.
"""

import base64
import functools
import hashlib
import re
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import jinja2
import numpy as np
from numpy.typing import NDArray

from morelli.data_pipeline.images import Picture
from morelli.data_pipeline.report import CITATION, Report, canonical
from morelli.data_pipeline.schema import CLASSES, Verdict
from morelli.serve.likelihood import strength

PAGE_SIDE = 1600
"""Longest side in pixels of the copies inside the page; the files beside it are full size."""

_THUMBNAIL_SIDE = 480
_INDEX_SIDE = 160
_SENTENCE_END = re.compile(r"^([.!?]\s+)")

# Magenta is rare in photographs and stays apart from them for every kind of colour blindness; the
# white line with its dark casing is what shows on a magenta subject, on black and on white.
_TINT = (224, 0, 122, 72)
_LINE = (255, 255, 255, 255)
_CASING = (16, 16, 24, 255)

HEADLINES = {
    Verdict.AUTHENTIC: (
        "No sign of manipulation found",
        "The evidence does not point to a manipulation. Not detected is not the same as proven.",
    ),
    Verdict.TAMPERED: (
        "Tampered",
        "A part of this picture was altered after capture; the rest is camera-made.",
    ),
    Verdict.SYNTHETIC: (
        "Synthetic",
        "This picture was generated or passed whole through a generator; no camera pixels survive.",
    ),
    Verdict.INCONCLUSIVE: (
        "Inconclusive",
        "The evidence in this picture does not decide between the possible answers.",
    ),
}
"""Verdict -> how it is said to a reader, and what it means."""


_LABELS = {
    "auc": "AUC",
    "dtype": "Number type",
    "exif": "EXIF",
    "ece": "Calibration error (ECE)",
    "n": "Pictures (n)",
    "pixel_f1": "Pixel F1",
    "sha256": "SHA-256",
    "time": "Time (UTC)",
    "xmp": "XMP",
}


@dataclass(frozen=True, slots=True)
class Views:
    """The images of a page as data URIs, all of the same frame.

    Attributes:
        photo: the picture itself.
        overlay: transparent layer that marks the mask, or None without a mask.
        map: the soft localisation in colours.
        instruments: instrument name -> its map in colours.
        where: the place of the mask in words, or None without a mask.
    """

    photo: str
    overlay: str | None
    map: str
    instruments: dict[str, str]
    where: str | None

    @classmethod
    def of(cls, report: Report) -> "Views":
        """Make the page's images of a report, reduced to `PAGE_SIDE`."""
        photo = _reduced(report.picture.pixels, PAGE_SIDE)
        size = (photo.shape[1], photo.shape[0])
        overlay = None
        if report.mask is not None:
            share = cv2.resize(report.mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
            # Any altered pixel counts, so that no small region is lost in the reduced copy.
            overlay = _data_uri(mask_layer(share > 0), ".png")
        return cls(
            photo=_data_uri(photo, ".jpg"),
            overlay=overlay,
            map=_data_uri(coloured(_reduced(report.map, PAGE_SIDE)), ".jpg"),
            instruments={
                item.instrument: _data_uri(coloured(_reduced(item.map, _THUMBNAIL_SIDE)), ".jpg")
                for item in report.measurements
                if item.map is not None
            },
            where=report.where,
        )


def reduced_photo(picture: Picture) -> str:
    """Return a picture as a data URI of at most `PAGE_SIDE` pixels a side."""
    return _data_uri(_reduced(picture.pixels, PAGE_SIDE), ".jpg")


def mask_layer(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return the (H, W, 4) RGBA layer that marks a (H, W) mask: tint, line, casing; else clear."""
    width = max(1, round(max(mask.shape) / 320))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * width + 1, 2 * width + 1))
    inside = mask.astype(np.uint8)
    outer = cv2.dilate(inside, kernel).astype(bool)
    inner = cv2.erode(inside, kernel, borderValue=0).astype(bool)
    layer = np.zeros((*mask.shape, 4), np.uint8)
    layer[outer] = _CASING
    layer[mask] = _LINE
    layer[inner] = _TINT
    return layer


def overlay(pixels: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return the (H, W, 3) RGB picture with its (H, W) mask marked, at full size."""
    layer = mask_layer(mask)
    touched = layer[..., 3] > 0
    alpha = layer[touched, 3:].astype(np.float32) / 255
    marked = pixels.copy()
    marked[touched] = np.rint(pixels[touched] * (1 - alpha) + layer[touched, :3] * alpha)
    return marked


def coloured(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return a map of 0..1 as (H, W, 3) RGB in cividis, readable for every kind of colour sight."""
    levels = np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
    blue_first = cv2.applyColorMap(levels, cv2.COLORMAP_CIVIDIS)
    return np.ascontiguousarray(blue_first[..., ::-1])


def thumbnail(report: Report) -> bytes:
    """Return a small JPEG of the picture, its mask marked, for an index."""
    pixels = report.picture.pixels
    if report.mask is not None:
        pixels = overlay(pixels, report.mask)
    return encoded(_reduced(pixels, _INDEX_SIDE), ".jpg")


def encoded(pixels: NDArray[np.uint8], suffix: str) -> bytes:
    """Return (H, W, 3) RGB or (H, W, 4) RGBA as the bytes of a ".png" or ".jpg" file."""
    codes = {3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}
    file = cv2.imencode(suffix, cv2.cvtColor(pixels, codes[pixels.shape[2]]))[1]
    return bytes(file.tobytes())


def render_html(record: dict[str, Any], views: Views, printed: bool = False) -> str:
    """Return the page of a report: one file, escaped, without scripts or outside resources.

    Args:
        record: of `morelli.report/1`.
        views: its images.
        printed: leave out what can only be clicked, for a renderer that knows no shared images.
    """
    headline, meaning = HEADLINES[Verdict(record["verdict"])]
    findings = {finding["id"]: finding for finding in record["findings"]}
    template = environment().get_template("report.html")
    return template.render(
        report=record,
        views=views,
        printed=printed,
        name=Path(record["image"]["path"]).name,
        headline=headline,
        meaning=meaning,
        doubt=doubt(record),
        manipulated=1 - record["probability"]["authentic"],
        sentences=cited(record["rationale"]),
        findings=findings,
        digest=_digest(record),
        classes=[name.value for name in CLASSES],
    )


def render_text(
    record: dict[str, Any], where: str | None, page: Path | None, width: int = 88
) -> str:
    """Return a report in plain words: verdict, probability, where, why, and the page's path."""
    if "error" in record:
        return printable(record["error"]["message"])
    headline, meaning = HEADLINES[Verdict(record["verdict"])]
    low, high = record["interval"]
    turns = turning(record)
    rows = [
        ("verdict", headline),
        ("", meaning),
        ("", doubt(record) or ""),
        (
            "probability",
            f"{percent(1 - record['probability']['authentic'])} that it is tampered or synthetic "
            f"({percent(low)} to {percent(high)}), for a base rate of {percent(record['prior'])}",
        ),
        ("threshold", turns if turns != percent(record["operating_point"]) else ""),
    ]
    if record["mask"] is not None:
        rows.append(("where", f"{where}; {percent(record['mask']['area'])} of the picture"))
    rows.append(("why", record["rationale"] or "The model gave no reasons."))
    rows += [("", finding_text(finding)) for finding in record["findings"]]
    if record["withheld"]:
        rows.append(("", f"{record['withheld']} sentence(s) that did not check out are withheld."))
    if page is not None:
        rows.append(("page", str(page)))
    lines = [printable(record["image"]["path"])]
    for label, text in rows:
        lines += _wrapped(label, text, width) if text else []
    return "\n".join(lines)


def turning(record: dict[str, Any]) -> str:
    """Return where the verdict turns; of a named operating point, with what was measured of it."""
    name = record["run"].get("settings", {}).get("decides at")
    calibration = record["validation"].get("calibration", {})
    points = {point["name"]: point for point in calibration.get("operating_points", ())}
    words = percent(record["operating_point"])
    if name not in points:
        return words
    false, found = points[name]["false_positives"], points[name]["recall"]
    return (
        f"{words}, the operating point {name}, which called "
        f"{percent(false['value'])} ({percent(false['low'])} to {percent(false['high'])}) of "
        f"{false['n']} authentic pictures manipulated, and found {percent(found['value'])} "
        f"({percent(found['low'])} to {percent(found['high'])}) of {found['n']} manipulated ones"
    )


def doubt(record: dict[str, Any]) -> str | None:
    """Return why a report is inconclusive, in one sentence, or None if it is not."""
    if record["verdict"] != Verdict.INCONCLUSIVE:
        return None
    low, high = record["interval"]
    if low <= record["operating_point"] <= high:
        return (
            f"The interval from {percent(low)} to {percent(high)} contains the threshold of "
            f"{percent(record['operating_point'])} at which the verdict turns.{_turned(record)}"
        )
    first, second, _ = sorted(record["probability"], key=record["probability"].get, reverse=True)
    others = [e for e in record["stability"] if e["verdict"] not in (first, Verdict.INCONCLUSIVE)]
    if others:
        turns = ", ".join(f"{entry['verdict']} after {entry['transform']}" for entry in others)
        return f"It looks {first}, but mild changes turn that: {turns}."
    return f"The two likeliest answers, {first} and {second}, cannot be told apart."


def _turned(record: dict[str, Any]) -> str:
    """Return, after a space, which mild changes move the probability across the threshold."""
    threshold = record["operating_point"]
    above = 1 - record["probability"]["authentic"] >= threshold
    names = [
        entry["transform"]
        for entry in record["stability"]
        if (entry["probability"] >= threshold) != above
    ]
    return f" It turns after {', '.join(names)}." if names else ""


def percent(share: float) -> str:
    """Return a share of 0..1 in words that claim no more digits than a calibration supports."""
    if 0 < share < 0.01:
        return "under 1%"
    if 0.99 < share < 1:
        return "over 99%"
    return f"{100 * share:.0f}%"


def number(value: float | None) -> str:
    """Return a reading with three digits, or a word for the one that could not be taken."""
    if value is None:
        return "not measurable"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def printable(text: str) -> str:
    """Return one line that is safe to send to a terminal: a file name may hold escape codes."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def finding_text(finding: dict[str, Any]) -> str:
    """Return a finding in one line: its status and what it was held against."""
    reading = number(finding["value"])
    low, high = (number(end) for end in finding["expected"])
    return (
        f"[{finding['id']}] {finding['status']}: {finding['instrument']} {reading} "
        f"{finding['unit']}, expected {low} to {high}; reliability {finding['reliability']:.2f}; "
        f"{finding['place']}"
    )


def _wrapped(label: str, text: str, width: int) -> list[str]:
    indent = " " * 15
    first = f"  {label:<13}"
    return textwrap.wrap(
        printable(text),
        width,
        initial_indent=first,
        subsequent_indent=indent,
        break_on_hyphens=False,
        break_long_words=False,
    )


def _reduced(pixels: NDArray[Any], side: int) -> NDArray[Any]:
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return pixels
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))


def _data_uri(pixels: NDArray[np.uint8], suffix: str) -> str:
    kind = {".png": "image/png", ".jpg": "image/jpeg"}[suffix]
    return f"data:{kind};base64,{base64.b64encode(encoded(pixels, suffix)).decode()}"


def cited(rationale: str) -> list[tuple[str, bool]]:
    """Cut a rationale into (words, False) and (finding id, True), in order.

    What ends a sentence is a piece of its own, so that the next one can be struck through alone.
    """
    pieces: list[tuple[str, bool]] = []
    for index, piece in enumerate(CITATION.split(rationale)):
        if index % 2:
            pieces.append((piece, True))
        else:
            pieces += [(words, False) for words in _SENTENCE_END.split(piece) if words]
    return pieces


def _digest(record: dict[str, Any]) -> str:
    return hashlib.sha256(canonical(record).encode()).hexdigest()


def _gauge(reading: dict[str, Any]) -> dict[str, float]:
    """Return where low, high and value stand on a line from 0 to 100, with room at both ends."""
    low, high = reading["expected"]
    value = low if reading["value"] is None else reading["value"]
    start, end = min(low, value), max(high, value)
    room = 0.12 * (end - start) or 1.0
    span = end - start + 2 * room
    return {
        name: round(100 * (place - start + room) / span, 2)
        for name, place in (("low", low), ("high", high), ("value", value))
    }


def _label(key: str) -> str:
    """Return a key of the record as a reader would write it."""
    words = key.replace("_", " ")
    return _LABELS.get(key, words[:1].upper() + words[1:])


@functools.cache
def environment() -> jinja2.Environment:
    """Return the templates, which escape every value unless it is marked as safe."""
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters.update(
        percent=percent,
        number=number,
        gauge=_gauge,
        label=_label,
        turning=turning,
        strength=strength,
    )
    return templates
