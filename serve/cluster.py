"""A batch on many machines by Ray Data: workers examine, and the process that asks keeps the logs.

A worker writes the files of a report and hands back its line; only then is the line entered in the
log, so that a worker that dies loses nothing: Ray gives what it had to another one. The output
folder lies on storage that all machines share, or on object storage that fsspec knows.
"""

import json
import logging
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

# Read when ray is imported: it shall call nobody.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import ray
from numpy.typing import NDArray
from ray.data import DataContext
from ray.exceptions import RayError

from morelli.data_pipeline.images import Limits, Picture, read_file
from morelli.data_pipeline.schema import Measurement
from morelli.serve.batch import REPORTS, Outcome, OutputError, attempt
from morelli.serve.console import one_line
from morelli.serve.index import INDEX
from morelli.serve.inputs import Input
from morelli.serve.job import CUSTODY, RUN, Counts, Job, Progress, Shard
from morelli.serve.lanes import TOGETHER, Explains, Lanes, Settle, Task, Way
from morelli.serve.opening import opener
from morelli.serve.storage import Storage

if TYPE_CHECKING:
    from morelli.model.examiner import Examiner

LOGS = (REPORTS, CUSTODY, RUN, INDEX)
"""What the process that asks keeps in the output folder."""

_MOST_BLOCKS = 5_000
_SYNC_SECONDS = 30.0


class Measures(Explains, Protocol):
    """What a worker asks of an examiner."""

    measure: Callable[[Picture], tuple[Measurement, ...]]


@dataclass(frozen=True)
class Work:
    """What a worker has to know; it travels to other machines.

    Attributes:
        load: loads the examiner there.
        out: output folder as every machine knows it: a path, or an address for fsspec.
        limits: how large a picture may be.
        way: how to examine, of one lane.
        trusted: open files in the worker's own process.
        gpus: of the machine, that a worker has for itself.
    """

    load: Callable[[], Measures]
    out: str
    limits: Limits
    way: Way
    trusted: bool = False
    gpus: int = 0


class Worker:
    """One examiner on one machine, as Ray Data's `map_batches` wants it."""

    def __init__(self, work: Work) -> None:
        """Load the model."""
        self._work, self._storage = work, Storage(work.out)
        self._stack = ExitStack()  # left when the process ends
        self._opens = self._stack.enter_context(opener(work.trusted, 1))
        self._examiner = work.load()
        self._examiner.measure = self._opens.measure

    def __call__(self, batch: dict[str, NDArray[Any]]) -> dict[str, list[str]]:
        """Examine the files of {"path", "file", "key"}; return each key and outcome, as JSON."""
        found: dict[str, str] = {}
        with self._storage.folder() as folder:

            def settle(task: Task, outcome: Outcome) -> None:
                if outcome.page is not None:
                    self._storage.put(folder, [outcome.page.parent.name])
                found[task.key] = _packed(outcome)

            lanes = Lanes(self._examiner, folder, self._work.way, settle)
            lanes.run(self._tasks(batch))
        return {"key": list(found), "outcome": list(found.values())}

    def _tasks(self, batch: dict[str, NDArray[Any]]) -> Iterator[Task]:
        names = ("path", "file", "key")
        for path, file, key in zip(*(batch[name].tolist() for name in names), strict=True):
            yield Task(path, key, partial(self._load, path, file))

    def _load(self, path: str, file: str) -> Picture:
        limits = self._work.limits
        return self._opens.open(read_file(file, limits), path, limits)


