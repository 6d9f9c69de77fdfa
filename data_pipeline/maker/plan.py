"""What is drawn before anybody looks at the class: sizes, history and file of a picture."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from morelli.data_pipeline.maker.frame import log_uniform
from morelli.data_pipeline.maker.history import (
    Step,
    draw_format,
    draw_jpeg,
    draw_recompression,
    draw_steps,
    draw_way,
)
from morelli.data_pipeline.maker.pool import Pool, Source
from morelli.data_pipeline.maker.regions import LARGE_SIDE

_NATIVE_SHARE, _NATIVE_SHARE_OF_LARGE = 0.35, 0.65
"""How often a picture's pixels are never resized, where the pool has such pictures."""

_PAGE_SHARE = 0.1
"""How often the host is a rendered page; such a picture is forged as a document, or not at all."""

_CAMERA_AREAS = (0.005, 0.1)
_PORTRAIT_SHARE = 0.07
"""How often the host is a photograph with a face, where the pool knows any."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is drawn before anybody looks at the class: sizes, history and file.

    `reference` is the generated picture that a generated sample is made of; `native` says that no
    pixel is ever resized, `page` that the host is a rendered page unless the class forbids it,
    `portrait` likewise that it is a photograph with a face; `areas` are the least and largest
    share of the picture that an edit may cover, None for the ordinary ones.
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
    portrait: bool
    areas: tuple[float, float] | None = None


def draw_plan(rng: np.random.Generator, pool: Pool, side: int | None, camera: bool = False) -> Plan:
    """Draw sizes and history, alike for every class; see `make` for `camera`.

    Raises:
        ValueError: a camera's picture is asked for, and the pool has none that is large enough.
    """
    height = side or round(log_uniform(rng, 256, 768))
    width = side or round(min(1024, max(192, height * log_uniform(rng, 0.7, 1.4))))
    largest = max(height, width)
    made = [one for one in pool.generated if one.side >= largest]
    possible = bool(pool.native(largest)) and (bool(made) or not pool.generated)
    if camera:
        return _camera_plan(rng, pool, made or list(pool.photographs), (height, width))
    share = _NATIVE_SHARE_OF_LARGE if min(height, width) >= LARGE_SIDE else _NATIVE_SHARE
    if rng.random() < share and possible:
        return _native_plan(rng, pool, made or list(pool.photographs), (height, width))
    return _resized_plan(rng, pool, height, width)


def _native_plan(
    rng: np.random.Generator, pool: Pool, made: list[Source], size: tuple[int, int]
) -> Plan:
    """Draw one or two ordinary compressions and nothing that moves a pixel."""
    page = bool(rng.random() < _PAGE_SHARE)
    return Plan(
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
        page=page,
        portrait=not page and _is_portrait(rng, pool, pool.native(max(size))),
    )


def _camera_plan(
    rng: np.random.Generator, pool: Pool, made: list[Source], size: tuple[int, int]
) -> Plan:
    """Draw one or two JPEG compressions of a photograph and nothing else."""
    if not pool.native(max(size)):
        raise ValueError(
            f"this pool holds no photograph of {max(size)} pixels a side as its camera wrote it;"
            " ask for smaller pictures"
        )
    plan = _native_plan(rng, pool, made, size)
    file = Step("JPEG", draw_jpeg(rng, pool.tables))
    return replace(plan, page=False, file=file, areas=_CAMERA_AREAS)


def _resized_plan(rng: np.random.Generator, pool: Pool, height: int, width: int) -> Plan:
    """Draw any history; a generated picture's size decides alike for every class.

    Generated pictures are small. Whatever enlargement the drawn one needs to reach the final size
    is done to photographs too, or being enlarged would mean being generated.
    """
    reference = pool.draw(rng, pool.generated or pool.photographs, max(height, width))
    enlarged = max(1.0, max(height, width) / reference.side)
    scale = 1.0 if rng.random() < 0.7 else log_uniform(rng, 0.4, 1.2)
    page = bool(rng.random() < _PAGE_SHARE)
    first = draw_steps(rng) if rng.random() < 0.35 else []
    later, file = draw_way(rng, pool.tables, page)
    if enlarged > 1.0:
        chosen = ("linear", "cubic", "lanczos")[int(rng.integers(3))]
        at = int(rng.integers(len(later) + 1))
        later.insert(at, Step("resize", {"factor": enlarged, "filter": chosen}))
    return Plan(
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
        page=page,
        portrait=not page and _is_portrait(rng, pool, pool.photographs),
    )


def _is_portrait(rng: np.random.Generator, pool: Pool, hosts: Sequence[Source]) -> bool:
    return bool(rng.random() < _PORTRAIT_SHARE) and bool(pool.with_faces(hosts))
