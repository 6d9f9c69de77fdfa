"""DD-VQA (Zhang et al. 2024): what people say of why a face looks fake or real."""

import json
from pathlib import Path
from typing import Any

from morelli.data_pipeline.converters.layout import (
    Entries,
    Item,
    NotThereError,
    Skipped,
    pictures_under,
    plain_id,
)
from morelli.data_pipeline.manifest import Turn
from morelli.data_pipeline.schema import Verdict

EXPECTED = """
total_fake.json  total_real.json (or train and test parts with "fake" or "real" in their names)
    {"4_29829": {"0": {"question": "Does the image looks real/fake?", "answer": ["..."]}, ...}}
.../4_29829.png        the frames, anywhere below the folder
"""


def read(root: Path) -> Entries:
    """List every frame that is there, with its questions and first answers in order."""
    tables = sorted(root.rglob("*.json")) if root.is_dir() else []
    tables = [table for table in tables if ("fake" in table.stem) != ("real" in table.stem)]
    if not tables:
        raise NotThereError("no file *fake*.json or *real*.json")
    frames = {path.stem: path for path in pictures_under(root)}
    for table in tables:
        fake = "fake" in table.stem
        for name, asked in json.loads(table.read_text(encoding="utf-8")).items():
            if name not in frames:
                yield Skipped(f"{table}: {name}", "no frame of this name below the folder")
                continue
            try:
                yield _item(name, asked, frames[name], fake)
            except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
                yield Skipped(f"{table}: {name}", f"not as published: {error!r}")


def _item(name: str, asked: dict[str, Any], frame: Path, fake: bool) -> Item:
    turns: list[Turn] = []
    for number in sorted(asked, key=int):
        question, answers = asked[number]["question"], asked[number]["answer"]
        mark = "" if turns else "<image>\n"
        turns += [Turn("user", f"{mark}{question}"), Turn("assistant", str(answers[0]))]
    return Item(
        id=plain_id(name),
        image=frame,
        verdict=Verdict.TAMPERED if fake else Verdict.AUTHENTIC,
        kind="face_edit" if fake else None,
        source=f"ddvqa:{name}",
        conversation=tuple(turns),
    )
