"""SynthScars (Kang et al. 2025, LEGION): generated pictures whose artefacts are outlined."""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from morelli.data_pipeline.converters.layout import (
    Entries,
    Item,
    NotThereError,
    Skipped,
    pictures_under,
    plain_id,
)
from morelli.data_pipeline.manifest import Turn
from morelli.data_pipeline.masks import Mask, from_polygons
from morelli.data_pipeline.schema import Verdict

EXPECTED = """
train/annotations/*.json  test/annotations/*.json (or *.json), lists of
    {"<id>": {"img_file_name": "....png", "caption": "...",
              "refs": [{"sentence": "...", "explanation": "...", "segmentation": [[x, y, ...]]}]}}
train/images/*.png  test/images/*.png
"""

_QUESTION = "<image>\nWhich artefacts show that this picture was generated?"


def read(root: Path) -> Entries:
    """List every picture; all are synthetic, and masks outline artefacts, not altered regions."""
    if not root.is_dir():
        raise NotThereError("it is no folder")
    tables = [*sorted(root.glob("*/annotations/*.json")), *sorted(root.glob("*.json"))]
    tables += sorted(root.glob("annotations/*.json"))
    if not tables:
        raise NotThereError("no file annotations/*.json")
    pictures = {path.name: path for path in pictures_under(root)}
    for table in tables:
        for number, entry in enumerate(json.loads(table.read_text(encoding="utf-8"))):
            where = f"{table}: entry {number}"
            try:
                ((name, about),) = entry.items()
                yield _item(name, about, pictures, where, table.stem)
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                yield Skipped(where, f"not as published: {error!r}")


def _item(
    name: str, about: dict[str, Any], pictures: dict[str, Path], where: str, split: str
) -> Item | Skipped:
    file = Path(about["img_file_name"]).name
    if file not in pictures:
        return Skipped(where, f"no picture {file}")
    outlines = [polygon for ref in about["refs"] for polygon in ref["segmentation"]]
    return Item(
        id=plain_id(name),
        image=pictures[file],
        verdict=Verdict.SYNTHETIC,
        mask=partial(_artefacts, outlines) if outlines else None,
        kind="generated",
        source=f"synthscars:{Path(file).stem}",
        conversation=(Turn("user", _QUESTION), Turn("assistant", str(about["caption"]))),
        extra={"mask_is": "artefacts", "split": split},
    )


def _artefacts(outlines: Sequence[Sequence[float]], height: int, width: int) -> Mask:
    usable = [outline for outline in outlines if len(outline) >= 6]
    return from_polygons(usable, height, width) if usable else np.zeros((height, width), bool)
