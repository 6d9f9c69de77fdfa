"""One labelled picture from a seed: a class, a host, an edit, a history and a file."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morelli.data_pipeline.maker.donors import Donors
from morelli.data_pipeline.maker.edits import EDITS
from morelli.data_pipeline.maker.frame import Alpha, Edited, Pixels, log_uniform, pick
from morelli.data_pipeline.maker.history import (
    Step,
    apply_steps,
    decode,
    draw_format,
    draw_recompression,
    draw_steps,
    draw_way,
    encode,
    resize,
    size_before,
    without_shrinking,
)
from morelli.data_pipeline.maker.pages import PAGE, render_page
from morelli.data_pipeline.maker.pool import Pool, Source
from morelli.data_pipeline.maker.regions import LARGE_SIDE
from morelli.data_pipeline.schema import Verdict

_VERDICT_WEIGHTS = {Verdict.AUTHENTIC: 0.35, Verdict.TAMPERED: 0.5, Verdict.SYNTHETIC: 0.15}
_KIND_WEIGHTS = {
    "splice": 0.24,
    "composite": 0.2,
    "copy_move": 0.12,
    "removal": 0.14,
    "retouch": 0.09,
    "local_generation": 0.15,
    "text": 0.06,
}
_NATIVE_KIND_WEIGHTS = {
    "splice": 0.12,
    "copy_move": 0.15,
    "removal": 0.28,
    "retouch": 0.13,
    "local_generation": 0.22,
    "text": 0.1,
}
"""What is done to photographs at the camera's own resolution: small and quiet edits."""

_NATIVE_SHARE, _NATIVE_SHARE_OF_LARGE = 0.35, 0.65
"""How often a picture's pixels are never resized, where the pool has such pictures."""

_WHOLE_KINDS = {"untouched": Verdict.AUTHENTIC, "generated": Verdict.SYNTHETIC}
_PAGE_SHARE = 0.1
"""How often the host is a rendered page; such a picture is forged as a document, or not at all."""

_LARGEST_PAGE = 1600
_ATTEMPTS = 24
_PAGE_ATTEMPTS = 10
"""After as many, a page on which no word can be found is given up for a photograph."""

_SMALLEST_SHARE = 0.005
_SMALLEST_SHARE_OF_LARGE = 0.003
_LARGEST_SHARE = 0.75
_LEAST_CHANGE = 2.0
"""Mean difference in grey levels inside the mask, below which nobody could see an edit."""

_LEAST_CHANGED = 0.15
"""Share of the mask that must differ by four grey levels or more, likewise."""

KINDS = (*_WHOLE_KINDS, *EDITS)
"""Every value of `Made.kind`."""


