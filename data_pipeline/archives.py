"""The safe door for archives: unpacks zip and tar files of strangers, or refuses them by name.

Nothing is written before every member's name and kind has been looked at; what is written is
counted as it is unpacked, because the sizes that an archive declares may be lies.
"""

import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import IO

_CHUNK = 1 << 20
_BROKEN = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, LZMAError, EOFError, RuntimeError,
    NotImplementedError,
)  # fmt: skip
"""What the standard library raises on damaged and on encrypted archives."""


class ArchiveError(ValueError):
    """An archive that is not unpacked; the message names it, the member and the reason."""


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """How large an archive may become.

    Attributes:
        most_bytes: of all members, unpacked.
        most_members: number of files.
        most_ratio: unpacked to packed bytes; pictures hardly shrink, bombs do by thousands.
    """

    most_bytes: int = 500_000_000_000
    most_members: int = 5_000_000
    most_ratio: float = 100.0


DEFAULT_LIMITS = ArchiveLimits()


@dataclass(frozen=True, slots=True)
class _Member:
    """One entry: its name, what it is, and what opens it ("" kinds are files and folders)."""

    name: str
    oddity: str
    is_folder: bool
    open: Callable[[], IO[bytes] | None]


def is_archive(path: Path) -> bool:
    """Tell by its content whether a file is a zip or tar archive."""
    return path.is_file() and (zipfile.is_zipfile(path) or tarfile.is_tarfile(path))


def unpack(archive: Path, folder: Path, limits: ArchiveLimits = DEFAULT_LIMITS) -> Path:
    """Unpack an archive into a new folder and return the folder.

    Args:
        archive: .zip, .tar, .tar.gz, .tar.bz2 or .tar.xz, told by content.
        folder: must not exist yet; it is taken away again if the archive is refused.
        limits: how large it may become.

    Raises:
        ArchiveError: a member would land outside the folder, is a link or a device, stands twice,
            or the whole is too large, is damaged, encrypted, or no archive.
        OSError: nothing can be written.
    """
    if not is_archive(archive):
        raise ArchiveError(f"{archive}: is no zip or tar archive")
    folder.mkdir(parents=True)
    try:
        with _opened(archive) as packed:
            _check(archive, _members(packed), limits)
            _write(archive, _members(packed), folder, limits)
    except _BROKEN as error:
        shutil.rmtree(folder)
        raise ArchiveError(f"{archive}: cannot be unpacked ({error})") from None
    except BaseException:
        shutil.rmtree(folder)
        raise
    return folder


def _opened(archive: Path) -> zipfile.ZipFile | tarfile.TarFile:
    if zipfile.is_zipfile(archive):
        return zipfile.ZipFile(archive)
    return tarfile.open(archive)


def _members(packed: zipfile.ZipFile | tarfile.TarFile) -> Iterator[_Member]:
    if isinstance(packed, zipfile.ZipFile):
        for info in packed.infolist():
            oddity = "a link" if stat.S_ISLNK(info.external_attr >> 16) else ""
            yield _Member(info.filename, oddity, info.is_dir(), partial(packed.open, info))
        return
    for member in packed:
        oddity = "" if member.isfile() or member.isdir() else "a device"
        if member.issym() or member.islnk():
            oddity = "a link"
        yield _Member(member.name, oddity, member.isdir(), partial(packed.extractfile, member))


def _check(archive: Path, members: Iterator[_Member], limits: ArchiveLimits) -> None:
    """Refuse names that lead elsewhere, links, devices, doubles and too many of them."""
    seen: set[str] = set()
    for member in members:
        where = f"{archive}: {member.name!r}"
        path = PurePosixPath(member.name.replace("\\", "/"))
        drive = len(member.name) > 1 and member.name[1] == ":"
        if path.is_absolute() or ".." in path.parts or drive or "\0" in member.name:
            raise ArchiveError(f"{where} would land outside the folder; do not trust this archive")
        if member.oddity:
            raise ArchiveError(f"{where} is {member.oddity}; only files and folders are unpacked")
        if not member.is_folder and str(path) in seen:
            raise ArchiveError(f"{where} stands in it twice")
        seen.add(str(path))
        if len(seen) > limits.most_members:
            raise ArchiveError(f"{archive}: has more than {limits.most_members:,} members")


def _write(archive: Path, members: Iterator[_Member], folder: Path, limits: ArchiveLimits) -> None:
    packed = archive.stat().st_size
    # Small archives of text may shrink a lot without doing any harm.
    most = min(limits.most_bytes, max(100 * _CHUNK, int(limits.most_ratio * packed)))
    written = 0
    for member in members:
        path = folder / PurePosixPath(member.name.replace("\\", "/"))
        if member.is_folder:
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        source = member.open()
        if source is None:
            raise ArchiveError(f"{archive}: {member.name!r} cannot be opened")
        with source, path.open("xb") as file:
            while chunk := source.read(_CHUNK):
                written += len(chunk)
                if written > most:
                    raise ArchiveError(
                        f"{archive}: {member.name!r} takes it above {most:,} bytes, from"
                        f" {packed:,} packed ones; it looks like a bomb"
                    )
                file.write(chunk)
