"""Writes made pictures as a set that training and evaluation read: a manifest, and files or shards.

Seeds are cut into batches of `Order.batch`. A batch's pictures are written, then its rows, each
whole or not at all, so that a run that was killed goes on with the batches that have no rows yet.
"""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import connection, get_context, parent_process
from os import _exit
from pathlib import Path
from threading import Thread
from typing import Any

import cv2
import numpy as np

from morelli.data_pipeline.maker.kinds import UNTOUCHED, draw_verdict
from morelli.data_pipeline.maker.make import Made, make
from morelli.data_pipeline.maker.pool import Pool
from morelli.data_pipeline.maker.shards import FORMATS, Packed, Put
from morelli.data_pipeline.schema import ForensicSample, Verdict
from morelli.data_pipeline.whole_files import whole

MANIFEST = "manifest.jsonl"
_SETTINGS, _ROWS = "order.json", "rows"
_SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp"}


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be made.

    Attributes:
        first: seed of the first picture; each further one has the next.
        count: how many pictures.
        side: see `make`.
        kind: see `make`.
        verdict: see `make`.
        camera: see `make`.
        format: a key of `shards.FORMATS`.
        batch: pictures that are written together: a shard has as many.
    """

    first: int
    count: int
    side: int | None = None
    kind: str | None = None
    verdict: Verdict | None = None
    camera: bool = False
    format: str = "folder"
    batch: int = 64

    def batches(self) -> list[range]:
        """Return the seeds of each batch."""
        end = self.first + self.count
        return [range(at, min(at + self.batch, end)) for at in range(self.first, end, self.batch)]


@dataclass(frozen=True, slots=True)
class Written:
    """A set on the disk.

    Attributes:
        manifest: JSON lines, a `ForensicSample` each with the maker's `parameters` beside it.
        count: of pictures.
        failures: one line for each seed of which no picture could be made.
    """

    manifest: Path
    count: int
    failures: tuple[str, ...]


def write_samples(
    pool: Pool,
    folder: Path,
    order: Order,
    workers: int = 1,
    advance: Callable[[int], Any] = lambda _: None,
) -> Written:
    """Make a set, or what is missing of it; the same order of the same pool is the same set.

    Untouched and generated pictures get an empty mask. Neither the number of workers nor how often
    it was stopped changes anything in the set.

    Args:
        pool: where hosts and donors come from.
        folder: created if missing.
        order: what to make.
        workers: processes that make pictures, which share the pool's memory.
        advance: is told how many more pictures are there.

    Raises:
        OSError: the folder cannot be written to.
        ValueError: the order cannot be fulfilled, or the folder holds a set of another one.
    """
    if order.format not in FORMATS:
        raise ValueError(f"no format {order.format!r}; there are {', '.join(FORMATS)}")
    draw_verdict(np.random.default_rng(0), pool, order.kind, order.verdict)
    (folder / _ROWS).mkdir(parents=True, exist_ok=True)
    _keep_order(pool, folder, order)
    for unfinished in folder.rglob(".*.part"):
        unfinished.unlink()
    missing = []
    for number, seeds in enumerate(order.batches()):
        if _rows_file(folder, number).exists():
            advance(len(seeds))
        else:
            missing.append((number, seeds))
    with _maker(pool, workers, len(missing)) as each:
        for done in each(partial(_write_batch, folder=folder, order=order), missing):
            advance(done)
    return _joined(folder, len(order.batches()))


def _keep_order(pool: Pool, folder: Path, order: Order) -> None:
    """Record the order, or hold it against the one that the folder was begun with."""
    record = json.loads(json.dumps({**asdict(order), "pool": pool.digest}))
    path = folder / _SETTINGS
    if path.exists():
        begun = json.loads(path.read_text(encoding="utf-8"))
        other = [name for name, value in record.items() if begun.get(name) != value]
        if other:
            said = ", ".join(f"{name} {begun.get(name)}, not {record[name]}" for name in other)
            raise ValueError(f"{folder} was begun with {said}; name another folder")
    with whole(path) as unfinished:
        unfinished.write_text(json.dumps(record) + "\n", encoding="utf-8")


def _rows_file(folder: Path, number: int) -> Path:
    return folder / _ROWS / f"{number:06d}.jsonl"


_Job = tuple[int, range]
_shared: dict[str, Pool] = {}
"""The pool of a worker process, under "pool"."""


@contextmanager
def _maker(
    pool: Pool, workers: int, jobs: int
) -> Iterator[Callable[[Callable[..., int], list[_Job]], Iterator[int]]]:
    """Give a function that does jobs here, or in processes of their own, in no order."""
    workers = min(workers, jobs)
    if workers <= 1:
        _shared["pool"] = pool
        try:
            yield lambda work, todo: map(work, todo)
        finally:
            _shared.clear()
        return
    executor = ProcessPoolExecutor(
        workers, get_context("spawn"), initializer=_begin, initargs=(pool.divided(workers),)
    )
    try:
        yield lambda work, todo: executor.map(work, todo)
    finally:
        executor.shutdown(cancel_futures=True)


def _begin(pool: Pool) -> None:
    """Set a worker up; it ends with its parent, however that ends."""
    cv2.setNumThreads(1)
    _shared["pool"] = pool
    parent = parent_process()
    if parent is not None:
        Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    connection.wait([sentinel])
    _exit(1)


def _write_batch(job: _Job, folder: Path, order: Order) -> int:
    """Make the pictures of a batch, write them and then their rows; return how many seeds."""
    number, seeds = job
    rows = []
    with FORMATS[order.format](folder, number) as put:
        for seed in seeds:
            try:
                made = make(
                    _shared["pool"], seed, order.side, order.kind, order.verdict, order.camera
                )
            except (OSError, ValueError) as error:
                rows.append({"failure": str(error).replace("\n", " "), "seed": seed})
                continue
            rows.append(_row(made, seed, put))
    with whole(_rows_file(folder, number)) as unfinished:
        unfinished.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return len(seeds)


def _row(made: Made, seed: int, put: Put) -> dict[str, Any]:
    """Write one picture and its masks; return its row."""
    name = f"{seed:08d}"
    sample = ForensicSample(
        id=name,
        image=Path(name + _SUFFIXES[made.format]),
        verdict=made.verdict,
        kind=None if made.kind in UNTOUCHED else made.kind,
        source=made.parameters["key"],
    )
    record = {**sample.as_json(), "parameters": made.parameters}
    kept = put(Packed(record, made.data, made.mask, made.origin))
    origin = str(kept.origin) if kept.origin else None
    return {**record, "image": str(kept.image), "mask": str(kept.mask), "origin": origin}


def _joined(folder: Path, batches: int) -> Written:
    """Put the rows of all batches into one manifest."""
    manifest, count, failures = folder / MANIFEST, 0, []
    with whole(manifest) as unfinished, unfinished.open("w", encoding="utf-8") as file:
        for number in range(batches):
            for line in _rows_file(folder, number).read_text(encoding="utf-8").splitlines():
                row = json.loads(line)
                if "failure" in row:
                    failures.append(row["failure"])
                else:
                    file.write(line + "\n")
                    count += 1
    return Written(manifest, count, tuple(failures))
