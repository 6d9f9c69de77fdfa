"""DocTamper (Qu et al. 2023): tampered documents, packed in LMDB data bases."""

from functools import partial
from pathlib import Path
from typing import Any

from morelli.data_pipeline.converters.layout import (
    Entries,
    Item,
    NotThereError,
    Skipped,
    plain_id,
)
from morelli.data_pipeline.masks import from_bytes, not_black
from morelli.data_pipeline.schema import Verdict

EXPECTED = """
DocTamperV1-TrainingSet/data.mdb  DocTamperV1-TestingSet/  DocTamperV1-FCD/  DocTamperV1-SCD/
(or data.mdb itself), LMDB with the keys num-samples, image-000000000 and label-000000000
"""


def read(root: Path) -> Entries:
    """List the documents of every data base below `root`, all of them tampered."""
    bases = sorted(root.rglob("data.mdb")) if root.is_dir() else []
    if not bases:
        raise NotThereError("no file data.mdb")
    for base in bases:
        yield from _base(base.parent)


def _base(folder: Path) -> Entries:
    with _opened(folder).begin() as transaction:
        count = int(transaction.get(b"num-samples") or 0)
        for index in range(count):
            image = transaction.get(f"image-{index:09d}".encode())
            label = transaction.get(f"label-{index:09d}".encode())
            if image is None or label is None:
                yield Skipped(str(folder), f"no image-{index:09d} or no label-{index:09d}")
                continue
            name = plain_id(folder.name, f"{index:09d}")
            yield Item(
                id=name,
                image=bytes(image),
                verdict=Verdict.TAMPERED,
                mask=partial(from_bytes, bytes(label), altered=not_black),
                kind="text",
                source=f"doctamper:{name}",
            )


def _opened(folder: Path) -> Any:
    try:
        import lmdb
    except ImportError:
        raise NotThereError(
            "reading data.mdb needs the package lmdb: pip install 'morelli[data]'"
        ) from None
    return lmdb.open(str(folder), readonly=True, lock=False, readahead=False, meminit=False)
