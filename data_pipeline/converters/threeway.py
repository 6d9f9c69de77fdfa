"""Parquet files with a picture, a mask and a class of three, as SID-Set and So-Fake have."""

from functools import partial
from pathlib import Path
from typing import Any

from morelli.data_pipeline.cells import cell_path
from morelli.data_pipeline.converters.layout import Entries, Item, Skipped, plain_id
from morelli.data_pipeline.converters.parquet import parquet_rows
from morelli.data_pipeline.masks import from_file
from morelli.data_pipeline.schema import Verdict

_VERDICTS = {
    "real": Verdict.AUTHENTIC,
    "full_synthetic": Verdict.SYNTHETIC,
    "synthetic": Verdict.SYNTHETIC,
    "tampered": Verdict.TAMPERED,
}


def packed_classes(name: str, table: Path, labels: tuple[str, ...] | None) -> Entries:
    """List the rows of one file without reading their pictures, which are paths to its cells.

    Args:
        name: of the data set.
        table: the parquet file.
        labels: class names in the order of their numbers, for files that do not name them; None
            if releases number them differently, so that a file must.
    """
    for number, row in enumerate(parquet_rows(table, pictures=("image", "mask"))):
        try:
            yield _item(name, table, row, number, labels)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            yield Skipped(f"{table}: row {number}", f"not as published: {error}")


def _item(
    name: str, table: Path, row: dict[str, Any], number: int, labels: tuple[str, ...] | None
) -> Item:
    label = row["label"]
    if isinstance(label, int):
        if labels is None:
            raise ValueError(f"label {label} has no name in this file, and releases differ")
        label = labels[label]
    verdict = _VERDICTS[label]
    original = str(row.get("filename") or row.get("img_id") or f"{table.stem}-{number:06d}")
    mask = cell_path(table, "mask", number)
    masked = row.get("mask") is not None and verdict is Verdict.TAMPERED
    return Item(
        id=plain_id(table.stem, str(Path(original).with_suffix(""))),
        image=cell_path(table, "image", number),
        verdict=verdict,
        mask=partial(from_file, mask) if masked else None,
        kind=row.get("generator") if verdict is not Verdict.AUTHENTIC else None,
        source=f"{name}:{row.get('source') or ''}{original}",
        extra={"split": str(row.get("split") or table.stem.split("-")[0])},
    )
