"""Reads and writes manifests: JSON lines, one labelled picture each.

A row is a `ForensicSample`, with the conversation it is to be taught by and any further columns
beside it. Paths in the file are relative to the manifest's own folder wherever they lie in it.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from morelli.data_pipeline.schema import ForensicSample
from morelli.data_pipeline.whole_files import whole

ROLES = ("system", "user", "assistant")


class ManifestError(ValueError):
    """A manifest's line that is no sample; the message opens with file and line."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation.

    Attributes:
        role: "system", "user" or "assistant".
        text: the words; `<image>` marks where the picture stands.
    """

    role: str
    text: str

    def __post_init__(self) -> None:
        """Refuse a role that no chat template knows."""
        if self.role not in ROLES:
            raise ValueError(f"no such role {self.role!r}; there are {', '.join(ROLES)}")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a manifest.

    Attributes:
        sample: the labelled picture.
        conversation: what is taught about it, in order; empty if nothing is.
        extra: every further column, plain JSON; kept but not looked at.
    """

    sample: ForensicSample
    conversation: tuple[Turn, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)


def rows_of(manifest: Path) -> Iterator[tuple[int, Row]]:
    """Read a manifest line by line, with its line numbers from 1; paths come back joined to it.

    Raises:
        ManifestError: a line that is no sample.
        OSError: the file cannot be read.
    """
    with manifest.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield number, row_of(line, f"{manifest}:{number}", manifest.parent)


def row_of(line: bytes, where: str, folder: Path) -> Row:
    """Read one line.

    Raises:
        ManifestError: no sample; opens with `where`.
    """
    try:
        record = json.loads(line)
        if not isinstance(record, dict):
            raise ValueError("no JSON object")
        sample = ForensicSample.from_json(record)
        turns = tuple(Turn(turn["role"], turn["text"]) for turn in record.get("conversation") or ())
    except KeyError as error:
        raise ManifestError(f"{where}: no field {error}") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise ManifestError(f"{where}: {error}") from None
    image = folder / sample.image
    mask = folder / sample.mask if sample.mask else None
    origin = folder / sample.origin if sample.origin else None
    located = replace(sample, image=image, mask=mask, origin=origin)
    return Row(located, turns, _further(record))


def _further(record: dict[str, Any]) -> dict[str, Any]:
    own = {*ForensicSample.__dataclass_fields__, "conversation"}
    return {name: value for name, value in record.items() if name not in own}


def write_rows(rows: Iterable[Row], manifest: Path) -> int:
    """Write a manifest, whole or not at all, and return the number of rows.

    Raises:
        OSError: it cannot be written.
    """
    count = 0
    manifest.parent.mkdir(parents=True, exist_ok=True)
    with whole(manifest) as unfinished, unfinished.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(line_of(row, manifest.parent) + "\n")
            count += 1
    return count


def line_of(row: Row, folder: Path) -> str:
    """Return a row as one line, for a manifest in `folder`."""
    sample = replace(
        row.sample,
        image=_from(folder, row.sample.image),
        mask=_from(folder, row.sample.mask) if row.sample.mask else None,
        origin=_from(folder, row.sample.origin) if row.sample.origin else None,
    )
    record: dict[str, Any] = {**sample.as_json(), **row.extra}
    if row.conversation:
        record["conversation"] = [{"role": t.role, "text": t.text} for t in row.conversation]
    return json.dumps(record, ensure_ascii=False)


def _from(folder: Path, path: Path) -> Path:
    """Return a path relative to a folder it lies in, else absolute."""
    path, folder = path.absolute(), folder.absolute()
    return path.relative_to(folder) if path.is_relative_to(folder) else path
