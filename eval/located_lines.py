"""JSON lines, each of whose errors names its file and line."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn, TypeVar

Read = TypeVar("Read")


def located_lines(path: Path, read: Callable[[Any, str], Read]) -> Iterator[tuple[str, Read]]:
    """Yield what each line comes to, with its place, one at a time.

    Args:
        path: of a file with a JSON value in every line.
        read: given the value of a line and its place, "FILE:NUMBER".

    Raises:
        OSError: the file cannot be read.
        ValueError: a line is no JSON, or `read` refused it by a KeyError, TypeError, ValueError or
            AttributeError; opens with the place.
    """
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            place = f"{path}:{number}"
            try:
                found = read(json.loads(line, parse_constant=_refuse), place)
            except KeyError as error:
                raise ValueError(f"{place}: lacks {error}") from None
            except (TypeError, ValueError, AttributeError) as error:
                raise ValueError(f"{place}: {error}") from None
            yield place, found


def cut_unfinished(path: Path) -> None:
    """Cut off the last line of a file if a killed run left it unfinished.

    Raises:
        OSError: the file cannot be read or mended.
    """
    text = path.read_bytes()
    whole = text[: text.rfind(b"\n") + 1]
    if whole != text:
        path.write_bytes(whole)


def kept_lines(path: Path | None, read: Callable[[Any], Read]) -> list[Read]:
    """Return what an earlier run kept in a file, after cutting off an unfinished last line.

    Args:
        path: of JSON lines; nothing was kept if there is none yet, or None.
        read: given the value of a line.

    Raises:
        OSError: the file cannot be read or mended.
        ValueError: a line is broken; the message has file and line.
    """
    if path is None or not path.exists():
        return []
    cut_unfinished(path)
    try:
        return [one for _, one in located_lines(path, lambda row, _: read(row))]
    except ValueError as error:
        raise ValueError(f"{error}; remove the line") from None


def keep_line(path: Path | None, record: Any) -> None:
    """Append a line to a file that is kept, if one is.

    Raises:
        OSError: it cannot be written to.
    """
    if path is not None:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record, allow_nan=False) + "\n")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"holds {constant}, which is no number")
