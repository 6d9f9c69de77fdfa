"""Writes made pictures to a folder, as a manifest that training and evaluation read."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from morelli.data_pipeline.images import write_mask
from morelli.data_pipeline.maker.make import Made, make
from morelli.data_pipeline.maker.pool import Pool
from morelli.data_pipeline.schema import ForensicSample, Verdict

_SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp"}


def write_samples(
    pool: Pool,
    folder: Path,
    seeds: Iterable[int],
    side: int | None = None,
    kind: str | None = None,
    verdict: Verdict | None = None,
) -> Path:
    """Make a picture a seed and write files, masks and the manifest.

    Every row of the manifest is a `ForensicSample` with paths relative to `folder`, and the
    `parameters` of `Made` beside it. Untouched and generated pictures get an empty mask too.

    Args:
        pool: where hosts and donors come from.
        folder: created if missing; images/, masks/ and manifest.jsonl are written into it.
        seeds: one picture each.
        side: see `make`.
        kind: see `make`.
        verdict: see `make`.

    Returns:
        The path of manifest.jsonl.

    Raises:
        OSError: the folder cannot be written to, or a source cannot be read.
        ValueError: see `make`.
    """
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    manifest = folder / "manifest.jsonl"
    with manifest.open("w", encoding="utf-8") as file:
        for seed in seeds:
            made = make(pool, seed, side, kind, verdict)
            file.write(json.dumps(_written(made, seed, folder)) + "\n")
    return manifest


def _written(made: Made, seed: int, folder: Path) -> dict[str, Any]:
    """Write one picture and its mask; return its row."""
    name = f"{seed:08d}"
    image = Path("images") / (name + _SUFFIXES[made.format])
    mask = Path("masks") / (name + ".png")
    (folder / image).write_bytes(made.data)
    write_mask(made.mask, folder / mask)
    sample = ForensicSample(
        id=name,
        image=image,
        verdict=made.verdict,
        mask=mask,
        kind=None if made.kind == "untouched" else made.kind,
        source=made.parameters["key"],
    )
    return {**sample.as_json(), "parameters": made.parameters}
