"""ms-swift's format: messages and images."""

from collections.abc import Iterable
from pathlib import Path

from morelli.data_pipeline.converters.chats import (
    columns_of,
    item_of,
    records,
    tables,
    taught,
    turns_of,
    write_json,
)
from morelli.data_pipeline.converters.layout import Entries, Skipped
from morelli.data_pipeline.manifest import Row

EXPECTED = """
*.jsonl, each line {"messages": [{"role": "user", "content": "<image>..."},
    {"role": "assistant", "content": "..."}], "images": ["path/of/picture.jpg"]}
paths are relative to the file
"""


def read(root: Path) -> Entries:
    """List the entries of a file, or of every .jsonl and .json file in a folder."""
    for table in tables(root, ".jsonl", ".json"):
        for where, record in records(table):
            try:
                (image,) = record["images"]
                path = table.parent / (image["path"] if isinstance(image, dict) else image)
                turns = turns_of(record["messages"], "role", "content")
                yield item_of(record, path, turns, table.parent, path.stem)
            except (KeyError, TypeError, ValueError) as error:
                yield Skipped(where, f"not in ms-swift's format: {error}")


def write(rows: Iterable[Row], folder: Path) -> Path:
    """Write swift.jsonl into a folder and return its path."""
    entries = (
        {
            **columns_of(row),
            "messages": [{"role": turn.role, "content": turn.text} for turn in taught(row)],
            "images": [str(row.sample.image.absolute())],
        }
        for row in rows
    )
    return write_json(entries, folder / "swift.jsonl")
