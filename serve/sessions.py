"""What a visitor of the page has shown and asked; kept in memory, apart from others', and not long.

Nothing here is written to disk but the reports that a visitor may download, and those are deleted
with the session.
"""

import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from morelli.data_pipeline.report import Report
from morelli.data_pipeline.schema import Measurement
from morelli.model.conversation import Turn
from morelli.serve.render import Views

if TYPE_CHECKING:
    from morelli.model.look import Look

MOST_PICTURES = 4
"""Pictures that a session keeps; an older one makes room."""

MOST_SESSIONS = 16
"""Sessions that a server keeps: each picture has about 60 MB of the language model's memory."""


@dataclass
class Exhibit:
    """One picture of a session, and what was said of it.

    Attributes:
        label: how the page names it; no two of a session are the same.
        look: what the model saw, with its memory of it.
        report: of the examination.
        record: its JSON object, paths as in the download.
        views: its images.
        turns: questions and answers, oldest first.
        files: kind ("html", "json", "pdf") -> report to download.
        text: the report in words, to copy.
    """

    label: str
    look: "Look"
    report: Report
    record: dict[str, Any]
    views: Views
    turns: list[Turn] = field(default_factory=list)
    files: dict[str, Path] = field(default_factory=dict)
    text: str = ""

    def answered(self, question: str, answer: str) -> None:
        """Keep what was said to the open question, unless it was forgotten in the meantime."""
        if self.turns and self.turns[-1] == Turn(question):
            self.turns[-1] = Turn(question, answer)

    def shed(self) -> None:
        """Keep of the pictures no more than what a question about them needs."""
        self.look, self.report = shed(self.look, self.report)


def shed(look: "Look", report: Report) -> tuple["Look", Report]:
    """Return both without the arrays that no question is about.

    A picture of 12 megapixels comes with half a gigabyte of pixels and maps. The conversation names
    the places of anomalies again, for which it needs to know where the maps pass their thresholds.
    """
    frame = report.map.shape
    blank = np.broadcast_to(np.float32(0), frame)
    pixels = np.broadcast_to(np.uint8(0), (*frame, 3))
    measurements = tuple(_shed_map(item) for item in report.measurements)
    report = replace(
        report,
        picture=replace(report.picture, data=b"", pixels=pixels),
        map=blank,
        measurements=measurements,
    )
    return replace(look, map=blank, measurements=measurements), report


def _shed_map(item: Measurement) -> Measurement:
    """Return a measurement whose map says only where it passes its threshold, a byte a pixel."""
    if item.map is None or not item.anomalous:
        return replace(item, map=None)
    passes = (item.map >= item.map_threshold).view(np.uint8)
    return replace(item, map=cast("NDArray[np.float32]", passes), map_threshold=0.5)


class Session:
    """The pictures and the talk of one visitor."""

    def __init__(self, folder: Path) -> None:
        """Start with nothing.

        Args:
            folder: for files to download, made when needed.
        """
        self.folder = folder
        self.exhibits: list[Exhibit] = []
        self.current: Exhibit | None = None
        self.talk: list[dict[str, str]] = []
        self._stop = threading.Event()
        self._shown = 0

    def begin(self) -> threading.Event:
        """Stop what is running, and return the event that stops what comes now."""
        self._stop.set()
        self._stop = threading.Event()
        return self._stop

    def halt(self) -> None:
        """Stop what is running."""
        self._stop.set()

    def label(self, name: str) -> str:
        """Return how the next picture will be called."""
        self._shown += 1
        return f"{self._shown}. {name}"

    def add(self, exhibit: Exhibit) -> None:
        """Keep a picture, and ask about it from now on."""
        self.exhibits.append(exhibit)
        for old in self.exhibits[:-MOST_PICTURES]:
            for path in old.files.values():
                path.unlink(missing_ok=True)
        self.exhibits = self.exhibits[-MOST_PICTURES:]
        self.current = exhibit

    def choose(self, label: str) -> Exhibit | None:
        """Ask about another picture from now on; None if it is no longer kept."""
        found = next((exhibit for exhibit in self.exhibits if exhibit.label == label), None)
        self.current = found or self.current
        return found

    def close(self) -> None:
        """Stop what is running and delete what was written."""
        self._stop.set()
        self.exhibits, self.current, self.talk = [], None, []
        shutil.rmtree(self.folder, ignore_errors=True)


class Sessions:
    """All sessions of a server, so many and so old at most."""

    def __init__(
        self,
        folder: Path,
        most: int = MOST_SESSIONS,
        seconds: float = 1800.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Keep sessions.

        Args:
            folder: under which each has one of its own, of a name that cannot be guessed.
            most: how many are kept; the one idle for longest makes room.
            seconds: how long one may be idle.
            clock: seconds that only go up.
        """
        self._folder, self._most, self._seconds, self._clock = folder, most, seconds, clock
        self._kept: OrderedDict[str, tuple[float, Session]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, key: str) -> Session:
        """Return a visitor's session, a new one for a new visitor."""
        with self._lock:
            self._sweep()
            kept = self._kept.pop(key, None)
            session = kept[1] if kept else Session(self._folder / uuid4().hex)
            self._kept[key] = (self._clock(), session)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)[1][1].close()
            return session

    def forget(self, key: str) -> None:
        """Close a visitor's session."""
        with self._lock:
            kept = self._kept.pop(key, None)
        if kept:
            kept[1].close()

    def sweep(self) -> None:
        """Close what has been idle for too long."""
        with self._lock:
            self._sweep()

    def keep_sweeping(self, every: float = 60.0) -> None:
        """Sweep from time to time, also while nobody comes, for as long as the process lives."""

        def work() -> None:
            while True:
                time.sleep(every)
                self.sweep()

        threading.Thread(target=work, daemon=True).start()

    def __len__(self) -> int:
        """Return how many are open."""
        return len(self._kept)

    def _sweep(self) -> None:
        now = self._clock()
        for key in [key for key, (seen, _) in self._kept.items() if now - seen > self._seconds]:
            self._kept.pop(key)[1].close()
