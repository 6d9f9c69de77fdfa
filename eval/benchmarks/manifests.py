"""Reads the project's own manifests: manifest.csv and manifest.jsonl."""

import csv
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from morelli.data_pipeline.schema import ForensicSample, Verdict
from morelli.eval.benchmarks.item import Item
from morelli.eval.located_lines import located_lines

HALVES = ("dev", "test", "all")

_COLUMNS = ("path", "label", "mask_path", "source", "manipulation")


def half_of(name: str) -> str:
    """Return "dev" or "test" by the hash of a picture's id, the same on every machine."""
    return "test" if hashlib.sha256(name.encode()).digest()[0] % 2 else "dev"


def read_manifest(root: Path) -> Iterator[Item]:
    """Yield the rows of the manifest of a folder, .csv or .jsonl.

    Raises:
        OSError: it cannot be read.
        ValueError: there is none, or a row is broken; the message has file and line.
    """
    if (root / "manifest.csv").is_file():
        yield from read_csv(root / "manifest.csv")
    elif (root / "manifest.jsonl").is_file():
        yield from read_jsonl(root / "manifest.jsonl", root.name)
    else:
        raise ValueError(f"{root} holds neither manifest.csv nor manifest.jsonl")


def read_csv(manifest: Path) -> Iterator[Item]:
    """Yield the rows of a table with the columns path, label, mask_path, source, manipulation.

    Each source is a set of its own. Masks of pictures that are not tampered are left aside.

    Raises:
        OSError: it cannot be read.
        ValueError: a column is missing or a label unknown; the message has file and line.
    """
    with manifest.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise ValueError(f"{manifest}:1: lacks the columns {', '.join(missing)}")
        for row in reader:
            yield _item(manifest.parent, row, f"{manifest}:{reader.line_num}")


def read_jsonl(manifest: Path, name: str) -> Iterator[Item]:
    """Yield the samples of a manifest.jsonl, as `morelli data synth` writes it, as one set.

    Raises:
        OSError: it cannot be read.
        ValueError: a line is no sample; the message has file and line.
    """
    for place, sample in located_lines(manifest, lambda row, _: ForensicSample.from_json(row)):
        located = _located(sample, manifest.parent)
        yield Item(name, located, place, photograph=sample.source or None)


def chosen_half(items: Iterator[Item], half: str) -> Iterator[Item]:
    """Yield the items of one of `HALVES`."""
    return (item for item in items if half in ("all", half_of(item.sample.id)))


def chosen_sources(items: Iterator[Item], sources: Sequence[str] | None) -> Iterator[Item]:
    """Yield the items whose source is asked for; None asks for all.

    Raises:
        ValueError: there is nothing of a source that is asked for.
    """
    found = set()
    for item in items:
        found.add(item.sample.source)
        if sources is None or item.sample.source in sources:
            yield item
    missing = sorted(set(sources or ()) - found)
    if missing:
        known = ", ".join(sorted(found))
        raise ValueError(f"no picture of source {', '.join(missing)}; there are {known}")


def _located(sample: ForensicSample, folder: Path) -> ForensicSample:
    """Return a sample with paths that can be opened; only the tampered ones keep their mask."""
    keeps = sample.mask is not None and sample.verdict is Verdict.TAMPERED
    mask = folder / sample.mask if keeps and sample.mask else None
    return replace(sample, image=folder / sample.image, mask=mask)


def _item(folder: Path, row: dict[str, str], place: str) -> Item:
    try:
        sample = ForensicSample(
            id=row["path"],
            image=Path(row["path"]),
            verdict=Verdict(row["label"]),
            mask=Path(row["mask_path"]) if row["mask_path"] else None,
            kind=row["manipulation"] or None,
            source=row["source"],
        )
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None
    return Item(row["source"], _located(sample, folder), place)
