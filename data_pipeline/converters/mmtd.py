"""MMTD-Set (Xu et al. 2025, FakeShield): image, mask and description, from seven collections."""

from functools import partial
from pathlib import Path
from typing import Any

from morelli.data_pipeline.converters.chats import records, turns_of, verdict_in
from morelli.data_pipeline.converters.layout import (
    Entries,
    Item,
    NotThereError,
    Skipped,
    plain_id,
)
from morelli.data_pipeline.manifest import Turn
from morelli.data_pipeline.masks import from_file
from morelli.data_pipeline.schema import Verdict

EXPECTED = """
*.json or *.jsonl, entries in LLaVA's format, or {"image", "query", "outputs"}
<collection>/image/<name>.jpg      (also Tp/ and Au/ as in CASIA)
<collection>/mask/<name>.png       with the same name, or <name>_gt or <name>_mask
"image" may be an absolute path of another machine: its last parts are searched below the folder
"""

_SUFFIXES = ("", "_gt", "_mask")


def read(root: Path) -> Entries:
    """List every entry; the description says whether the picture was tampered with."""
    tables = [*sorted(root.glob("*.json")), *sorted(root.glob("*.jsonl"))]
    if not tables:
        raise NotThereError("no file *.json or *.jsonl")
    for table in tables:
        for where, record in records(table):
            try:
                yield _item(root, record)
            except (KeyError, TypeError, ValueError) as error:
                yield Skipped(where, f"not as published: {error}")


def _item(root: Path, record: dict[str, Any]) -> Item:
    image = _found(root, Path(str(record["image"])))
    if "conversations" in record:
        turns = turns_of(record["conversations"], "from", "value")
    else:
        query = str(record.get("query", "<image>\nHas this picture been tampered with, and where?"))
        turns = (Turn("user", query), Turn("assistant", str(record["outputs"])))
    answer = next((turn.text for turn in turns if turn.role == "assistant"), "")
    verdict = verdict_in(answer, fake=Verdict.TAMPERED)
    if verdict is None:
        raise ValueError("the description does not say whether the picture was tampered with")
    mask = _mask(image) if verdict is not Verdict.AUTHENTIC else None
    collection = image.parent.parent.name
    return Item(
        id=plain_id(collection, image.stem),
        image=image,
        verdict=verdict,
        mask=partial(from_file, mask) if mask else None,
        source=f"mmtd:{collection}/{image.stem}",
        conversation=turns,
        extra={"collection": collection},
    )


def _found(root: Path, named: Path) -> Path:
    """Return the picture that a path of another machine means."""
    for first in range(len(named.parts)):
        path = root.joinpath(*[part for part in named.parts[first:] if part != named.anchor])
        if path.is_file():
            return path
    raise ValueError(f"no such picture below {root}: {named}")


def _mask(image: Path) -> Path | None:
    folders = (image.parent.parent / "mask", image.parent.parent / "masks")
    options = [f / f"{image.stem}{suffix}.png" for f in folders for suffix in _SUFFIXES]
    return next((path for path in options if path.is_file()), None)
