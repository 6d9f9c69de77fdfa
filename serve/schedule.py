"""Who has the one examiner of a server and who is next: first come, first served, verdicts early.

Words take about as long as a verdict, and many visitors can only be given a verdict soon if the
words of those before them wait. So words rank as if they had been asked for a little later than
they were, and whoever writes them gives way between two tokens.
"""

import itertools
import threading
import time
from collections.abc import Callable, Iterator

WORDS_DELAY = 20.0
"""Seconds that words rank later than they were asked for; longer than that, nobody waits for
verdicts that were asked for after him."""

_POLL = 0.1


class Schedule:
    """The order of those who want the examiner, of whom one has it at a time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start with nobody waiting.

        Args:
            clock: seconds that only go up.
        """
        self.clock = clock
        self.changed = threading.Condition()
        self.waiting: list[Slot] = []
        self.served: Slot | None = None
        self._numbers = itertools.count()

    def slot(self, delay: float = 0.0) -> "Slot":
        """Return a place in the order, from now on, or as if it were `delay` seconds later."""
        with self.changed:
            slot = Slot(self)
            slot.rank = self.rank(delay)
            self.waiting.append(slot)
            return slot

    def rank(self, delay: float) -> tuple[float, int]:
        """Return what orders the slots; of two at the same time, the one asked for first."""
        return self.clock() + delay, next(self._numbers)


class Slot:
    """One visitor's place in the order; leave it when done."""

    rank: tuple[float, int]

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule

    @property
    def ahead(self) -> int:
        """How many come before this one, the one that is being served included."""
        schedule = self._schedule
        others = [other for other in schedule.waiting if other.rank < self.rank]
        return len(others) + (schedule.served not in (None, self))

    def wait(self, stopped: Callable[[], bool]) -> Iterator[int]:
        """Wait for the examiner; yields how many are ahead whenever that changes.

        Ends when this slot has the examiner, or once `stopped` says that nobody wants it any more;
        `held` tells which.
        """
        told = -1
        while True:
            with self._schedule.changed:
                if self._taken():
                    return
                if self.ahead == told:
                    self._schedule.changed.wait(_POLL)
                ahead = self.ahead
            if stopped():
                return
            if ahead not in (0, told):
                told = ahead
                yield ahead

    @property
    def held(self) -> bool:
        """Whether this slot has the examiner."""
        return self._schedule.served is self

    def defer(self, delay: float) -> None:
        """Rank from now on as if the wish had come `delay` seconds from now."""
        with self._schedule.changed:
            self.rank = self._schedule.rank(delay)

    def give_way(self, stopped: Callable[[], bool]) -> None:
        """Let those of lower rank go first, then take the examiner again."""
        schedule = self._schedule
        with schedule.changed:
            if not any(other.rank < self.rank for other in schedule.waiting):
                return
            schedule.served = None
            schedule.waiting.append(self)
            schedule.changed.notify_all()
        for _ in self.wait(stopped):
            pass

    def leave(self) -> None:
        """Give the examiner, or the place in the order, up."""
        schedule = self._schedule
        with schedule.changed:
            if self.held:
                schedule.served = None
            elif self in schedule.waiting:
                schedule.waiting.remove(self)
            schedule.changed.notify_all()

    def _taken(self) -> bool:
        """Take the examiner if it is free and nobody comes first; call with the lock held."""
        schedule = self._schedule
        if schedule.served is not None or self.rank > min(one.rank for one in schedule.waiting):
            return False
        schedule.waiting.remove(self)
        schedule.served = self
        schedule.changed.notify_all()
        return True
