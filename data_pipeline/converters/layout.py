"""What every converter speaks of: the items of a data set, and what to say if none is found.

A converter is a function `read(root) -> Iterator[Item | Skipped]` and a text that draws the layout
it expects. It only lists and labels; pixels are read later, one item at a time.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morelli.data_pipeline.manifest import Turn
from morelli.data_pipeline.schema import Verdict

MaskReader = Callable[[int, int], NDArray[np.bool_]]
"""Given the height and width of the upright picture, returns (H, W), True = altered.

Raises ValueError (also `ImageError`) if the mask cannot be read or has another size.
"""

PICTURES = frozenset(
    {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp", ".gif", ".heic", ".avif"}
)
"""Suffixes, in lower case, of the files that converters take for pictures."""

_SHOWN = 12


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """One labelled picture of a published data set.

    Attributes:
        id: unique in its data set, made of letters, digits, ".", "_" and "-"; a file name without
            a suffix.
        image: path of the file, or its bytes if the data set packs them.
        verdict: what the data set says of it.
        mask: reads the altered pixels; None if the data set has no mask for it.
        kind: how it was made, in the words of the maker where they fit; None if unknown.
        source: data set and original id, the key that splits may not cut.
        conversation: the data set's own words, in order.
        answer: in the answer grammar, or None.
        extra: further columns for the manifest, plain JSON.
        origin: reads the pixels that copies were taken from; None if that is not known.
    """

    id: str
    image: Path | bytes
    verdict: Verdict
    mask: MaskReader | None = None
    kind: str | None = None
    source: str = ""
    conversation: tuple[Turn, ...] = ()
    answer: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    origin: MaskReader | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """An entry that cannot be used: where it stands and why."""

    where: str
    reason: str

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"


Entries = Iterator[Item | Skipped]


class LayoutError(ValueError):
    """A folder or file that is not laid out as its data set was published."""


class NotThereError(LayoutError):
    """Raised by a converter, in few words; `items` adds what was expected and what was found."""


@dataclass(frozen=True, slots=True)
class Converter:
    """One line of the table of converters.

    Attributes:
        read: lists the entries of a data set; `NotThereError` if the layout is another one.
        expected: a drawing of the published layout.
    """

    read: Callable[[Path], Entries]
    expected: str


def items(name: str, converter: Converter, root: Path) -> Entries:
    """List the entries of a data set.

    Raises:
        LayoutError: nothing there looks as published; says what was expected and what was found.
    """
    seen = False
    try:
        for entry in converter.read(root):
            seen = True
            yield entry
    except NotThereError as error:
        raise LayoutError(_explained(name, converter, root, str(error))) from None
    if not seen:
        raise LayoutError(_explained(name, converter, root, "no picture found"))


def _explained(name: str, converter: Converter, root: Path, reason: str) -> str:
    return (
        f"{root} does not look like {name}: {reason}\n"
        f"expected:\n{_indented(converter.expected)}\nfound:\n{_indented(_found_in(root))}"
    )


def _found_in(root: Path) -> str:
    if not root.exists():
        return "nothing: there is no such file or folder"
    if root.is_file():
        return f"a file of {root.stat().st_size:,} bytes"
    names = [f"{path.name}/" if path.is_dir() else path.name for path in sorted(root.iterdir())]
    rest = [f"... and {len(names) - _SHOWN} more"] if len(names) > _SHOWN else []
    return "\n".join([*names[:_SHOWN], *rest]) or "an empty folder"


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.strip("\n").splitlines())


def folder_named(root: Path, *names: str) -> Path:
    """Return the folder of one of these names: in `root`, in itself again, or one level down.

    Downloads are often unpacked into a folder of the archive's own name.

    Raises:
        NotThereError: no such folder.
    """
    found = maybe_folder(root, *names)
    if found is None:
        raise NotThereError(f"no folder {' or '.join(repr(name) for name in names)}")
    return found


def maybe_folder(root: Path, *names: str) -> Path | None:
    """Return what `folder_named` would, or None."""
    if not root.is_dir():
        raise NotThereError("it is no folder")
    inside = [path for path in sorted(root.iterdir()) if path.is_dir()]
    for place in (root, *inside):
        for name in names:
            folder = place / name
            if folder.is_dir():
                nested = folder / Path(name).name
                return nested if nested.is_dir() else folder
    return None


def pictures_in(folder: Path) -> Iterator[Path]:
    """List the pictures directly in a folder, in order of name."""
    yield from sorted(path for path in folder.iterdir() if is_picture(path))


def pictures_under(folder: Path) -> Iterator[Path]:
    """List the pictures in a folder and all below it, folder by folder, in order of name."""
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            yield from pictures_under(path)
        elif is_picture(path):
            yield path


def is_picture(path: Path) -> bool:
    """Tell by its suffix whether a file is a picture; hidden files are not."""
    return path.suffix.lower() in PICTURES and not path.name.startswith(".") and path.is_file()


def plain_id(*parts: str) -> str:
    """Join parts of a path to an id that is also a file name: "Tp/CM", "a b" -> "Tp-CM-a_b"."""
    joined = "-".join(re.sub(r"[\\/]+", "-", part.strip("/\\")) for part in parts if part)
    return re.sub(r"[^A-Za-z0-9._-]+", "_", joined).lstrip(".") or "_"
