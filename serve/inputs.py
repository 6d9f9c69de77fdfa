"""What a batch is given: folders, globs, manifests and archives, as a stream of files to read.

Nothing is unpacked to disk, and nothing is read before its turn comes.
"""

import csv
import glob
import json
import os
import stat
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from morelli.data_pipeline.formats import format_by_name
from morelli.data_pipeline.images import ImageError, Limits, read_file

MOST_MEMBERS = 100_000
"""Most files in one archive."""

MOST_UNPACKED = 50_000_000_000
"""Most bytes that one archive may unpack to."""

_MOST_RATIO = 200
_MANIFESTS = {".jsonl", ".csv", ".txt"}
_COLUMNS = ("image", "path")


class InputsError(ValueError):
    """What was given cannot be read as a batch; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Input:
    """One file of a batch.

    Attributes:
        path: how it is named in its report.
        read: returns its bytes; raises ImageError.
    """

    path: str
    read: Callable[[], bytes]


def inputs_of(given: str, limits: Limits) -> Iterator[Input]:
    """Yield the files of a folder, a glob, a manifest, an archive or a single path, in order.

    Args:
        given: as written on the command line. Folders are searched through for names that look
            like pictures; a manifest is a .jsonl (with "image" or "path"), .csv (with such a
            column) or .txt file, whose paths are relative to its folder.
        limits: how large a file may be.

    Raises:
        InputsError: there is no such thing, or it cannot be read.
    """
    path = Path(given)
    if path.is_dir():
        yield from (_file(one, limits) for one in _walk(path))
    elif path.is_file():
        yield from _of_file(path, limits)
    elif glob.has_magic(given):
        # Path.glob takes no absolute pattern.
        names = sorted(glob.iglob(given, recursive=True))  # noqa: PTH207
        if not names:
            raise InputsError(f"{given}: matches no file")
        yield from (_file(name, limits) for name in names if Path(name).is_file())
    else:
        raise InputsError(f"{given}: no such file or folder; check the path")


def all_inputs(givens: Iterable[str], limits: Limits) -> Iterator[Input]:
    """Yield the files of everything on a command line.

    An archive or a manifest that turns out to be damaged is one more file that cannot be examined:
    what lies beside it is not lost for that.
    """
    for given in givens:
        try:
            yield from inputs_of(given, limits)
        except InputsError as error:
            reason = str(error).removeprefix(f"{given}:").strip()
            yield Input(given, partial(_refuse, ImageError("unreadable_input", given, reason)))


def check_given(given: str) -> None:
    """Refuse what is not there, before any work is spent.

    Raises:
        InputsError: no such file or folder, and no pattern that matches one.
    """
    if not Path(given).exists():
        next(inputs_of(given, Limits()))


def _refuse(error: ImageError) -> bytes:
    raise error


def _of_file(path: Path, limits: Limits) -> Iterator[Input]:
    suffix = path.suffix.lower()
    if suffix in _MANIFESTS:
        yield from (_file(one, limits) for one in _manifest(path))
    elif suffix == ".zip":
        yield from _members(path, limits)
    else:
        yield _file(str(path), limits)


def _file(path: str, limits: Limits) -> Input:
    return Input(path, lambda: read_file(path, limits))


def _walk(folder: Path) -> Iterator[str]:
    """Yield files with a picture's name, in the order of their names, without following links."""
    for root, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            if format_by_name(name) is not None:
                yield str(Path(root) / name)


def _manifest(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for number, entry in enumerate(_entries(path, file), 1):
                if entry is None:
                    raise InputsError(f"{path}:{number}: names no image; use the key image or path")
                yield str(path.parent / entry)
    except (UnicodeDecodeError, OSError, csv.Error) as error:
        raise InputsError(f"{path}: cannot be read as a manifest ({error})") from None


def _entries(path: Path, file: Iterable[str]) -> Iterator[str | None]:
    if path.suffix.lower() == ".csv":
        for row in csv.DictReader(file):
            yield next((row[name] for name in _COLUMNS if row.get(name)), None)
        return
    for number, line in enumerate(filter(str.strip, file), 1):
        yield line.strip() if path.suffix.lower() == ".txt" else _json_entry(path, number, line)


def _json_entry(path: Path, number: int, line: str) -> str | None:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise InputsError(f"{path}:{number}: is no JSON ({error.msg})") from None
    if not isinstance(row, dict):
        return None
    found = next((row[name] for name in _COLUMNS if row.get(name)), None)
    return found if isinstance(found, str) else None


def _members(path: Path, limits: Limits) -> Iterator[Input]:
    """Yield the files of an archive; one that is unsafe says so when it is read."""
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as error:
        raise InputsError(f"{path}: cannot be read as an archive ({error})") from None
    with archive:
        members = [one for one in archive.infolist() if not one.is_dir()]
        _check_archive(path, members)
        for member in sorted(members, key=lambda one: one.filename):
            yield Input(f"{path}/{member.filename}", _reader(archive, member, path, limits))


def _check_archive(path: Path, members: list[zipfile.ZipInfo]) -> None:
    """Refuse an archive by what its directory says; each member is held to it when it is read."""
    if len(members) > MOST_MEMBERS:
        raise InputsError(f"{path}: holds {len(members):,} files, above {MOST_MEMBERS:,}; split it")
    total = sum(member.file_size for member in members)
    if total > MOST_UNPACKED:
        raise InputsError(f"{path}: unpacks to {total:,} bytes, above {MOST_UNPACKED:,}; split it")


def _reader(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path, limits: Limits
) -> Callable[[], bytes]:
    name = f"{path}/{member.filename}"

    def read() -> bytes:
        _check_member(member, name, limits)
        try:
            with archive.open(member) as file:
                # The directory of an archive may lie about sizes, so what comes out is counted.
                data = file.read(limits.max_bytes + 1)
        except (zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError, EOFError) as error:
            raise ImageError("unreadable", name, f"cannot be unpacked ({error})") from None
        if len(data) > limits.max_bytes:
            raise ImageError("too_many_bytes", name, "unpacks to more bytes than the limit")
        return data

    return read


def _check_member(member: zipfile.ZipInfo, name: str, limits: Limits) -> None:
    """Refuse a member that would leave its folder, is no plain file, or is a bomb."""
    parts = PurePosixPath(member.filename.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts or ":" in parts.parts[0]:
        raise ImageError("unsafe_member", name, "its name leaves the archive; pack it again")
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise ImageError("unsafe_member", name, "is a link or a device; pack the file itself")
    if member.flag_bits & 1:
        raise ImageError("unreadable", name, "is encrypted; unpack it first")
    if member.file_size > limits.max_bytes:
        reason = f"unpacks to {member.file_size:,} bytes, above the limit of {limits.max_bytes:,}"
        raise ImageError("too_many_bytes", name, reason)
    if member.file_size > 1_000_000 and member.file_size > _MOST_RATIO * member.compress_size:
        raise ImageError("unsafe_member", name, f"is packed more than {_MOST_RATIO} to 1")
