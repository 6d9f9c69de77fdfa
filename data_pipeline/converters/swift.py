"""ms-swift's format: messages and images."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from morelli.data_pipeline.converters.chats import (
    columns_of,
    entries_of,
    taught,
    turns_of,
    write_json,
)
from morelli.data_pipeline.converters.layout import Entries
from morelli.data_pipeline.manifest import Row, Turn

EXPECTED = """
*.jsonl, each line {"messages": [{"role": "user", "content": "<image>..."},
    {"role": "assistant", "content": "..."}], "images": ["path/of/picture.jpg"]}
paths are relative to the file
"""


def read(root: Path) -> Entries:
    """List the entries of a file, or of every .jsonl and .json file in a folder."""
    return entries_of(root, (".jsonl", ".json"), "ms-swift", _entry)


def _entry(record: dict[str, Any], folder: Path) -> tuple[Path, tuple[Turn, ...]]:
    (image,) = record["images"]
    path = folder / (image["path"] if isinstance(image, dict) else image)
    return path, turns_of(record["messages"], "role", "content")


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
