"""What happens to a whole picture between the camera and us, alike for every class."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from PIL import Image

from morelli.data_pipeline.maker.frame import Alpha, Pixels, log_uniform, pick, to_pixels
from morelli.data_pipeline.maker.print_scan import at_an_angle, draw_print, print_and_capture

FILTERS = {
    "nearest": cv2.INTER_NEAREST,
    "linear": cv2.INTER_LINEAR,
    "cubic": cv2.INTER_CUBIC,
    "area": cv2.INTER_AREA,
    "lanczos": cv2.INTER_LANCZOS4,
}

_STEP_COUNTS = (0.18, 0.36, 0.28, 0.18)
_STEP_WEIGHTS = {
    "jpeg": 0.34,
    "resize": 0.24,
    "crop": 0.12,
    "webp": 0.05,
    "blur": 0.05,
    "sharpen": 0.06,
    "tone": 0.08,
    "noise": 0.06,
    "print": 0.02,
}
_FORMAT_WEIGHTS = {"JPEG": 0.8, "PNG": 0.12, "WEBP": 0.08}
_REAL_TABLES = 0.35
"""How often a JPEG takes the quantisation tables of a real camera or editor."""

_WAY_WEIGHTS = {
    "direct": 0.15,
    "again": 0.2,
    "social": 0.22,
    "screenshot": 0.08,
    "printed": 0.03,
    "any": 0.32,
}
_PRINTED_PAGE_SHARE = 0.2
"""How often a page comes as a print that was scanned or photographed; photographs seldom do."""

Table = tuple[tuple[int, ...], ...]
"""Quantisation tables of a JPEG, 64 numbers each in reading order: brightness, then colours."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing done to the whole picture, with everything needed to repeat it."""

    name: str
    parameters: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """Return the name and the parameters in one flat record."""
        return {"step": self.name, **self.parameters}


def draw_jpeg(rng: np.random.Generator, tables: Sequence[Table] = ()) -> dict[str, Any]:
    """Draw a JPEG compression: tables of a real file, or an IJG quality of 60 to 98.

    A tenth have a quality of 50 to 59, 99 or 100.

    Args:
        rng: the source of every draw.
        tables: of real files; none means that an IJG quality is always drawn.
    """
    subsampling = "4:2:0" if rng.random() < 0.65 else "4:4:4"
    quality = int(rng.integers(60, 99))
    if rng.random() < 0.1:
        quality = int(rng.choice([*range(50, 60), 99, 100]))
    if tables and rng.random() < _REAL_TABLES:
        chosen = tables[int(rng.integers(len(tables)))]
        return {"qtables": [list(table) for table in chosen], "subsampling": subsampling}
    return {"quality": quality, "subsampling": subsampling}


def _draw_resize(rng: np.random.Generator) -> dict[str, Any]:
    factor = log_uniform(rng, 0.55, 1.5)
    names = ("linear", "cubic", "area", "lanczos")
    chosen = "nearest" if rng.random() < 0.03 else names[int(rng.integers(len(names)))]
    return {"factor": factor, "filter": chosen}


def _draw_tone(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "gamma": log_uniform(rng, 0.75, 1.33),
        "contrast": float(rng.uniform(0.85, 1.2)),
        "gains": [float(gain) for gain in rng.uniform(0.92, 1.08, 3)],
    }


_DRAWS: dict[str, Callable[[np.random.Generator], dict[str, Any]]] = {
    "jpeg": draw_jpeg,
    "webp": lambda rng: {"quality": int(rng.integers(55, 100))},
    "resize": _draw_resize,
    "crop": lambda rng: {"margin": [int(edge) for edge in rng.integers(0, 24, 4)]},
    "blur": lambda rng: {"sigma": float(rng.uniform(0.3, 1.2))},
    "sharpen": lambda rng: {
        "sigma": float(rng.uniform(0.6, 1.6)),
        "amount": float(rng.uniform(0.2, 1.0)),
    },
    "tone": _draw_tone,
    "noise": lambda rng: {
        "sigma": float(rng.uniform(0.5, 4.0)),
        "seed": int(rng.integers(1 << 31)),
    },
    "print": draw_print,
}


