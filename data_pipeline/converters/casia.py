"""What CASIA 1.0 and 2.0 have in common: folders Au and Tp, and names that tell the origin."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

from morelli.data_pipeline.converters.layout import (
    Entries,
    Item,
    MaskReader,
    Skipped,
    folder_named,
    maybe_folder,
    pictures_under,
    plain_id,
)
from morelli.data_pipeline.masks import from_file
from morelli.data_pipeline.schema import Verdict

_UNTOUCHED = re.compile(r"Au_([a-z]+)_?(\d+)", re.IGNORECASE)
_FORGED = re.compile(r"(?:Sp|Tp)_([DS])_.*?([a-z]{3})(\d+)_[a-z]{3}\d+_\w+", re.IGNORECASE)
_KINDS = {"D": "splice", "S": "copy_move"}


def casia(name: str) -> Callable[[Path], Entries]:
    """Return the converter of one of the two versions."""

    def read(root: Path) -> Entries:
        untouched = folder_named(root, "Au", "au")
        forged = folder_named(root, "Tp", "Modified Tp", "ModifiedTp", "Sp")
        truth = _truth_by_name(root)
        for path in pictures_under(untouched):
            yield _untouched(name, path)
        for path in pictures_under(forged):
            yield _forged(name, path, truth)

    return read


def _truth_by_name(root: Path) -> dict[str, Path]:
    folder = maybe_folder(
        root,
        "CASIA 1.0 groundtruth",
        "CASIA1.0 groundtruth",
        "CASIA1.0groundtruth",
        "CASIA 2 Groundtruth",
        "CASIA2.0_Groundtruth",
        "Groundtruth",
        "Gt",
    )
    return {path.stem: path for path in pictures_under(folder)} if folder else {}


def _untouched(name: str, path: Path) -> Item:
    match = _UNTOUCHED.match(path.stem)
    original = f"{match[1].lower()}{int(match[2])}" if match else path.stem
    return Item(
        id=plain_id(path.stem),
        image=path,
        verdict=Verdict.AUTHENTIC,
        source=f"{name}:{original}",
    )


def _forged(name: str, path: Path, truth: dict[str, Path]) -> Item | Skipped:
    match = _FORGED.match(path.stem)
    if match is None:
        return Skipped(str(path), "the name does not tell a splice (_D_) from a copy (_S_)")
    mask: MaskReader | None = None
    if f"{path.stem}_gt" in truth:
        mask = partial(from_file, truth[f"{path.stem}_gt"])
    return Item(
        id=plain_id(path.stem),
        image=path,
        verdict=Verdict.TAMPERED,
        mask=mask,
        kind=_KINDS[match[1].upper()],
        source=f"{name}:{match[2].lower()}{int(match[3])}",
    )
