"""The log of an output folder, `reports.jsonl`: one line a picture, whole after any accident.

A picture is known by the SHA-256 of its bytes, a file that could not be read by its path.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock

from morelli.data_pipeline.report import to_line
from morelli.data_pipeline.whole_files import whole

_LOCK_SECONDS = 30


class JournalError(Exception):
    """The log cannot be used; the message says why."""


def key_of(record: dict[str, Any]) -> str:
    """Return what a record is known by."""
    image = record["image"]
    return str(image["sha256"]) if "sha256" in image else f"path:{image['path']}"


class Journal:
    """Append records, and replace the one of a picture that is examined again.

    Only keys and places are held in memory. A line that a crash cut off is taken away when the log
    is opened; everything before it was written whole.
    """

    def __init__(self, path: Path) -> None:
        """Open a log, made if missing.

        Raises:
            OSError: it cannot be written to.
            JournalError: a line in its middle is damaged.
        """
        self.path = path
        path.touch()
        with self._locked():
            _drop_torn_end(path)
            self._failed = {key_of(record): "error" in record for record in self}

    def __contains__(self, key: str) -> bool:
        """Tell whether there is a record of this key."""
        return key in self._failed

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self._failed)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Read the records, one at a time.

        Raises:
            JournalError: a line is damaged.
        """
        with self.path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                try:
                    yield json.loads(line)
                except json.JSONDecodeError as error:
                    raise JournalError(
                        f"{self.path}:{number} is damaged ({error.msg}); restore it or choose "
                        "another --out"
                    ) from None

    def failed(self, key: str) -> bool:
        """Tell whether the record of this key is of a failure."""
        return self._failed.get(key, False)

    @property
    def failures(self) -> int:
        """How many records are of a failure."""
        return sum(self._failed.values())

    def put(self, record: dict[str, Any], supersedes: str | None = None) -> None:
        """Add a record, in the place of the one with the same key.

        Args:
            record: of `morelli.report/1`.
            supersedes: another key whose record goes, such as a failure that was mended.

        Raises:
            OSError: the log cannot be written to; it is then as before.
        """
        key = key_of(record)
        gone = {name for name in (key, supersedes) if name in self._failed}
        with self._locked():
            if gone:
                self._rewrite(record, gone)
            else:
                _append(self.path, to_line(record).encode() + b"\n")
        for name in gone:
            del self._failed[name]
        self._failed[key] = "error" in record

    def _rewrite(self, new: dict[str, Any], gone: set[str]) -> None:
        """Write the log anew, a record in the place of the ones that go."""
        written = False
        with whole(self.path) as unfinished, unfinished.open("w", encoding="utf-8") as file:
            for record in self:
                if key_of(record) not in gone:
                    file.write(to_line(record) + "\n")
                elif not written:
                    file.write(to_line(new) + "\n")
                    written = True
            file.flush()
            os.fsync(file.fileno())

    def _locked(self) -> FileLock:
        return FileLock(str(self.path.with_name(f".{self.path.name}.lock")), timeout=_LOCK_SECONDS)


def _drop_torn_end(path: Path) -> None:
    """Cut off what follows the last line break."""
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        end = size
        while end > 0:
            start = max(0, end - 65_536)
            file.seek(start)
            found = file.read(end - start).rfind(b"\n")
            if found >= 0:
                end = start + found + 1
                break
            end = start
        if end < size:
            file.truncate(end)


def _append(path: Path, line: bytes) -> None:
    """Append a line, on the disk when this returns, or not at all."""
    handle = os.open(path, os.O_WRONLY | os.O_APPEND)
    try:
        size = os.fstat(handle).st_size
        try:
            if os.write(handle, line) != len(line):
                raise OSError(28, "No space left on device")
            os.fsync(handle)
        except OSError:
            os.ftruncate(handle, size)
            raise
    finally:
        os.close(handle)
