"""TRL's conversational format for vision: messages in parts, or prompt and completion."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from morelli.data_pipeline.converters.chats import (
    IMAGE,
    columns_of,
    item_of,
    records,
    tables,
    taught,
    turns_of,
    write_json,
)
from morelli.data_pipeline.converters.layout import Entries, Skipped
from morelli.data_pipeline.manifest import Row, Turn

EXPECTED = """
*.jsonl, each line {"messages": [{"role": "user", "content": [{"type": "image"},
    {"type": "text", "text": "..."}]}, {"role": "assistant", "content": [...]}],
    "images": ["path/of/picture.jpg"]}   (or "prompt" and "completion" in place of "messages",
    and "image" in place of "images"); paths are relative to the file
"""


def read(root: Path) -> Entries:
    """List the entries of a file, or of every .jsonl and .json file in a folder."""
    for table in tables(root, ".jsonl", ".json"):
        for where, record in records(table):
            try:
                (image,) = record["images"] if "images" in record else [record["image"]]
                path = table.parent / image
                yield item_of(record, path, conversation_in(record), table.parent, path.stem)
            except (KeyError, TypeError, ValueError) as error:
                yield Skipped(where, f"not in TRL's format: {error}")


def conversation_in(record: dict[str, Any]) -> tuple[Turn, ...]:
    """Read the messages of an entry.

    Raises:
        KeyError: neither messages nor prompt and completion.
    """
    if "messages" in record:
        return turns_of(record["messages"], "role", "content")
    return turns_of([*record["prompt"], *record["completion"]], "role", "content")


def write(rows: Iterable[Row], folder: Path) -> Path:
    """Write trl.jsonl into a folder and return its path."""
    entries = (
        {
            **columns_of(row),
            "messages": [{"role": t.role, "content": _parts(t.text)} for t in taught(row)],
            "images": [str(row.sample.image.absolute())],
        }
        for row in rows
    )
    return write_json(entries, folder / "trl.jsonl")


def _parts(text: str) -> list[dict[str, str]]:
    if text.startswith(f"{IMAGE}\n"):
        words = text.removeprefix(f"{IMAGE}\n")
        return [{"type": "image"}, {"type": "text", "text": words}]
    return [{"type": "text", "text": text}]
