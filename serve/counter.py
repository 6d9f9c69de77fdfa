"""Who may be served, how often, and who has to wait: keys, rates and a bounded queue."""

import hashlib
import hmac
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_MOST_CALLERS = 10_000


class BusyError(Exception):
    """Come back later; `seconds` says when."""

    def __init__(self, seconds: float, reason: str) -> None:
        super().__init__(reason)
        self.seconds = max(1, math.ceil(seconds))


def read_keys(path: Path) -> tuple[str, ...]:
    """Read API keys, one a line; empty lines and lines that open with # are left out.

    Raises:
        ValueError: there is no key in it, or one is shorter than 16 characters.
        OSError: it cannot be read.
    """
    lines = (line.strip() for line in path.read_text().splitlines())
    keys = tuple(line for line in lines if line and not line.startswith("#"))
    if not keys:
        raise ValueError(f"{path}: holds no key; write one a line")
    for key in keys:
        if len(key) < 16:
            raise ValueError(f"{path}: a key of {len(key)} characters; use 16 or more")
    return keys


class Keys:
    """The API keys that are let in; none at all lets everybody in."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        self._digests = [hashlib.sha256(key.encode()).digest() for key in keys]

    @property
    def required(self) -> bool:
        """Whether a caller needs a key."""
        return bool(self._digests)

    def admits(self, key: str) -> bool:
        """Tell whether a key is one of them, in a time that does not tell how nearly."""
        digest = hashlib.sha256(key.encode()).digest()
        return sum(hmac.compare_digest(digest, known) for known in self._digests) > 0


class Rate:
    """So many requests a minute for each caller, in bursts up to that number."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._capacity, self._clock = float(per_minute), clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, caller: str) -> None:
        """Count a request.

        Raises:
            BusyError: the caller has made too many.
        """
        with self._lock:
            now = self._clock()
            filled, seen = self._buckets.pop(caller, (self._capacity, now))
            filled = min(self._capacity, filled + (now - seen) * self._capacity / 60)
            self._buckets[caller] = (filled - (filled >= 1), now)
            while len(self._buckets) > _MOST_CALLERS:
                self._buckets.popitem(last=False)
        if filled < 1:
            raise BusyError((1 - filled) * 60 / self._capacity, "too many requests for this key")


class Line:
    """A queue of bounded length before the one model, with an estimate of the wait."""

    def __init__(self, most: int) -> None:
        """Allow `most` to be served and to wait together."""
        self._most = most
        self._inside = 0
        self._seconds = 10.0
        self._lock = threading.Lock()

    @property
    def inside(self) -> int:
        """How many are served or wait."""
        return self._inside

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place.

        Raises:
            BusyError: there is none; it says when one is likely to be free.
        """
        with self._lock:
            if self._inside >= self._most:
                raise BusyError(self._seconds, "all places in the queue are taken")
            self._inside += 1
        start = time.monotonic()
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                # The mean of the last few, so that the advice follows the load.
                self._seconds += 0.3 * (time.monotonic() - start - self._seconds)
