"""The one examiner of a server, which many visitors share: one picture at a time, in turn."""

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from morelli.data_pipeline.images import Picture
from morelli.data_pipeline.report import Report
from morelli.model.conversation import Hear, Reply, Turn, Words, shown
from morelli.serve.schedule import WORDS_DELAY, Schedule, Slot

if TYPE_CHECKING:
    from morelli.model.look import Look


class Replies(Protocol):
    """What answers questions about a picture that was examined."""

    def chat(
        self, look: "Look", report: Report, turns: list[Turn], hear: Hear | None = None
    ) -> Words:
        """Answer the last turn."""


class Answers(Replies, Protocol):
    """What the desk asks of an examiner."""

    def look(self, picture: Picture) -> "Look":
        """Decide and locate."""

    def speak(self, look: "Look", hear: Hear | None = None) -> Words:
        """Write the reasons."""

    def report(self, picture: Picture, look: "Look", words: Words | None = None) -> Report:
        """Put together what is known."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Nothing yet: so many visitors come first, the one that is being served included."""

    ahead: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of a picture by now."""

    look: "Look"
    report: Report


class Desk:
    """Give visitors the examiner one after the other, and stop when they leave.

    The model works in a thread of its own, which waits for nobody: a visitor who reads slowly, or
    has gone, keeps no other one waiting.
    """

    def __init__(self, examiner: Answers, elsewhere: Replies | None = None) -> None:
        """Open the desk.

        Args:
            examiner: looks, speaks, and answers questions.
            elsewhere: answers questions in its place, on another machine, so that nobody has to
                wait for this one.
        """
        self._examiner, self._elsewhere = examiner, elsewhere
        self._schedule = Schedule()

    def watch(self, picture: Picture, stop: threading.Event) -> Iterator[Waiting | Seen]:
        """Examine a picture: first the verdict without reasons, then with each new reason.

        Args:
            picture: what to examine.
            stop: set it, or close the iterator, to have no more reasons.

        Yields:
            how long the queue is, then what was seen so far; the last is the finished report.
        """

        def job(say: Callable[[Any], None], slot: Slot, stopped: Callable[[], bool]) -> None:
            look = self._examiner.look(picture)

            def tell(words: Words | None) -> None:
                say(Seen(look, self._examiner.report(picture, look, words)))

            tell(None)
            slot.defer(WORDS_DELAY)
            tell(self._examiner.speak(look, _at_each_end(tell, slot, stopped)))

        return _run(job, self._schedule, 0.0, stop)

    def answer(
        self, look: "Look", report: Report, turns: list[Turn], stop: threading.Event
    ) -> Iterator[Waiting | Reply]:
        """Answer the last turn, sentence by sentence, each checked before it is shown."""
        replies = self._elsewhere or self._examiner

        def job(say: Callable[[Any], None], slot: Slot, stopped: Callable[[], bool]) -> None:
            def tell(words: Words) -> None:
                say(shown(words.text, report, words.finished))

            tell(replies.chat(look, report, turns, _at_each_end(tell, slot, stopped)))

        # An order of one's own is one in which nobody has to wait.
        schedule = Schedule() if self._elsewhere else self._schedule
        return _run(job, schedule, WORDS_DELAY, stop)


def _run(
    job: Callable[..., None], schedule: Schedule, delay: float, stop: threading.Event
) -> Iterator[Any]:
    """Run a job when its turn comes, and yield what it says; raise what it raises."""
    said: queue.SimpleQueue[Any] = queue.SimpleQueue()
    left = threading.Event()

    def stopped() -> bool:
        return stop.is_set() or left.is_set()

    slot = schedule.slot(delay)

    def work() -> None:
        try:
            for ahead in slot.wait(stopped):
                said.put(Waiting(ahead))
            if slot.held and not stopped():
                job(said.put, slot, stopped)
            said.put(_END)
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            said.put(error)
        finally:
            slot.leave()

    threading.Thread(target=work, daemon=True).start()
    try:
        while (item := said.get()) is not _END:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        left.set()


_END = object()


def _at_each_end(tell: Callable[[Words], None], slot: Slot, stopped: Callable[[], bool]) -> Hear:
    """Return a listener that tells the words so far whenever a line or a sentence has ended.

    Between two tokens it lets those go first for whom no verdict is known yet.
    """
    ends = 0

    def hear(text: str) -> bool:
        nonlocal ends
        count = sum(text.count(mark) for mark in "\n.!?")
        if count > ends:
            ends = count
            tell(Words(text, 0, 0.0, finished=False))
        if slot.held:
            slot.give_way(stopped)
        return stopped()

    return hear
