"""LLaVA's instruction format."""

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
*.json, a list of
    {"id": "...", "image": "path/of/picture.jpg", "conversations": [
        {"from": "human", "value": "<image>\\nIs this real?"}, {"from": "gpt", "value": "..."}]}
paths are relative to the file
"""


def read(root: Path) -> Entries:
    """List the entries of a file, or of every .json file in a folder."""
    for table in tables(root, ".json", ".jsonl"):
        for where, record in records(table):
            try:
                image = table.parent / record["image"]
                turns = turns_of(record["conversations"], "from", "value")
                yield item_of(record, image, turns, table.parent, image.stem)
            except (KeyError, TypeError, ValueError) as error:
                yield Skipped(where, f"not in LLaVA's format: {error}")


_SPEAKERS = {"user": "human", "assistant": "gpt", "system": "system"}


def write(rows: Iterable[Row], folder: Path) -> Path:
    """Write llava.json into a folder and return its path."""
    entries = (
        {
            **columns_of(row),
            "image": str(row.sample.image.absolute()),
            "conversations": [
                {"from": _SPEAKERS[turn.role], "value": turn.text} for turn in taught(row)
            ],
        }
        for row in rows
    )
    return write_json(entries, folder / "llava.json")
