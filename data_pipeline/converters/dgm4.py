"""DGM4 (Shao et al. 2023): news pictures with swapped or edited faces; the pictures' part of it."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from morelli.data_pipeline.converters.layout import (
    Entries,
    Item,
    NotThereError,
    Skipped,
    plain_id,
)
from morelli.data_pipeline.masks import Mask
from morelli.data_pipeline.schema import Box, Verdict

EXPECTED = """
metadata/train.json  metadata/val.json  metadata/test.json, lists of
    {"id": 768092, "image": "DGM4/manipulation/HFGI/768092-HFGI.jpg", "text": "...",
     "fake_cls": "face_attribute&text_attribute", "fake_image_box": [155, 61, 267, 207]}
manipulation/...  origin/...        the pictures, as "image" names them
"""

_FACES = {"face_swap": "face_swap", "face_attribute": "face_edit"}


def read(root: Path) -> Entries:
    """List every picture once; one of which only the text was forged counts as authentic."""
    tables = sorted(root.glob("metadata/*.json")) or sorted(root.glob("*/metadata/*.json"))
    if not tables:
        raise NotThereError("no file metadata/*.json")
    home = tables[0].parents[1]
    seen: set[str] = set()
    for table in tables:
        for number, row in enumerate(json.loads(table.read_text(encoding="utf-8"))):
            where = f"{table}: entry {number}"
            try:
                name = str(row["image"])
                if name not in seen:
                    seen.add(name)
                    yield _item(home, row, table.stem)
            except (KeyError, TypeError, ValueError) as error:
                yield Skipped(where, f"not as published: {error!r}")


def _item(home: Path, row: dict[str, Any], split: str) -> Item:
    name = str(row["image"]).removeprefix("DGM4/")
    kinds = [_FACES[word] for word in str(row["fake_cls"]).split("&") if word in _FACES]
    box = Box(*map(int, row["fake_image_box"])) if kinds else None
    return Item(
        id=plain_id(str(Path(name).with_suffix(""))),
        image=home / name,
        verdict=Verdict.TAMPERED if kinds else Verdict.AUTHENTIC,
        mask=partial(_inside, box) if box else None,
        kind=kinds[0] if kinds else None,
        source=f"dgm4:{Path(name).stem.split('-')[0]}",
        extra={"split": split, "mask_is": "box"} if box else {"split": split},
    )


def _inside(box: Box, height: int, width: int) -> Mask:
    if box.x1 > width or box.y1 > height:
        raise ValueError(f"box {box.as_list()} leaves the picture of {width} x {height} pixels")
    mask = np.zeros((height, width), bool)
    box.crop(mask)[:] = True
    return mask
