"""A batch that can be killed at any moment: what is done is known, and the rest is done next time.

The output folder belongs to one fingerprint of model and settings. A picture is known by its
SHA-256, its files are written before its line in the log, and a run goes on where the log ends.
"""

import hashlib
import json
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from morelli.data_pipeline.images import ImageError, Limits, Picture, picture_from_bytes
from morelli.data_pipeline.report import canonical
from morelli.serve.batch import REPORTS, Outcome, OutputError, refused, write_whole
from morelli.serve.custody import Custody, CustodyError
from morelli.serve.index import INDEX, write_index
from morelli.serve.inputs import Input
from morelli.serve.journal import Journal, JournalError, key_of
from morelli.serve.lanes import Engine, Explains, Lanes, Settle, Task, Way

RUN, CUSTODY = "run.json", "custody.jsonl"

Decode = Callable[[bytes, str, Limits], Picture]
"""Opens bytes as `images.picture_from_bytes` does."""

Progress = Callable[[Outcome | None], None]
"""Called after each input, with None for one that was known."""


@dataclass(frozen=True, slots=True)
class Shard:
    """A part of a batch: the pictures whose hash falls to it; 1 of 1 is all of them."""

    number: int = 1
    of: int = 1

    def takes(self, key: str) -> bool:
        """Tell whether a picture of this SHA-256, or a file of this path, belongs here."""
        return int(hashlib.sha256(key.encode()).hexdigest(), 16) % self.of == self.number - 1

    def named(self, name: str) -> str:
        """Return the name of this shard's own copy of a file of the output folder."""
        if self.of == 1:
            return name
        stem, _, suffix = name.rpartition(".")
        return f"{stem}.{self.number}-of-{self.of}.{suffix}"


@dataclass
class Counts:
    """What became of the inputs of a run.

    Attributes:
        examined: in this run.
        known: from an earlier run.
        failed: all that could not be examined, in this run and before.
    """

    examined: int = 0
    known: int = 0
    failed: int = 0


class Job:
    """One run over one output folder, or one shard of it."""

    def __init__(
        self, out: Path, settings: dict[str, Any], shard: Shard, retry_failed: bool = False
    ) -> None:
        """Open an output folder, made if missing.

        Args:
            out: output folder.
            settings: model and settings that reports depend on; plain JSON.
            shard: the part to do.
            retry_failed: whether to try again what failed before.

        Raises:
            OutputError: it cannot be written to, or belongs to other settings.
        """
        self.out, self._shard, self._retry_failed = out, shard, retry_failed
        self._run = out / shard.named(RUN)
        try:
            out.mkdir(parents=True, exist_ok=True)
            for name in (RUN, REPORTS, INDEX):
                for left in out.glob(f".{shard.named(name)}.*.part"):  # by a run that was killed
                    left.unlink(missing_ok=True)
            self._record = _bound(self._run, settings)
            self._journal = Journal(out / shard.named(REPORTS))
            self._custody = Custody(out / shard.named(CUSTODY))
        except (CustodyError, JournalError) as error:
            raise OutputError(f"{error}; restore it or choose another --out") from error
        except OSError as error:
            raise refused(out, error) from error

    def run(
        self,
        examiner: Explains,
        inputs: Iterable[Input],
        limits: Limits,
        progress: Progress,
        way: Way | None = None,
        decode: Decode = picture_from_bytes,
    ) -> Counts:
        """Examine what is not known yet; write the index and the record of the run.

        Args:
            examiner: anything that examines pictures.
            inputs: of the whole batch; those of other shards are passed over.
            limits: how large a picture may be.
            progress: called after each input, by one thread at a time.
            way: how to examine; one picture at a time, each with words, if None.
            decode: opens the files.

        Raises:
            OutputError: the output folder cannot be written to.
        """

        def load(data: bytes, path: str) -> Picture:
            return decode(data, path, limits)

        def lanes(settle: Settle) -> Engine:
            return Lanes(examiner, self.out, way or Way(), settle)

        return self.run_on(lanes, inputs, progress, load)

    def run_on(
        self,
        engine: Callable[[Settle], Engine],
        inputs: Iterable[Input],
        progress: Progress,
        load: Callable[[bytes, str], Picture],
    ) -> Counts:
        """Run as `run` does, on an engine that is given what settles each of its tasks.

        Raises:
            OutputError: the output folder cannot be written to.
        """
        counts = Counts()
        started = _now()
        ongoing = _Ongoing(progress, counts)

        def settle(task: Task, outcome: Outcome) -> None:
            self._keep(outcome, task)
            ongoing.settle(task, outcome)

        begun = engine(settle)
        try:
            begun.run(self._tasks(inputs, ongoing, load))
            while ongoing.again:
                copies, ongoing.again = ongoing.again, []
                begun.run(self._tasks(copies, ongoing, load))
            counts.failed = self._journal.failures
            self._close(started, counts)
        except OSError as error:
            raise refused(self.out, error) from error
        return counts

    def _tasks(
        self, inputs: Iterable[Input], ongoing: "_Ongoing", load: Callable[[bytes, str], Picture]
    ) -> Iterator[Task]:
        """Yield what has to be examined; tell of what is known."""
        for one in inputs:
            path_key = f"path:{one.path}"
            try:
                data = one.read()
                key = hashlib.sha256(data).hexdigest()
                open_it: Callable[[], Picture] = partial(load, data, one.path)
            except ImageError as error:
                key, open_it = path_key, partial(_raise, error)
            if not self._shard.takes(key):
                continue
            if not ongoing.begins(key, one):
                continue
            # Asked only now: what was under way until a moment ago is in the log.
            if self._is_done(key, path_key):
                ongoing.known(key)
            else:
                yield Task(one.path, key, open_it)

    def _is_done(self, digest: str, path_key: str) -> bool:
        if digest in self._journal:
            return True
        return path_key in self._journal and not self._retry_failed

    def _keep(self, outcome: Outcome, task: Task) -> None:
        """Seal what was done in the custody log, then enter it in the log of reports."""
        path_key = f"path:{task.path}"
        facts = {} if task.key == path_key else {"sha256": task.key}
        if outcome.page is not None:
            text = canonical(outcome.record).encode()
            facts["report"] = hashlib.sha256(text).hexdigest()
            self._custody.add("examined", task.path, **facts)
        else:
            self._custody.add(f"refused: {outcome.record['error']['code']}", task.path, **facts)
        self._journal.put(outcome.record, supersedes=path_key)

    def _close(self, started: str, counts: Counts) -> None:
        if self._shard.of == 1:
            write_index(self.out, self._journal)
        self._record["runs"].append(
            {"started": started, "finished": _now(), **vars(counts), "custody": self._custody.last}
        )
        self._record["reports"] = len(self._journal) - self._journal.failures
        self._record["failures"] = self._journal.failures
        _write_json(self._run, self._record)