@dataclass(frozen=True, slots=True)
class Made:
    """A finished picture with its label.

    Attributes:
        pixels: (H, W, 3) uint8 RGB: what `data` decodes to.
        data: the file.
        format: JPEG, PNG or WEBP.
        mask: (H, W), True where the picture was altered; all False unless tampered.
        verdict: authentic, tampered or synthetic.
        kind: one of `KINDS`.
        parameters: everything that was drawn, plain JSON.
    """

    pixels: Pixels
    data: bytes
    format: str
    mask: NDArray[np.bool_]
    verdict: Verdict
    kind: str
    parameters: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is drawn before anybody looks at the class: sizes, history and file.

    `reference` is the generated picture that a synthetic sample is made of; `native` says that
    no pixel is ever resized, `page` that the host is a rendered page unless the class forbids it.
    """

    reference: Source
    height: int
    width: int
    scale: float
    filter: str
    first: list[Step]
    later: list[Step]
    file: Step
    aligned: bool
    margin: float
    native: bool
    page: bool


def make(
    pool: Pool,
    seed: int,
    side: int | None = None,
    kind: str | None = None,
    verdict: Verdict | None = None,
) -> Made:
    """Make one picture; the same arguments give the same bytes.

    Args:
        pool: where hosts and donors come from.
        seed: of every draw.
        side: height and width of the finished picture in pixels; None draws 256 to 768 each.
        kind: one of `KINDS`; None draws one that fits `verdict`.
        verdict: one of `schema.CLASSES`; None draws 35 % authentic, 50 % tampered, 15 % synthetic.

    Raises:
        ValueError: an unknown kind, one that contradicts `verdict`, or a synthetic picture from a
            pool that holds none.
        OSError: a source cannot be read.
    """
    # Three streams that share no numbers, and a plan that no failed attempt can select: or sizes,
    # formats and qualities would tell the label. Numpy pads short seeds with zeros, so [seed]
    # and [seed, 0] would be one stream.
    plan = _draw_plan(np.random.default_rng([seed, 1]), pool, side)
    label = _draw_verdict(np.random.default_rng([seed, 2]), pool, kind, verdict)
    for attempt in range(_ATTEMPTS):
        if attempt == _PAGE_ATTEMPTS and label == Verdict.TAMPERED:
            plan = replace(plan, page=False)
        rng = np.random.default_rng([seed, 3 + attempt])
        made = _attempt(pool, rng, plan, kind or _kind_of(rng, label, plan))
        if made is not None:
            return replace(made, parameters={"seed": seed, "attempt": attempt, **made.parameters})
    raise ValueError(
        f"seed {seed}: no visible edit of kind {kind} in {_ATTEMPTS} attempts; try another seed"
    )


def verdict_of(kind: str) -> Verdict:
    """Return the label that a kind carries."""
    return _WHOLE_KINDS.get(kind, Verdict.TAMPERED)


def _draw_verdict(
    rng: np.random.Generator, pool: Pool, kind: str | None, verdict: Verdict | None
) -> Verdict:
    """Settle on a label; refuse one that cannot be made."""
    if kind is not None and kind not in KINDS:
        raise ValueError(f"no such kind {kind!r}; there are {', '.join(KINDS)}")
    weights = {str(name): weight for name, weight in _VERDICT_WEIGHTS.items()}
    if not pool.generated:
        weights.pop(str(Verdict.SYNTHETIC))
    label = verdict or (verdict_of(kind) if kind else Verdict(pick(rng, weights)))
    if kind is not None and verdict_of(kind) != label:
        raise ValueError(f"kind {kind!r} is {verdict_of(kind)}, but {label} was asked for")
    if label == Verdict.SYNTHETIC and not pool.generated:
        raise ValueError("this pool holds no generated picture; give from_folders a folder of them")
    if label == Verdict.INCONCLUSIVE:
        raise ValueError("nothing can be made inconclusive; ask for one of schema.CLASSES")
    return label


def _kind_of(rng: np.random.Generator, label: Verdict, plan: _Plan) -> str:
    """Draw a kind that carries a label; what a page can be forged by follows from the plan."""
    for kind, carried in _WHOLE_KINDS.items():
        if carried == label:
            return kind
    if plan.page:
        return "document"
    return pick(rng, _NATIVE_KIND_WEIGHTS if plan.native else _KIND_WEIGHTS)


def _draw_plan(rng: np.random.Generator, pool: Pool, side: int | None) -> _Plan:
    """Draw sizes and history, alike for every class."""
    height = side or round(log_uniform(rng, 256, 768))
    width = side or round(min(1024, max(192, height * log_uniform(rng, 0.7, 1.4))))
    largest = max(height, width)
    made = [one for one in pool.generated if one.side >= largest]
    possible = bool(pool.native(largest)) and (bool(made) or not pool.generated)
    share = _NATIVE_SHARE_OF_LARGE if min(height, width) >= LARGE_SIDE else _NATIVE_SHARE
    if rng.random() < share and possible:
        return _native_plan(rng, pool, made or list(pool.photographs), (height, width))
    return _resized_plan(rng, pool, height, width)


def _native_plan(
    rng: np.random.Generator, pool: Pool, made: list[Source], size: tuple[int, int]
) -> _Plan:
    """Draw one or two ordinary compressions and nothing that moves a pixel."""
    return _Plan(
        reference=pool.draw(rng, made, 1),
        height=size[0],
        width=size[1],
        scale=1.0,
        filter="area",
        first=[],
        later=draw_recompression(rng, pool.tables),
        file=draw_format(rng, pool.tables),
        aligned=bool(rng.random() < 0.8),
        margin=1.0,
        native=True,
        page=bool(rng.random() < _PAGE_SHARE),
    )


def _resized_plan(rng: np.random.Generator, pool: Pool, height: int, width: int) -> _Plan:
    """Draw any history; a generated picture's size decides alike for every class.

    Generated pictures are small. Whatever enlargement the drawn one needs to reach the final size
    is done to photographs too, or being enlarged would mean being generated.
    """
    reference = pool.draw(rng, pool.generated or pool.photographs, max(height, width))
    enlarged = max(1.0, max(height, width) / reference.side)
    scale = 1.0 if rng.random() < 0.7 else log_uniform(rng, 0.4, 1.2)
    first = draw_steps(rng) if rng.random() < 0.35 else []
    later, file = draw_way(rng, pool.tables)
    if enlarged > 1.0:
        chosen = ("linear", "cubic", "lanczos")[int(rng.integers(3))]
        at = int(rng.integers(len(later) + 1))
        later.insert(at, Step("resize", {"factor": enlarged, "filter": chosen}))
    return _Plan(
        reference=reference,
        height=height,
        width=width,
        scale=scale,
        filter=("linear", "cubic", "area", "lanczos")[int(rng.integers(4))],
        first=[step for step in first if step.name not in ("resize", "crop")],
        later=later,
        file=file,
        aligned=bool(rng.random() < 0.5),
        margin=float(rng.uniform(1.0, 1.5)) if rng.random() < 0.25 else 1.0,
        native=False,
        page=bool(rng.random() < _PAGE_SHARE),
    )


def _attempt(pool: Pool, rng: np.random.Generator, plan: _Plan, kind: str) -> Made | None:
    """Make one picture, or None if the edit cannot be seen in it."""
    host, source, page = _host(pool, rng, plan, kind)
    canvas, later, taken = _canvas(rng, source, plan)
    blank = np.zeros(canvas.shape[:2], np.float32)
    canvas, _ = apply_steps(canvas, blank, plan.first)
    edited = Edited(canvas, blank, {})
    if kind in EDITS:
        objects = [] if page else pool.objects(host)
        crop = _shown(source, taken)
        donors = Donors(pool, host, [found.within(crop) for found in objects])
        edited = EDITS[kind](canvas, donors, rng)
        if not _visible(canvas, edited):
            return None
    pixels, alpha = apply_steps(edited.pixels, edited.alpha, later)
    pixels, alpha, corner = _final_crop(rng, pixels, alpha, plan)
    mask = alpha >= 0.5
    if kind in EDITS and not _least_share(mask) <= float(mask.mean()) <= _LARGEST_SHARE:
        return None
    data = encode(pixels, plan.file)
    parameters = {
        "host": host.name,
        "key": host.key,
        "page": page,
        "native": plan.native,
        "crop": taken,
        "first": [step.as_json() for step in plan.first],
        "edit": edited.parameters,
        "later": [step.as_json() for step in later],
        "corner": corner,
        "file": plan.file.as_json(),
        "area": float(mask.mean()),
    }
    return Made(decode(data), data, plan.file.name, mask, verdict_of(kind), kind, parameters)


def _least_share(mask: NDArray[np.bool_]) -> float:
    return _SMALLEST_SHARE_OF_LARGE if min(mask.shape) >= LARGE_SIDE else _SMALLEST_SHARE


def _host(
    pool: Pool, rng: np.random.Generator, plan: _Plan, kind: str
) -> tuple[Source, Pixels, dict[str, Any] | None]:
    """Return the host with its (H, W, 3) pixels, and what was drawn for it if it is a page."""
    if kind == "generated":
        return plan.reference, pool.read(plan.reference), None
    size = size_before(plan.later, plan.height, plan.width)
    if kind == "document" or (kind == "untouched" and plan.page):
        height, width = (
            min(_LARGEST_PAGE, round(length / min(1.0, plan.scale))) for length in size
        )
        pixels, drawn = render_page(rng, height, width)
        return Source(Path(PAGE), PAGE, PAGE, min(height, width), 1.0), pixels, drawn
    hosts = pool.native(max(size)) if plan.native else pool.photographs
    host = pool.draw(rng, hosts, max(size))
    return host, pool.read(host), None


def _canvas(
    rng: np.random.Generator, source: Pixels, plan: _Plan
) -> tuple[Pixels, list[Step], dict[str, Any]]:
    """Crop the host to the working size, at native resolution unless the plan scales it.

    Returns:
        The (H, W, 3) canvas, the later steps that this host is large enough for, and the crop.
    """
    later, margin = plan.later, plan.margin
    wanted = _working_size(plan, later, margin)
    if min(source.shape[0] / wanted[0], source.shape[1] / wanted[1]) < 1.0:
        later, margin = without_shrinking(later), 1.0
        wanted = _working_size(plan, later, margin)
    least = max(wanted[0] / source.shape[0], wanted[1] / source.shape[1])
    scale = max(plan.scale, least)
    height = min(source.shape[0], int(np.ceil(wanted[0] / scale)))
    width = min(source.shape[1], int(np.ceil(wanted[1] / scale)))
    top = int(rng.integers(source.shape[0] - height + 1))
    left = int(rng.integers(source.shape[1] - width + 1))
    if plan.aligned:
        top, left = top // 16 * 16, left // 16 * 16
    view = source[top : top + height, left : left + width]
    if scale != 1.0:
        view = resize(view, *wanted, plan.filter)
    taken = {"top": top, "left": left, "height": height, "width": width, "scale": scale}
    return np.ascontiguousarray(view), later, {**taken, "filter": plan.filter}


def _shown(source: Pixels, taken: dict[str, Any]) -> tuple[float, float, float, float]:
    """Return the crop as (x0, y0, x1, y1) in shares of the source."""
    height, width = source.shape[:2]
    y0, x0 = taken["top"] / height, taken["left"] / width
    return x0, y0, x0 + taken["width"] / width, y0 + taken["height"] / height


def _working_size(plan: _Plan, later: list[Step], margin: float) -> tuple[int, int]:
    return size_before(later, round(plan.height * margin), round(plan.width * margin))


def _visible(canvas: Pixels, edited: Edited) -> bool:
    """Tell whether the edit changed what it covers by more than rounding."""
    inside = edited.alpha >= 0.5
    if not inside.any():
        return False
    apart = np.abs(edited.pixels[inside].astype(np.int16) - canvas[inside])
    changed = float((apart.max(axis=1) >= 4).mean())
    return float(apart.mean()) >= _LEAST_CHANGE and changed >= _LEAST_CHANGED


def _final_crop(
    rng: np.random.Generator, pixels: Pixels, alpha: Alpha, plan: _Plan
) -> tuple[Pixels, Alpha, list[int]]:
    """Cut the finished size out of a larger canvas, with the edit in it if there is one."""
    height, width = min(plan.height, pixels.shape[0]), min(plan.width, pixels.shape[1])
    free = (pixels.shape[0] - height, pixels.shape[1] - width)
    top, left = 0, 0
    for _ in range(6):
        top, left = int(rng.integers(free[0] + 1)), int(rng.integers(free[1] + 1))
        if float(alpha[top : top + height, left : left + width].mean()) >= _SMALLEST_SHARE:
            break
    window = (slice(top, top + height), slice(left, left + width))
    return np.ascontiguousarray(pixels[window]), alpha[window], [top, left]
