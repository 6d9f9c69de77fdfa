"""The one examiner of a server, which many visitors share: one picture at a time, in turn."""

import queue
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from morelli.data_pipeline.images import Picture
from morelli.data_pipeline.report import Report
from morelli.model.conversation import Hear, Reply, Turn, Words, shown

if TYPE_CHECKING:
    from morelli.model.examiner import Look


class Answers(Protocol):
    """What the desk asks of an examiner."""

    def look(self, picture: Picture) -> "Look":
        """Decide and locate."""

    def speak(self, look: "Look", hear: Hear | None = None) -> Words:
        """Write the reasons."""

    def report(self, picture: Picture, look: "Look", words: Words | None = None) -> Report:
        """Put together what is known."""

    def chat(
        self, look: "Look", report: Report, turns: list[Turn], hear: Hear | None = None
    ) -> Words:
        """Answer a question."""


class Desk:
    """Give visitors the examiner one after the other, and stop when they leave.

    The model works in a thread of its own, which waits for nobody: a visitor who reads slowly, or
    has gone, keeps no other one waiting.
    """

    def __init__(self, examiner: Answers) -> None:
        self._examiner = examiner
        self._free = threading.Lock()

    def watch(self, picture: Picture, stop: threading.Event) -> Iterator[tuple["Look", Report]]:
        """Examine a picture: first the verdict without reasons, then with each new reason.

        Args:
            picture: what to examine.
            stop: set it, or close the iterator, to have no more reasons.

        Yields:
            what was seen, and the report so far; the last one is the finished report.
        """

        def job(say: Callable[[Any], None], stopped: Callable[[], bool]) -> None:
            look = self._examiner.look(picture)

            def tell(words: Words | None) -> None:
                say((look, self._examiner.report(picture, look, words)))

            tell(None)
            tell(self._examiner.speak(look, _at_each_end(tell, stopped)))

        return self._run(job, stop)

    def answer(
        self, look: "Look", report: Report, turns: list[Turn], stop: threading.Event
    ) -> Iterator[Reply]:
        """Answer the last turn, sentence by sentence, each checked before it is shown."""

        def job(say: Callable[[Any], None], stopped: Callable[[], bool]) -> None:
            def tell(words: Words) -> None:
                say(shown(words.text, report, words.finished))

            tell(self._examiner.chat(look, report, turns, _at_each_end(tell, stopped)))

        return self._run(job, stop)

    def _run(self, job: Callable[..., None], stop: threading.Event) -> Iterator[Any]:
        """Run a job when its turn comes, and yield what it says; raise what it raises."""
        said: queue.SimpleQueue[Any] = queue.SimpleQueue()
        left = threading.Event()

        def stopped() -> bool:
            return stop.is_set() or left.is_set()

        def work() -> None:
            try:
                self._in_turn(job, said.put, stopped)
                said.put(_END)
            except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
                said.put(error)

        threading.Thread(target=work, daemon=True).start()
        try:
            while (item := said.get()) is not _END:
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            left.set()

    def _in_turn(
        self, job: Callable[..., None], say: Callable[[Any], None], stopped: Callable[[], bool]
    ) -> None:
        """Wait for the examiner, or until nobody waits for the answer any more."""
        while not self._free.acquire(timeout=0.1):
            if stopped():
                return
        try:
            if not stopped():
                job(say, stopped)
        finally:
            self._free.release()


_END = object()


def _at_each_end(tell: Callable[[Words], None], stopped: Callable[[], bool]) -> Hear:
    """Return a listener that tells the words so far whenever a line or a sentence has ended."""
    ends = 0

    def hear(text: str) -> bool:
        nonlocal ends
        count = sum(text.count(mark) for mark in "\n.!?")
        if count > ends:
            ends = count
            tell(Words(text, 0, 0.0, finished=False))
        return stopped()

    return hear