class OnRay:
    """An engine of as many workers as the cluster has cores, or fewer."""

    def __init__(
        self, work: Work, workers: int, settle: Settle, tick: Callable[[], None] = lambda: None
    ) -> None:
        """Prepare; `tick` is called after each outcome."""
        self._work, self._workers, self._settle, self._tick = work, workers, settle, tick

    def run(self, tasks: Iterator[Task]) -> None:
        """Examine all tasks on the cluster.

        Raises:
            OutputError: the output folder cannot be written to, or the cluster is lost.
        """
        paths: dict[str, str] = {}
        for task in tasks:
            if task.key == f"path:{task.path}":  # there is nothing that could be sent
                self._settle(task, _as_outcome(attempt(task.path, task.load)))
            else:
                paths[task.key] = task.path
        for key, outcome in self._outcomes(paths):
            self._settle(Task(paths[key], key, _is_elsewhere), outcome)
            self._tick()

    def _outcomes(self, paths: dict[str, str]) -> Iterator[tuple[str, Outcome]]:
        if not paths:
            return
        rows = [
            {"path": path, "file": str(Path(path).absolute()), "key": key}
            for key, path in paths.items()
        ]
        # What is done is handed back block by block, so a block is what a worker's death costs.
        blocks = max(math.ceil(len(rows) / TOGETHER), min(self._workers, len(rows)))
        blocks = min(blocks, _MOST_BLOCKS)
        share: dict[str, Any] = {"num_cpus": 1, "batch_size": None}
        if self._work.gpus:  # Ray shares out the one or the other, and GPUs in batches of a size
            share = {"num_gpus": self._work.gpus, "batch_size": TOGETHER}
        done = ray.data.from_items(rows, override_num_blocks=blocks).map_batches(
            Worker,
            fn_constructor_args=(self._work,),
            **share,
            compute=ray.data.ActorPoolStrategy(size=min(self._workers, blocks)),
        )
        try:
            for row in done.iter_rows():
                yield row["key"], _unpacked(row["outcome"])
        except RayError as error:
            cause = getattr(error, "cause", None) or error
            raise OutputError(" ".join(str(cause).split())[:500]) from error


def run_on_cluster(
    work: Work,
    settings: dict[str, Any],
    inputs: Iterable[Input],
    progress: Progress,
    workers: int | None = None,
    retry_failed: bool = False,
) -> Counts:
    """Run a batch on the cluster that `connect` found, to the same output folder as any other.

    Args:
        work: what workers have to know.
        settings: model and settings that reports depend on.
        inputs: of the batch; their paths lead to the files on every machine.
        progress: called after each input.
        workers: most workers; one a core of the cluster if None.
        retry_failed: try again what failed before.

    Raises:
        OutputError: the output folder cannot be written to, or the cluster is lost.
    """
    storage = Storage(work.out)
    count = workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
    with storage.folder() as folder:
        storage.get(folder, LOGS)
        job = Job(folder, settings, Shard(), retry_failed)
        last = time.monotonic()

        def tick() -> None:
            nonlocal last
            if time.monotonic() - last > _SYNC_SECONDS:
                storage.put(folder, LOGS)
                last = time.monotonic()

        counts = job.run_on(
            lambda settle: OnRay(work, count, settle, tick), inputs, progress, _not_here
        )
        storage.put(folder, LOGS)
    return counts


def connect(address: str | None) -> None:
    """Connect to a cluster, or begin one on this machine's cores if no address is given.

    Raises:
        OutputError: there is none.
    """
    if not ray.is_initialized():
        try:
            # What goes wrong on a worker comes back as an error, and needs no second telling.
            begun = {} if address else {"include_dashboard": False}
            ray.init(address, logging_level=logging.WARNING, log_to_driver=False, **begun)
        except (ConnectionError, RuntimeError, ValueError) as error:
            reason = one_line(error)[:300]
            raise OutputError(f"{address}: no cluster answers there ({reason})") from error
    DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.WARNING)


def load_shipped(checkpoint: str | None, settings: dict[str, Any]) -> "Examiner":
    """Load an examiner on a worker, for one core; settings as `Examiner.load` takes them."""
    import torch

    from morelli.model.examiner import Examiner

    torch.set_num_threads(1)
    return Examiner.load(Path(checkpoint) if checkpoint else None, **settings)


def _packed(outcome: Outcome) -> str:
    page = str(outcome.page) if outcome.page is not None else None
    return json.dumps({"record": outcome.record, "where": outcome.where, "page": page})


def _unpacked(text: str) -> Outcome:
    said = json.loads(text)
    return Outcome(said["record"], said["where"], Path(said["page"]) if said["page"] else None)


def _as_outcome(found: Picture | Outcome) -> Outcome:
    if isinstance(found, Outcome):
        return found
    raise TypeError("a file without bytes was opened")


def _is_elsewhere() -> Picture:
    raise TypeError("the picture is opened on a worker")


def _not_here(data: bytes, path: str) -> Picture:
    raise TypeError("the picture is opened on a worker")
