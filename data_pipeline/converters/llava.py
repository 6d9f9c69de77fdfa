"""LLaVA's instruction format."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from morelli.data_pipeline.converters.chats import (
    SPEAKERS,
    columns_of,
    entries_of,
    taught,
    turns_of,
    write_json,
)
from morelli.data_pipeline.converters.layout import Entries
from morelli.data_pipeline.manifest import Row, Turn

EXPECTED = """
*.json, a list of
    {"id": "...", "image": "path/of/picture.jpg", "conversations": [
        {"from": "human", "value": "<image>\\nIs this real?"}, {"from": "gpt", "value": "..."}]}
paths are relative to the file
"""


def read(root: Path) -> Entries:
    """List the entries of a file, or of every .json file in a folder."""
    return entries_of(root, (".json", ".jsonl"), "LLaVA", _entry)


def _entry(record: dict[str, Any], folder: Path) -> tuple[Path, tuple[Turn, ...]]:
    return folder / record["image"], turns_of(record["conversations"], "from", "value")


def write(rows: Iterable[Row], folder: Path) -> Path:
    """Write llava.json into a folder and return its path."""
    entries = (
        {
            **columns_of(row),
            "image": str(row.sample.image.absolute()),
            "conversations": [
                {"from": SPEAKERS[turn.role], "value": turn.text} for turn in taught(row)
            ],
        }
        for row in rows
    )
    return write_json(entries, folder / "llava.json")