def draw_steps(rng: np.random.Generator) -> list[Step]:
    """Draw none to three steps in a row; they know nothing of the picture or its class."""
    count = int(rng.choice(len(_STEP_COUNTS), p=_STEP_COUNTS))
    names = [pick(rng, _STEP_WEIGHTS) for _ in range(count)]
    return [Step(name, _DRAWS[name](rng)) for name in names]


def draw_format(rng: np.random.Generator, tables: Sequence[Table] = ()) -> Step:
    """Draw the file format of the finished picture and its quality."""
    name = pick(rng, _FORMAT_WEIGHTS)
    if name == "JPEG":
        return Step(name, draw_jpeg(rng, tables))
    return Step(name, _DRAWS["webp"](rng) if name == "WEBP" else {})


def draw_way(
    rng: np.random.Generator, tables: Sequence[Table], page: bool = False
) -> tuple[list[Step], Step]:
    """Draw the way of a picture from the editor to us; it knows nothing of the class.

    Direct; compressed again on another grid; through a social network, which shrinks, sharpens
    and compresses; as a screenshot; printed and captured again; or any steps.

    Args:
        rng: the source of every draw.
        tables: quantisation tables of real files, see `draw_jpeg`.
        page: whether it is a picture of a page, which is printed more often.

    Returns:
        The steps, and the format of the file at the end.
    """
    way = "printed" if page and rng.random() < _PRINTED_PAGE_SHARE else pick(rng, _WAY_WEIGHTS)
    saved = [Step("jpeg", draw_jpeg(rng, tables))]
    if way == "direct":
        return [], draw_format(rng, tables)
    if way == "again":
        return [*saved, Step("crop", _DRAWS["crop"](rng))], draw_format(rng, tables)
    if way == "social":
        shrunk = {"factor": log_uniform(rng, 0.4, 0.95), "filter": "area"}
        steps = [*saved, Step("resize", shrunk)]
        if rng.random() < 0.4:
            steps.append(Step("sharpen", _DRAWS["sharpen"](rng)))
        quality = {"quality": int(rng.integers(70, 89)), "subsampling": "4:2:0"}
        return steps, Step("JPEG", quality)
    if way == "screenshot":
        shown = {"factor": log_uniform(rng, 0.5, 1.5), "filter": "linear"}
        steps = [*saved, Step("resize", shown)]
        shot = Step("PNG", {}) if rng.random() < 0.6 else Step("JPEG", draw_jpeg(rng))
        return steps, shot
    if way == "printed":
        return [Step("print", _DRAWS["print"](rng))], draw_format(rng, tables)
    return draw_steps(rng), draw_format(rng, tables)


def draw_recompression(rng: np.random.Generator, tables: Sequence[Table]) -> list[Step]:
    """Draw no or one JPEG compression in full size, as on the way through an editor."""
    return [Step("jpeg", draw_jpeg(rng, tables))] if rng.random() < 0.5 else []


def size_before(steps: list[Step], height: int, width: int) -> tuple[int, int]:
    """Return the (height, width) that `steps` turn into at least the given one."""
    for step in reversed(steps):
        if step.name == "resize":
            # A hair less, lest rounding errors ask for a whole pixel that the source does not have.
            height = int(np.ceil(height / step.parameters["factor"] - 1e-6))
            width = int(np.ceil(width / step.parameters["factor"] - 1e-6))
        elif step.name == "crop":
            top, bottom, left, right = step.parameters["margin"]
            height, width = height + top + bottom, width + left + right
    return height, width


def without_shrinking(steps: list[Step]) -> list[Step]:
    """Leave out the steps that need more pixels than the final picture has."""
    return [
        step for step in steps if step.name != "crop" and step.parameters.get("factor", 1.0) >= 1.0
    ]


def _jpeg(pixels: Pixels, parameters: dict[str, Any]) -> Pixels:
    return decode(encode(pixels, Step("JPEG", parameters)))


