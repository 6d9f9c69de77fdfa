"""SID-Set (Huang et al. 2025, SIDA): real, fully synthetic and tampered pictures with masks."""

import json
from functools import partial
from pathlib import Path

from morelli.data_pipeline.converters.layout import (
    Entries,
    Item,
    NotThereError,
    maybe_folder,
    pictures_in,
    plain_id,
)
from morelli.data_pipeline.converters.threeway import packed_classes
from morelli.data_pipeline.manifest import Turn
from morelli.data_pipeline.masks import from_file
from morelli.data_pipeline.schema import Verdict

EXPECTED = """
train/real/*  train/full_synthetic/*  train/tampered/*  train/masks/<name>_mask.png
validation/... likewise; <class>_GT.json may map names of pictures to descriptions
or data/*.parquet with image, mask, label (0 real, 1 full_synthetic, 2 tampered) and img_id
"""

_CLASSES = {
    "real": Verdict.AUTHENTIC,
    "full_synthetic": Verdict.SYNTHETIC,
    "tampered": Verdict.TAMPERED,
}
_QUESTION = "<image>\nIs this picture real, fully synthetic or tampered, and why?"


def read(root: Path) -> Entries:
    """List the pictures of the folders, or the rows of the parquet files."""
    if not root.is_dir():
        raise NotThereError("it is no folder")
    splits = [folder for folder in (root / "train", root / "validation") if folder.is_dir()]
    packed = [*sorted(root.glob("*.parquet")), *sorted(root.glob("data/*.parquet"))]
    if not splits and not packed:
        raise NotThereError("neither folders train and validation nor parquet files")
    for split in splits:
        yield from _split(split)
    for table in packed:
        yield from packed_classes("sidset", table, tuple(_CLASSES))


def _split(split: Path) -> Entries:
    for name, verdict in _CLASSES.items():
        folder = maybe_folder(split, name)
        told = _descriptions(split, name)
        for path in pictures_in(folder) if folder else ():
            mask = split / "masks" / f"{path.stem}_mask.png"
            altered = verdict is Verdict.TAMPERED and mask.is_file()
            words = told.get(path.name) or told.get(path.stem)
            turns = (Turn("user", _QUESTION), Turn("assistant", words)) if words else ()
            yield Item(
                id=plain_id(split.name, name, path.stem),
                image=path,
                verdict=verdict,
                mask=partial(from_file, mask) if altered else None,
                source=f"sidset:{path.stem}",
                conversation=turns,
                extra={"split": split.name},
            )


def _descriptions(split: Path, name: str) -> dict[str, str]:
    for table in (split / f"{name}_GT.json", split.parent / f"{name}_GT.json"):
        if table.is_file():
            entries = json.loads(table.read_text(encoding="utf-8")).items()
            return {Path(key).name: _words(value) for key, value in entries}
    return {}


def _words(value: object) -> str:
    if isinstance(value, dict):
        return " ".join(f"{name}: {text}" for name, text in value.items())
    return str(value)
