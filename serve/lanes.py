"""Several pictures at once: lanes that each take a picture from its file to its report on one core.

While one lane waits for a file or for the process that opens it, another encodes, writes words or
renders, so that all cores work all the time. Words are written for several pictures together, since
a token for four takes less than twice as long as for one; the pictures that wait for that are few,
however long the batch.
"""

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from morelli.data_pipeline.images import Picture
from morelli.data_pipeline.report import Report
from morelli.data_pipeline.schema import Verdict
from morelli.model.conversation import Words
from morelli.serve.batch import Outcome, attempt, write_report

if TYPE_CHECKING:
    from morelli.model.look import Look

TOGETHER = 16
"""Most pictures whose words are written together in a lane."""

_WAITING_PIXELS = 8_000_000


class Explains(Protocol):
    """What the lanes ask of an examiner."""

    def look(self, picture: Picture) -> "Look":
        """Decide and locate."""

    def speak_many(self, looks: Sequence["Look"]) -> list[Words]:
        """Write the reasons of several pictures."""

    def report(self, picture: Picture, look: "Look", words: Words | None = None) -> Report:
        """Put together what is known."""


@dataclass(frozen=True, slots=True)
class Task:
    """One file to examine.

    Attributes:
        path: as given.
        key: what it is known by in the log.
        load: opens it; what it raises becomes the record of a failure.
    """

    path: str
    key: str
    load: Callable[[], Picture]


Settle = Callable[[Task, Outcome], None]
"""Given each outcome once its files are written; called by one thread at a time."""


class Engine(Protocol):
    """What examines the tasks of a batch."""

    def run(self, tasks: Iterator[Task]) -> None:
        """Examine all tasks; they are drawn one at a time. Raises OutputError."""


@dataclass(frozen=True, slots=True)
class Way:
    """How the pictures of a batch are examined.

    Attributes:
        lanes: how many at a time.
        explain: whether a verdict gets words.
        pdf: also write each report as PDF.
    """

    lanes: int = 1
    explain: Callable[[Verdict], bool] = lambda verdict: True
    pdf: bool = False


@dataclass(frozen=True, slots=True)
class _Seen:
    """A picture that was looked at and waits for its words."""

    task: Task
    picture: Picture
    look: "Look"

    @property
    def pixels(self) -> int:
        return self.picture.height * self.picture.width


class Lanes:
    """Examine tasks in lanes and hand over what became of each."""

    def __init__(self, examiner: Explains, out: Path, way: Way, settle: Settle) -> None:
        """Prepare lanes.

        Args:
            examiner: that all of them share.
            out: output folder.
            way: how to examine.
            settle: given each outcome.
        """
        self._examiner, self._out, self._way, self._settle = examiner, out, way, settle
        self._taking, self._settling = threading.Lock(), threading.Lock()
        self._waiting: list[_Seen] = []
        self._error: BaseException | None = None

    def run(self, tasks: Iterator[Task]) -> None:
        """Examine all tasks; they are drawn one at a time.

        Raises:
            OutputError: the output folder cannot be written to.
        """
        lanes = [
            threading.Thread(target=self._drive, args=(tasks,), daemon=True)
            for _ in range(self._way.lanes)
        ]
        for lane in lanes:
            lane.start()
        try:
            for lane in lanes:
                lane.join()
        except BaseException as stop:
            self._error = stop
            raise
        if self._error is not None:
            raise self._error

    def _drive(self, tasks: Iterator[Task]) -> None:
        try:
            while self._error is None and (step := self._next(tasks)) is not None:
                step()
        except BaseException as error:  # noqa: BLE001 - raised again where the lanes are waited for
            self._error = self._error or error

    def _next(self, tasks: Iterator[Task]) -> Callable[[], None] | None:
        """Return what to do next: words where enough pictures wait for them, else a look."""
        with self._taking:
            if self._is_full() or (task := next(tasks, None)) is None:
                if not self._waiting:
                    return None
                # At the end the lanes share what is left.
                share = math.ceil(len(self._waiting) / self._way.lanes)
                size = TOGETHER if self._is_full() else share
                chosen, self._waiting = self._waiting[:size], self._waiting[size:]
                return partial(self._explain, chosen)
        return partial(self._look, task)

    def _is_full(self) -> bool:
        waiting = self._waiting
        return len(waiting) >= TOGETHER or sum(one.pixels for one in waiting) >= _WAITING_PIXELS

    def _look(self, task: Task) -> None:
        def look() -> _Seen:
            picture = task.load()
            return _Seen(task, picture, self._examiner.look(picture))

        seen = attempt(task.path, look)
        if isinstance(seen, Outcome):
            self._done(task, seen)
        elif self._way.explain(seen.look.verdict):
            with self._taking:
                self._waiting.append(seen)
        else:
            self._write(seen, None)

    def _explain(self, waiting: list[_Seen]) -> None:
        """Write the words of several pictures; where that fails, of each by itself."""
        looks = [one.look for one in waiting]
        path = waiting[0].task.path
        words = attempt(path, lambda: self._examiner.speak_many(looks))
        if not isinstance(words, Outcome):
            for one, text in zip(waiting, words, strict=True):
                self._write(one, text)
        elif len(waiting) == 1:
            self._done(waiting[0].task, words)
        else:
            for one in waiting:
                self._explain([one])

    def _write(self, seen: _Seen, words: Words | None) -> None:
        def write() -> Outcome:
            report = self._examiner.report(seen.picture, seen.look, words)
            return write_report(report, self._out, self._way.pdf)

        self._done(seen.task, attempt(seen.task.path, write))

    def _done(self, task: Task, outcome: Outcome) -> None:
        with self._settling:
            # What ends after a stop may have failed for no other reason: it is done next time.
            if self._error is None:
                self._settle(task, outcome)
