"""ShareGPT's format with LLaMA-Factory's dataset_info.json beside it."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from morelli.data_pipeline.converters.chats import (
    SPEAKERS,
    columns_of,
    item_of,
    records,
    taught,
    turns_of,
    write_json,
)
from morelli.data_pipeline.converters.layout import Entries, Item, NotThereError, Skipped
from morelli.data_pipeline.manifest import Row

EXPECTED = """
dataset_info.json: {"<name>": {"file_name": "<name>.json", "formatting": "sharegpt",
    "columns": {"messages": "conversations", "images": "images"},
    "tags": {"role_tag": "from", "content_tag": "value", "user_tag": "human",
             "assistant_tag": "gpt"}}}
<name>.json, a list of {"conversations": [{"from": "human", "value": "<image>..."}, ...],
    "images": ["path/of/picture.jpg"]}; paths are relative to the folder
"""

_NAME = "morelli"
_TAGS = {"role_tag": "from", "content_tag": "value"}


def read(root: Path) -> Entries:
    """List the entries of every data set in dataset_info.json that has sharegpt's formatting."""
    info = root if root.name == "dataset_info.json" else root / "dataset_info.json"
    if not info.is_file():
        raise NotThereError("no file dataset_info.json")
    for name, about in json.loads(info.read_text(encoding="utf-8")).items():
        if about.get("formatting") != "sharegpt" or "file_name" not in about:
            yield Skipped(f"{info}: {name}", "is not a file in sharegpt formatting")
            continue
        for where, record in records(info.parent / about["file_name"]):
            try:
                yield _item(record, about, info.parent)
            except (KeyError, TypeError, ValueError) as error:
                yield Skipped(where, f"not as {info.name} says: {error}")


def _item(record: dict[str, Any], about: dict[str, Any], folder: Path) -> Item:
    columns, tags = about.get("columns", {}), {**_TAGS, **about.get("tags", {})}
    images = record[columns.get("images", "images")]
    if len(images) != 1:
        raise ValueError(f"has {len(images)} images instead of one")
    messages = record[columns.get("messages", "conversations")]
    turns = turns_of(messages, tags["role_tag"], tags["content_tag"])
    image = folder / images[0]
    return item_of(record, image, turns, folder, image.stem)


def write(rows: Iterable[Row], folder: Path) -> Path:
    """Write morelli.json and dataset_info.json into a folder and return the latter's path."""
    entries = (
        {
            **columns_of(row),
            "conversations": [
                {"from": SPEAKERS[turn.role], "value": turn.text} for turn in taught(row)
            ],
            "images": [str(row.sample.image.absolute())],
        }
        for row in rows
    )
    write_json(entries, folder / f"{_NAME}.json")
    about = {
        "file_name": f"{_NAME}.json",
        "formatting": "sharegpt",
        "columns": {"messages": "conversations", "images": "images"},
        "tags": {**_TAGS, "user_tag": "human", "assistant_tag": "gpt", "system_tag": "system"},
    }
    info = folder / "dataset_info.json"
    info.write_text(json.dumps({_NAME: about}, indent=2) + "\n", encoding="utf-8")
    return info