def _webp(pixels: Pixels, parameters: dict[str, Any]) -> Pixels:
    return decode(encode(pixels, Step("WEBP", parameters)))


def _blur(pixels: Pixels, parameters: dict[str, Any]) -> Pixels:
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), parameters["sigma"]), np.uint8)


def _sharpen(pixels: Pixels, parameters: dict[str, Any]) -> Pixels:
    soft = cv2.GaussianBlur(pixels, (0, 0), parameters["sigma"])
    amount = parameters["amount"]
    return np.asarray(cv2.addWeighted(pixels, 1 + amount, soft, -amount, 0), np.uint8)


def _tone(pixels: Pixels, parameters: dict[str, Any]) -> Pixels:
    ramp = np.linspace(0, 1, 256)[:, None] * np.array(parameters["gains"])
    curve = (np.clip(ramp, 0, 1) ** parameters["gamma"] - 0.5) * parameters["contrast"] + 0.5
    return np.asarray(cv2.LUT(pixels, to_pixels(curve * 255)[None]), np.uint8)


def _noise(pixels: Pixels, parameters: dict[str, Any]) -> Pixels:
    grain = np.random.default_rng(parameters["seed"])
    shape = (*pixels.shape[:2], 3 if parameters["seed"] % 2 else 1)
    field = grain.standard_normal(shape, dtype=np.float32)
    return to_pixels(pixels + parameters["sigma"] * field)


_PIXELWISE: dict[str, Callable[[Pixels, dict[str, Any]], Pixels]] = {
    "jpeg": _jpeg,
    "webp": _webp,
    "blur": _blur,
    "sharpen": _sharpen,
    "tone": _tone,
    "noise": _noise,
    "print": print_and_capture,
}


def resize(pixels: Pixels, height: int, width: int, name: str) -> Pixels:
    """Scale RGB pixels to (height, width) with a filter of `FILTERS`."""
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=FILTERS[name]), np.uint8)


def apply_steps(pixels: Pixels, alpha: Alpha, steps: list[Step]) -> tuple[Pixels, Alpha]:
    """Do `steps` to a picture, and the geometric ones to its mask as well.

    Args:
        pixels: (H, W, 3) RGB.
        alpha: (H, W) soft mask, or (H, W, K) several.
        steps: in order.

    Returns:
        The picture and its mask, both of one new size.
    """
    for step in steps:
        height, width = pixels.shape[:2]
        if step.name == "resize":
            factor = step.parameters["factor"]
            height, width = max(8, round(height * factor)), max(8, round(width * factor))
            pixels = resize(pixels, height, width, step.parameters["filter"])
            shrink = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
            alpha = np.asarray(cv2.resize(alpha, (width, height), interpolation=shrink), np.float32)
        elif step.name == "crop":
            top, bottom, left, right = step.parameters["margin"]
            pixels = pixels[top : height - bottom, left : width - right]
            alpha = alpha[top : height - bottom, left : width - right]
        else:
            pixels = _PIXELWISE[step.name](pixels, step.parameters)
            if step.name == "print":
                alpha = np.asarray(at_an_angle(alpha, step.parameters), np.float32)
    return pixels, alpha


def encode(pixels: Pixels, step: Step) -> bytes:
    """Write a picture as a file in memory, without metadata.

    Args:
        pixels: (H, W, 3) RGB.
        step: named JPEG, WEBP or PNG, with quality and subsampling where it has them.
    """
    stream = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(pixels))
    if step.name == "PNG":
        image.save(stream, "PNG", compress_level=1)
    elif step.name == "WEBP":
        image.save(stream, "WEBP", quality=step.parameters["quality"], method=1)
    else:
        image.save(stream, "JPEG", **step.parameters)
    return stream.getvalue()


def decode(data: bytes) -> Pixels:
    """Read a file in memory to (H, W, 3) RGB."""
    with Image.open(io.BytesIO(data)) as image:
        return np.array(image.convert("RGB"))
