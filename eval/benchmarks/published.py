"""Reads benchmarks by the converters of published data sets, and fails where those would skip."""

from collections.abc import Callable, Iterator
from pathlib import Path

from morelli.data_pipeline.converters import CONVERTERS, items
from morelli.data_pipeline.converters.layout import Item as Entry
from morelli.data_pipeline.converters.layout import Skipped
from morelli.data_pipeline.schema import ForensicSample, Verdict
from morelli.eval.benchmarks.item import Item


def layout_of(name: str) -> str:
    """Return the drawing of a published layout."""
    return CONVERTERS[name].expected.strip("\n")


def reader_of(name: str, part: str | None = None) -> Callable[[Path], Iterator[Item]]:
    """Return what yields the items of a published data set.

    Args:
        name: a key of `CONVERTERS`.
        part: the converter's extra column that names a part of the set; None if it has none.

    Whoever reads raises ValueError where an entry cannot be used or a tampered picture has no
    mask: a benchmark of which some is left out is another benchmark.
    """

    def read(root: Path) -> Iterator[Item]:
        for entry in items(name, root):
            if isinstance(entry, Skipped):
                raise ValueError(f"{entry}; mend or remove it, and say so beside the figures")
            yield _item(name, entry, part)

    return read


def _item(name: str, entry: Entry, part: str | None) -> Item:
    if isinstance(entry.image, bytes):
        raise ValueError(f"{name}: {entry.id} is packed; unpack the data set with `morelli data`")
    if entry.verdict is Verdict.TAMPERED and entry.mask is None:
        raise ValueError(f"{entry.image}: has no mask where its data set puts it")
    sample = ForensicSample(
        id=entry.id,
        image=entry.image,
        verdict=entry.verdict,
        kind=entry.kind,
        source=f"{part} {entry.extra[part]}" if part and part in entry.extra else name,
        answer=entry.answer,
    )
    return Item(name, sample, str(entry.image), entry.mask)
