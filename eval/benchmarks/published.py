"""Reads benchmarks by the converters of published data sets, and fails where those would skip."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from morelli.data_pipeline.converters import CONVERTERS, items
from morelli.data_pipeline.converters.layout import Item as Entry
from morelli.data_pipeline.converters.layout import Skipped
from morelli.data_pipeline.manifest import Turn
from morelli.data_pipeline.schema import ForensicSample, Verdict
from morelli.eval.benchmarks.item import Item


def layout_of(name: str) -> str:
    """Return the drawing of a published layout."""
    return CONVERTERS[name].expected.strip("\n")


def reader_of(
    name: str, part: str | None = None, split: str | None = None
) -> Callable[[Path], Iterator[Item]]:
    """Return what yields the items of a published data set.

    Args:
        name: a key of `CONVERTERS`.
        part: the converter's extra column that names a part of the set; None if it has none.
        split: the value of the converter's extra column "split" that is the benchmark; None takes
            every item.

    Whoever reads raises ValueError where an entry cannot be used, a tampered picture has no mask
    although its set publishes masks, or nothing of the split is there: a benchmark of which some is
    left out is another benchmark.
    """

    def read(root: Path) -> Iterator[Item]:
        found = False
        for entry in items(name, root):
            if isinstance(entry, Skipped):
                raise ValueError(f"{entry}; mend or remove it, and say so beside the figures")
            if split is None or entry.extra["split"] == split:
                found = True
                yield _item(name, entry, part)
        if not found:
            raise ValueError(f"{root} holds nothing of the split {split!r} of {name}")

    return read


def _item(name: str, entry: Entry, part: str | None) -> Item:
    if isinstance(entry.image, bytes):
        raise ValueError(f"{name}: {entry.id} is packed; unpack the data set with `morelli data`")
    if entry.verdict is Verdict.TAMPERED and entry.mask is None and name not in _WITHOUT_MASKS:
        raise ValueError(f"{entry.image}: has no mask where its data set puts it")
    sample = ForensicSample(
        id=entry.id,
        image=entry.image,
        verdict=entry.verdict,
        kind=entry.kind,
        source=f"{part} {entry.extra[part]}" if part and part in entry.extra else name,
        answer=entry.answer or _words(entry.conversation),
    )
    return Item(name, sample, str(entry.image), entry.mask)


_WITHOUT_MASKS = frozenset({"fakeclue", "forgerynet"})
"""Data sets that tell of tampered pictures, but not, or not of all, where they were altered."""


def _words(conversation: Sequence[Turn]) -> str | None:
    """Return the data set's own first answer, None if it has none."""
    return next((turn.text for turn in conversation if turn.role == "assistant"), None)