class _Ongoing:
    """What is being examined, and the copies that wait for what becomes of it."""

    def __init__(self, progress: Progress, counts: Counts) -> None:
        self.again: list[Input] = []
        self._progress, self._counts = progress, counts
        self._copies: dict[str, list[Input]] = {}
        self._changing = threading.Lock()

    def begins(self, key: str, one: Input) -> bool:
        """Tell whether to examine a file now; a copy of one that is under way has to wait."""
        with self._changing:
            if key in self._copies:
                self._copies[key].append(one)
                return False
            self._copies[key] = []
            return True

    def known(self, key: str) -> None:
        """Count a file whose report is there."""
        with self._changing:
            del self._copies[key]
            self._counts.known += 1
            self._progress(None)

    def settle(self, task: Task, outcome: Outcome) -> None:
        """Count what was examined, with its copies; those of a failure fail by themselves."""
        with self._changing:
            copies = self._copies.pop(task.key)
            self._progress(outcome)
            if outcome.page is None:
                self.again += copies
                return
            self._counts.examined += 1
            self._counts.known += len(copies)
            for _ in copies:
                self._progress(None)


def merge(out: Path) -> Counts:
    """Join the logs of the shards in an output folder, and write its index.

    A picture that one shard examined and another could not is examined; a shard may run again, and
    be merged again.

    Raises:
        OutputError: there are no shards, they belong to different settings, or a log is damaged.
    """
    shards = sorted(path for path in out.glob("reports.*-of-*.jsonl"))
    if not shards:
        raise OutputError(f"{out}: holds no logs of shards; run `morelli report --shard` first")
    records = [json.loads(path.read_text()) for path in sorted(out.glob("run.*-of-*.json"))]
    fingerprints = {record["fingerprint"] for record in records}
    if len(fingerprints) > 1:
        raise OutputError(f"{out}: its shards were examined by different models or settings")
    try:
        journal = Journal(out / REPORTS)
        for path in shards:
            for record in Journal(path):
                if _adds(record, journal):
                    journal.put(record)
        write_index(out, journal)
        joined = {**records[0], "shards": len(shards), "runs": [r["runs"] for r in records]}
        joined["reports"] = len(journal) - journal.failures
        joined["failures"] = journal.failures
        _write_json(out / RUN, joined)
    except JournalError as error:
        raise OutputError(str(error)) from error
    except OSError as error:
        raise refused(out, error) from error
    return Counts(examined=len(journal) - journal.failures, failed=journal.failures)


def _adds(record: dict[str, Any], journal: Journal) -> bool:
    """Tell whether a record says more than what the log holds."""
    key = key_of(record)
    return key not in journal or (journal.failed(key) and "error" not in record)


def fingerprint(settings: dict[str, Any]) -> str:
    """Return what two runs must share for their reports to lie in one folder."""
    text = json.dumps(settings, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _bound(path: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Return the record of the runs in a folder, begun if there is none."""
    mark = fingerprint(settings)
    if not path.exists():
        record = {"fingerprint": mark, "settings": settings, "runs": []}
        _write_json(path, record)
        return record
    try:
        found: dict[str, Any] = json.loads(path.read_text())
        same = found["fingerprint"] == mark
    except (ValueError, KeyError, TypeError):
        raise OutputError(f"{path}: is no record of a run; choose another --out") from None
    if not same:
        raise OutputError(
            f"{path.parent}: holds reports of another model or other settings; choose another --out"
        )
    return found


def _write_json(path: Path, record: dict[str, Any]) -> None:
    write_whole(path, (json.dumps(record, indent=1) + "\n").encode())


def _raise(error: ImageError) -> Picture:
    raise error


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
