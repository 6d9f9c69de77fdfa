"""TRL's conversational format for vision: messages in parts, or prompt and completion."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from morelli.data_pipeline.converters.chats import (
    IMAGE,
    columns_of,
    entries_of,
    taught,
    turns_of,
    write_json,
)
from morelli.data_pipeline.converters.layout import Entries
from morelli.data_pipeline.manifest import Row, Turn

EXPECTED = """
*.jsonl, each line {"messages": [{"role": "user", "content": [{"type": "image"},
    {"type": "text", "text": "..."}]}, {"role": "assistant", "content": [...]}],
    "images": ["path/of/picture.jpg"]}   (or "prompt" and "completion" in place of "messages",
    and "image" in place of "images"); paths are relative to the file
"""


def read(root: Path) -> Entries:
    """List the entries of a file, or of every .jsonl and .json file in a folder."""
    return entries_of(root, (".jsonl", ".json"), "TRL", _entry)


def _entry(record: dict[str, Any], folder: Path) -> tuple[Path, tuple[Turn, ...]]:
    (image,) = record["images"] if "images" in record else [record["image"]]
    return folder / image, conversation_in(record)


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
