"""Conversations about pictures, as the formats for instruction tuning write them.

Shared by the instruction formats and by the data sets that come in one of them.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from morelli.data_pipeline.answer import AnswerError, contradicts, parse, prefix
from morelli.data_pipeline.converters.layout import (
    Entries,
    Item,
    MaskReader,
    NotThereError,
    Skipped,
    plain_id,
)
from morelli.data_pipeline.manifest import Row, Turn
from morelli.data_pipeline.masks import from_file
from morelli.data_pipeline.prompts import QUESTION
from morelli.data_pipeline.schema import CLASSES, Verdict

IMAGE = "<image>"
"""Marks in the words where the picture stands; once for each picture."""

ROLES = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "system": "system",
}
"""Who speaks, by the names that formats give them."""

SPEAKERS = {"user": "human", "assistant": "gpt", "system": "system"}
"""The names that LLaVA and ShareGPT give them."""

_SENTENCE = re.compile(r"[^.!?\n]+")


def records(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Read a .json list or a .jsonl file, with "file: entry 3" or "file:3" to name each entry.

    Raises:
        NotThereError: another content.
    """
    try:
        if path.suffix == ".jsonl":
            with path.open(encoding="utf-8") as file:
                for number, line in enumerate(file, start=1):
                    if line.strip():
                        yield f"{path}:{number}", _object(json.loads(line))
            return
        entries = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(entries, list):
            raise ValueError("no list")
        for number, entry in enumerate(entries):
            yield f"{path}: entry {number}", _object(entry)
    except ValueError as error:
        raise NotThereError(f"{path.name} is no list of JSON objects ({error})") from None


def _object(entry: Any) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise ValueError(f"an entry is {type(entry).__name__}")
    return entry


def tables(root: Path, *suffixes: str) -> list[Path]:
    """Return `root` if it is a file of one of the suffixes, else those in it or one level down.

    Raises:
        NotThereError: there is none.
    """
    if root.is_file() and root.suffix in suffixes:
        return [root]
    inside = [*root.glob("*"), *root.glob("*/*")] if root.is_dir() else []
    found = sorted(path for path in inside if path.suffix in suffixes and path.is_file())
    if not found:
        raise NotThereError(f"no file {' or '.join('*' + suffix for suffix in suffixes)}")
    return found


def entries_of(
    root: Path,
    suffixes: Sequence[str],
    name: str,
    one: Callable[[dict[str, Any], Path], tuple[Path, tuple[Turn, ...]]],
) -> Entries:
    """List the entries of the files of an instruction format.

    Args:
        root: a file, or a folder of them.
        suffixes: of the files.
        name: of the format, for what is said of an entry that is not in it.
        one: reads the picture's path and the turns of an entry, given the file's folder.

    Raises:
        NotThereError: there is no such file.
    """
    for table in tables(root, *suffixes):
        for where, record in records(table):
            try:
                image, turns = one(record, table.parent)
                yield item_of(record, image, turns, table.parent, image.stem)
            except (KeyError, TypeError, ValueError) as error:
                yield Skipped(where, f"not in {name}'s format: {error}")


def turns_of(messages: Sequence[Mapping[str, Any]], role: str, content: str) -> tuple[Turn, ...]:
    """Read messages whose speaker and words stand under the keys `role` and `content`.

    Content in parts ({"type": "image"}, {"type": "text", "text": ...}) becomes one text.

    Raises:
        KeyError: a message without one of the two.
        ValueError: an unknown speaker.
    """
    turns = []
    for message in messages:
        who = str(message[role])
        if who not in ROLES:
            raise ValueError(f"no such speaker {who!r}; there are {', '.join(ROLES)}")
        turns.append(Turn(ROLES[who], _text(message[content])))
    return tuple(turns)


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = [IMAGE if part["type"] == "image" else str(part["text"]) for part in content]
    return "\n".join(parts)


def verdict_in(text: str, fake: Verdict) -> Verdict | None:
    """Return the verdict that an answer states, in the answer grammar or in explicit words.

    Args:
        text: an answer.
        fake: what "fake" means where it is not said whether altered or generated.
    """
    try:
        stated = parse(text).verdict
        return stated if stated in CLASSES else None
    except AnswerError:
        pass
    for sentence in _SENTENCE.findall(text):
        possible = [verdict for verdict in CLASSES if not contradicts(sentence, verdict)]
        if len(possible) == 1:
            return possible[0]
        if possible == [Verdict.TAMPERED, Verdict.SYNTHETIC]:
            return fake
    return None


def item_of(
    record: Mapping[str, Any],
    image: Path | bytes,
    turns: tuple[Turn, ...],
    folder: Path,
    position: str,
) -> Item:
    """Make an item of one entry of an instruction format.

    The columns verdict (or a label in words), mask, origin, kind, source, answer and id are used
    where they are; without a verdict, the first answer must state one in words, and "fake" without
    more means synthetic.

    Raises:
        ValueError: no verdict, neither in a column nor in words.
    """
    label = str(record.get("verdict") or record.get("label") or "")
    answer = next((turn.text for turn in turns if turn.role == "assistant"), "")
    verdict = Verdict(label) if label in CLASSES else verdict_in(answer, fake=Verdict.SYNTHETIC)
    if verdict is None:
        raise ValueError("no column verdict, and the first answer states none in words")
    masks = {name: _reader(record.get(name), folder) for name in ("mask", "origin")}
    name = str(record.get("id") or position)
    return Item(
        id=plain_id(name),
        image=image,
        verdict=verdict,
        mask=masks["mask"],
        kind=record.get("kind"),
        source=str(record.get("source") or name),
        conversation=turns,
        answer=record.get("answer"),
        extra=record.get("extra") or {},
        origin=masks["origin"],
    )


def _reader(path: Any, folder: Path) -> MaskReader | None:
    return partial(from_file, folder / path) if isinstance(path, str) and path else None


def taught(row: Row) -> tuple[Turn, ...]:
    """Return the conversation of a row; one question and its answer if it has none."""
    if row.conversation:
        return row.conversation
    answer = row.sample.answer or prefix(row.sample.verdict).rstrip()
    return (Turn("user", f"{IMAGE}\n{QUESTION}"), Turn("assistant", answer))


def columns_of(row: Row) -> dict[str, Any]:
    """Return what instruction formats have no place for, as further columns of an entry."""
    sample = row.sample
    columns: dict[str, Any] = {"id": sample.id, "verdict": str(sample.verdict)}
    for name, path in (("mask", sample.mask), ("origin", sample.origin)):
        if path:
            columns[name] = str(path.absolute())
    for name, value in (
        ("kind", sample.kind),
        ("source", sample.source),
        ("answer", sample.answer),
    ):
        if value:
            columns[name] = value
    if row.extra:
        columns["extra"] = dict(row.extra)
    return columns


def write_json(entries: Iterator[dict[str, Any]], path: Path) -> Path:
    """Write a list of objects, one a line; .jsonl without the brackets. Return the path."""
    lines = path.suffix == ".jsonl"
    with path.open("w", encoding="utf-8") as file:
        file.write("" if lines else "[\n")
        for number, entry in enumerate(entries):
            file.write("" if lines or number == 0 else ",\n")
            file.write(json.dumps(entry, ensure_ascii=False) + ("\n" if lines else ""))
        file.write("" if lines else "\n]\n")
    return path
