"""Validation sets that are made once, by fixed seeds, of photographs that training leaves out."""

from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from morelli.data_pipeline.maker import Order, Pool, write_samples
from morelli.eval.benchmarks.item import Item
from morelli.eval.benchmarks.manifests import read_jsonl

MADE_SETS = {"made, 1 megapixel": (1000, 60), "made, 12 megapixels": (3464, 12)}
"""Name -> (side in pixels, pictures). No validation photograph has 12 megapixels: these hosts are
enlarged before they are edited."""

_FIRST_SEED = 900_000_000
"""Far from the seeds that training counts up from."""


def made_items(photos: Path, generated: Path, folder: Path, name: str) -> Iterator[Item]:
    """Make a validation set, if it is not there yet, and yield its items.

    Hosts and donors come from cameras and sources that training never draws from.

    Args:
        photos: see `Pool.from_folders`.
        generated: see `Pool.from_folders`.
        folder: where made sets are kept.
        name: a key of `MADE_SETS`.

    Raises:
        OSError: the folder cannot be written to.
        ValueError: a picture cannot be made.
    """
    side, count = MADE_SETS[name]
    place = folder / f"{side}"
    if not place.is_dir():
        unfinished = folder / f".{side}.part"
        pool = Pool.from_folders(photos, generated, "validation")
        with tqdm(total=count, desc=name, unit="picture") as bar:
            order = Order(_FIRST_SEED, count, side, batch=1)
            written = write_samples(pool, unfinished, order, advance=bar.update)
        if written.failures:
            raise ValueError(f"{name}: {written.failures[0]}")
        unfinished.rename(place)
    yield from read_jsonl(place / "manifest.jsonl", name)
