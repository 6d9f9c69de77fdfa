"""One labelled picture from a seed: a class, a host, an edit, a history and a file."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morelli.data_pipeline.maker.donors import Donors
from morelli.data_pipeline.maker.edits import EDITS
from morelli.data_pipeline.maker.frame import Alpha, Edited, Pixels
from morelli.data_pipeline.maker.history import (
    Step,
    apply_steps,
    decode,
    encode,
    resize,
    size_before,
    without_shrinking,
)
from morelli.data_pipeline.maker.kinds import CHANGES, draw_kind, draw_verdict, verdict_of
from morelli.data_pipeline.maker.mattes import Shares, reframed
from morelli.data_pipeline.maker.pages import PAGE, render_page
from morelli.data_pipeline.maker.plan import Plan, draw_plan
from morelli.data_pipeline.maker.pool import Pool, Source
from morelli.data_pipeline.maker.regions import LARGE_SIDE
from morelli.data_pipeline.schema import Verdict

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


@dataclass(frozen=True, slots=True)
class Made:
    """A finished picture with its label.

    Attributes:
        pixels: (H, W, 3) uint8 RGB: what `data` decodes to.
        data: the file.
        format: JPEG, PNG or WEBP.
        mask: (H, W), True where the picture was altered; all False unless tampered.
        origin: (H, W), True where copies in it were taken from, which is not altered; None if
            there are none.
        verdict: authentic, tampered or synthetic.
        kind: one of `kinds.KINDS`.
        parameters: everything that was drawn, plain JSON.
    """

    pixels: Pixels
    data: bytes
    format: str
    mask: NDArray[np.bool_]
    origin: NDArray[np.bool_] | None
    verdict: Verdict
    kind: str
    parameters: dict[str, Any]


def make(
    pool: Pool,
    seed: int,
    side: int | None = None,
    kind: str | None = None,
    verdict: Verdict | None = None,
    camera: bool = False,
) -> Made:
    """Make one picture; the same arguments give the same bytes.

    Args:
        pool: where hosts and donors come from.
        seed: of every draw.
        side: height and width of the finished picture in pixels; None draws 256 to 768 each.
        kind: one of `kinds.KINDS`; None draws one that fits `verdict`.
        verdict: one of `schema.CLASSES`; None draws 35 % authentic, 50 % tampered, 15 % synthetic.
        camera: a photograph whose pixels nobody ever resized, compressed once or twice in an
            ordinary way, with an edit of 0.5 to 10 % of it.

    Raises:
        ValueError: an unknown kind, one that contradicts `verdict`, or one that this pool has
            nothing for: a generated picture, a face, a photograph as the camera wrote it.
        OSError: a source cannot be read.
    """
    # Three streams that share no numbers, and a plan that no failed attempt can select: or sizes,
    # formats and qualities would tell the label. Numpy pads short seeds with zeros, so [seed]
    # and [seed, 0] would be one stream.
    plan = draw_plan(np.random.default_rng([seed, 1]), pool, side, camera)
    label = draw_verdict(np.random.default_rng([seed, 2]), pool, kind, verdict)
    if kind == "face":
        plan = replace(plan, portrait=True, page=False)
    for attempt in range(_ATTEMPTS):
        if attempt == _PAGE_ATTEMPTS and label == Verdict.TAMPERED:
            plan = replace(plan, page=False)
        rng = np.random.default_rng([seed, 3 + attempt])
        made = _attempt(pool, rng, plan, kind or draw_kind(rng, label, plan))
        if made is not None:
            return replace(made, parameters={"seed": seed, "attempt": attempt, **made.parameters})
    raise ValueError(
        f"seed {seed}: no visible edit of kind {kind} in {_ATTEMPTS} attempts; try another seed"
    )


def _attempt(pool: Pool, rng: np.random.Generator, plan: Plan, kind: str) -> Made | None:
    """Make one picture, or None if the edit cannot be seen in it."""
    host, source, page = _host(pool, rng, plan, kind)
    faces = () if page else pool.faces(host)
    focus = faces[int(rng.integers(len(faces)))] if plan.portrait and faces else None
    canvas, later, taken = _canvas(rng, source, plan, focus)
    blank = np.zeros(canvas.shape[:2], np.float32)
    canvas, _ = apply_steps(canvas, blank, plan.first)
    edited = Edited(canvas, blank, {})
    if kind in EDITS:
        objects = [] if page else pool.objects(host)
        crop = _shown(source, taken)
        donors = Donors(
            pool,
            host,
            [found.within(crop) for found in objects],
            [reframed(box, crop) for box in faces],
        )
        edited = EDITS[kind](canvas, donors, rng)
        if not _visible(canvas, edited):
            return None
    elif kind in CHANGES:
        changed, drawn = CHANGES[kind](canvas, pool, rng)
        edited = Edited(changed, blank, drawn)
    pixels, layers = apply_steps(edited.pixels, _layers(edited), later)
    pixels, layers, corner = _final_crop(rng, pixels, layers, plan)
    mask = layers[..., 0] >= 0.5
    origin = (layers[..., 1] >= 0.5) & ~mask if edited.origin is not None else None
    least, most = plan.areas or (_least_share(mask), _LARGEST_SHARE)
    if kind in EDITS and not least <= float(mask.mean()) <= most:
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
    label = verdict_of(kind)
    return Made(decode(data), data, plan.file.name, mask, origin, label, kind, parameters)


def _layers(edited: Edited) -> Alpha:
    """Return (H, W, 2): what was altered, and what was copied from."""
    origin = edited.alpha if edited.origin is None else edited.origin
    return np.dstack([edited.alpha, origin])


def _least_share(mask: NDArray[np.bool_]) -> float:
    return _SMALLEST_SHARE_OF_LARGE if min(mask.shape) >= LARGE_SIDE else _SMALLEST_SHARE


def _host(
    pool: Pool, rng: np.random.Generator, plan: Plan, kind: str
) -> tuple[Source, Pixels, dict[str, Any] | None]:
    """Return the host with its (H, W, 3) pixels, and what was drawn for it if it is a page."""
    if kind == "generated":
        return plan.reference, pool.read(plan.reference), None
    size = size_before(plan.later, plan.height, plan.width)
    if kind in ("document", "page") or (kind not in EDITS and plan.page):
        height, width = (
            min(_LARGEST_PAGE, round(length / min(1.0, plan.scale))) for length in size
        )
        pixels, drawn = render_page(rng, height, width)
        return Source(Path(PAGE), PAGE, PAGE, min(height, width), 1.0), pixels, drawn
    hosts = pool.native(max(size)) if plan.native else pool.photographs
    if plan.portrait:
        hosts = pool.with_faces(hosts) or pool.with_faces(pool.photographs)
    host = pool.draw(rng, hosts, max(size))
    return host, pool.read(host), None


def _canvas(
    rng: np.random.Generator, source: Pixels, plan: Plan, focus: Shares | None
) -> tuple[Pixels, list[Step], dict[str, Any]]:
    """Crop the host to the working size, at native resolution unless the plan scales it.

    The crop has the middle of `focus` in it, if there is such a box.

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
    rows, columns = ((focus[1], focus[3]), (focus[0], focus[2])) if focus else (None, None)
    top = _start(rng, source.shape[0], height, rows)
    left = _start(rng, source.shape[1], width, columns)
    if plan.aligned:
        top, left = top // 16 * 16, left // 16 * 16
    view = source[top : top + height, left : left + width]
    if scale != 1.0:
        view = resize(view, *wanted, plan.filter)
    taken = {"top": top, "left": left, "height": height, "width": width, "scale": scale}
    return np.ascontiguousarray(view), later, {**taken, "filter": plan.filter}


