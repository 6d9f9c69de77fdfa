"""Hugging Face data sets as parquet files, with pictures packed in them."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from morelli.data_pipeline.converters.chats import columns_of, item_of, tables, taught
from morelli.data_pipeline.converters.layout import (
    Entries,
    Item,
    MaskReader,
    NotThereError,
    Skipped,
)
from morelli.data_pipeline.converters.trl import conversation_in
from morelli.data_pipeline.manifest import Row
from morelli.data_pipeline.masks import from_bytes
from morelli.data_pipeline.packed import bytes_of

EXPECTED = """
*.parquet (also data/*.parquet) with the columns
    messages: [{"role": "user", "content": "<image>..."}, ...]
    images: [{"bytes": ..., "path": ...}]   (or image: {"bytes": ..., "path": ...})
    verdict, or answers that state one; if there are any, kind, source, id, mask: {"bytes": ...}
    and the like for origin, what copies were taken from
"""

_ROWS_AT_ONCE = 64


def read(root: Path) -> Entries:
    """List the rows of a file, or of every parquet file in a folder."""
    for table in tables(root, ".parquet"):
        for number, record in enumerate(parquet_rows(table)):
            try:
                yield _item(record, table, number)
            except (KeyError, TypeError, ValueError) as error:
                yield Skipped(f"{table}: row {number}", f"not as expected: {error}")


def parquet_rows(path: Path, pictures: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
    """Read the rows of a parquet file, a few at a time; class labels come back as their names.

    Args:
        path: of the file.
        pictures: columns whose pictures are not read; their cells come back without "bytes".

    Raises:
        NotThereError: pyarrow is not installed, or cannot read the file.
    """
    arrow = _arrow()
    try:
        file = arrow.ParquetFile(path)
    except (OSError, ValueError) as error:
        raise NotThereError(f"{path.name} is no parquet file ({error})") from None
    names = _label_names(file.schema_arrow.metadata or {})
    columns = [f"{name}.path" if name in pictures else name for name in file.schema_arrow.names]
    for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE, columns=columns):
        for row in batch.to_pylist():
            for column, labels in names.items():
                if isinstance(row.get(column), int):
                    row[column] = labels[row[column]]
            yield row


def _label_names(metadata: dict[bytes, bytes]) -> dict[str, list[str]]:
    """Return the names of class labels, which releases of one data set number differently."""
    features = json.loads(metadata.get(b"huggingface", b"{}")).get("info", {}).get("features", {})
    return {
        column: feature["names"]
        for column, feature in features.items()
        if isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
    }


def packed(cell: Any, folder: Path) -> Path | bytes:
    """Return the picture in a cell: its bytes, or the path it names.

    Raises:
        ValueError: neither.
    """
    if isinstance(cell, dict) and cell.get("bytes"):
        return bytes(cell["bytes"])
    path = cell.get("path") if isinstance(cell, dict) else cell
    if not path:
        raise ValueError("a picture has neither bytes nor a path")
    return folder / str(path)


def _item(record: dict[str, Any], table: Path, number: int) -> Item:
    cells = record["images"] if record.get("images") else [record["image"]]
    if len(cells) != 1:
        raise ValueError(f"has {len(cells)} images instead of one")
    masks = {name: record.pop(name, None) for name in ("mask", "origin")}
    if isinstance(record.get("extra"), str):
        record["extra"] = json.loads(record["extra"])
    turns = conversation_in(record) if "messages" in record or "prompt" in record else ()
    image = packed(cells[0], table.parent)
    item = item_of(record, image, turns, table.parent, f"{table.stem}-{number:06d}")
    readers = {name: _reader(cell, table.parent) for name, cell in masks.items()}
    return replace(item, mask=readers["mask"], origin=readers["origin"])


def _reader(cell: Any, folder: Path) -> MaskReader | None:
    data = packed(cell, folder) if cell else None
    return partial(from_bytes, data) if isinstance(data, bytes) else None


def write(rows: Iterable[Row], folder: Path) -> Path:
    """Write morelli.parquet with pictures and masks packed, and return its path."""
    path = folder / "morelli.parquet"
    with table_writer(path) as add:
        for row in rows:
            add(_entry(row))
    return path


@contextmanager
def table_writer(path: Path) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Give a function that adds an entry to a parquet file, a few of which are kept at a time.

    Raises:
        NotThereError: pyarrow is not installed.
    """
    arrow = _arrow()
    import pyarrow

    picture = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    message = pyarrow.struct([("role", pyarrow.string()), ("content", pyarrow.string())])
    texts = [(name, pyarrow.string()) for name in _TEXTS]
    fields = [("images", pyarrow.list_(picture)), ("messages", pyarrow.list_(message))]
    masks = [("mask", picture), ("origin", picture)]
    schema = pyarrow.schema([*fields, *masks, *texts]).with_metadata(_METADATA)
    batch: list[dict[str, Any]] = []
    with arrow.ParquetWriter(path, schema) as writer:

        def flush() -> None:
            writer.write_table(pyarrow.Table.from_pylist(batch, schema))
            batch.clear()

        def add(entry: dict[str, Any]) -> None:
            batch.append(entry)
            if len(batch) == _ROWS_AT_ONCE:
                flush()

        yield add
        flush()


_TEXTS = ("id", "verdict", "kind", "source", "answer", "extra")
_FEATURES = {
    "images": {"feature": {"_type": "Image"}, "_type": "List"},
    "messages": {
        "feature": {
            "role": {"dtype": "string", "_type": "Value"},
            "content": {"dtype": "string", "_type": "Value"},
        },
        "_type": "List",
    },
    "mask": {"_type": "Image"},
    "origin": {"_type": "Image"},
    **{name: {"dtype": "string", "_type": "Value"} for name in _TEXTS},
}
_METADATA = {"huggingface": json.dumps({"info": {"features": _FEATURES}})}
"""Tells Hugging Face's `datasets` which columns are pictures."""


def _entry(row: Row) -> dict[str, Any]:
    columns = columns_of(row)
    for name, mask in (("mask", row.sample.mask), ("origin", row.sample.origin)):
        columns[name] = {"bytes": bytes_of(mask), "path": mask.name} if mask else None
    if "extra" in columns:
        columns["extra"] = json.dumps(columns["extra"], ensure_ascii=False)
    image = row.sample.image
    return {
        **columns,
        "images": [{"bytes": bytes_of(image), "path": image.name}],
        "messages": [{"role": turn.role, "content": turn.text} for turn in taught(row)],
    }


def _arrow() -> Any:
    try:
        from pyarrow import parquet
    except ImportError:
        raise NotThereError(
            "parquet files need the package pyarrow: pip install 'morelli[data]'"
        ) from None
    return parquet