def _start(
    rng: np.random.Generator, length: int, kept: int, around: tuple[float, float] | None
) -> int:
    """Draw where a crop of `kept` pixels begins; it holds the middle of `around`, in shares."""
    low, high = 0, length - kept
    if around is not None:
        middle = round((around[0] + around[1]) / 2 * length)
        half = min(kept // 2, round((around[1] - around[0]) / 2 * length))
        low, high = max(low, middle + half - kept), min(high, middle - half)
        low, high = min(low, length - kept), max(high, 0)
        low, high = min(low, high), max(low, high)
    return int(rng.integers(low, high + 1))


def _shown(source: Pixels, taken: dict[str, Any]) -> tuple[float, float, float, float]:
    """Return the crop as (x0, y0, x1, y1) in shares of the source."""
    height, width = source.shape[:2]
    y0, x0 = taken["top"] / height, taken["left"] / width
    return x0, y0, x0 + taken["width"] / width, y0 + taken["height"] / height


def _working_size(plan: Plan, later: list[Step], margin: float) -> tuple[int, int]:
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
    rng: np.random.Generator, pixels: Pixels, layers: Alpha, plan: Plan
) -> tuple[Pixels, Alpha, list[int]]:
    """Cut the finished size out of a larger canvas, with the edit in it if there is one.

    `layers` is (H, W, 2) as of `_layers`.
    """
    height, width = min(plan.height, pixels.shape[0]), min(plan.width, pixels.shape[1])
    free = (pixels.shape[0] - height, pixels.shape[1] - width)
    top, left = 0, 0
    for _ in range(6):
        top, left = int(rng.integers(free[0] + 1)), int(rng.integers(free[1] + 1))
        if float(layers[top : top + height, left : left + width, 0].mean()) >= _SMALLEST_SHARE:
            break
    window = (slice(top, top + height), slice(left, left + width))
    return np.ascontiguousarray(pixels[window]), layers[window], [top, left]
