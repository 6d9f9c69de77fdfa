import itertools
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from scripted import Examining, Glimpse

from morelli.data_pipeline.images import ImageError, Picture, picture_from_bytes
from morelli.data_pipeline.report import Report
from morelli.data_pipeline.schema import Verdict
from morelli.model.conversation import Words
from morelli.serve.batch import Outcome, OutputError
from morelli.serve.lanes import TOGETHER, Lanes, Task, Way


def jpeg(number: int, side: int = 64) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 255, (side, side, 3), np.uint8)
    return cv2.imencode(".jpg", pixels)[1].tobytes()


def tasks(count: int, side: int = 64) -> Iterator[Task]:
    for number in range(count):
        path = f"p{number}.jpg"
        yield Task(path, path, partial(picture_from_bytes, jpeg(number, side), path))


class Watched(Examining):
    """Notes how many pictures were looked at, spoken of together, and waiting at most."""

    def __init__(self, verdict: Verdict = Verdict.TAMPERED) -> None:
        self.verdict = verdict
        self.batches: list[int] = []
        self.looked, self.reported, self.most_open = 0, 0, 0
        self._lock = threading.Lock()

    def look(self, picture: Picture) -> Any:
        with self._lock:
            self.looked += 1
            self.most_open = max(self.most_open, self.looked - self.reported)
        return Glimpse(self.verdict)

    def speak_many(self, looks: Sequence[Any]) -> list[Words]:
        self.batches.append(len(looks))
        return super().speak_many(looks)

    def report(self, picture: Picture, look: Any, words: Words | None = None) -> Report:
        with self._lock:
            self.reported += 1
        return super().report(picture, look, words)


def run(examiner: Any, out: Path, given: Iterator[Task], **way: Any) -> Counter[tuple[str, bool]]:
    """Return how often each path was settled, and whether as a report."""
    settled: Counter[tuple[str, bool]] = Counter()

    def settle(task: Task, outcome: Outcome) -> None:
        settled[task.path, outcome.page is not None] += 1

    Lanes(examiner, out, Way(**way), settle).run(given)
    return settled


@pytest.mark.parametrize("lanes", [1, 3])
def test_every_task_is_settled_once_and_few_are_open_at_a_time(tmp_path: Path, lanes: int) -> None:
    examiner = Watched()
    settled = run(examiner, tmp_path, tasks(40), lanes=lanes)
    assert settled == Counter((f"p{number}.jpg", True) for number in range(40))
    assert sum(examiner.batches) == 40
    assert max(examiner.batches) <= TOGETHER
    assert len(examiner.batches) <= 40 / TOGETHER + 2 * lanes
    assert examiner.most_open <= TOGETHER * (lanes + 1) + lanes


def test_large_pictures_do_not_wait_for_many_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("morelli.serve.lanes._WAITING_PIXELS", 2 * 64**2)
    examiner = Watched()
    run(examiner, tmp_path, tasks(4))
    assert examiner.batches == [2, 2]


def test_what_gets_no_words_waits_for_nothing(tmp_path: Path) -> None:
    examiner = Watched(Verdict.AUTHENTIC)
    run(examiner, tmp_path, tasks(10), explain=lambda verdict: verdict != Verdict.AUTHENTIC)
    assert examiner.batches == []
    assert examiner.most_open == 1


@dataclass(frozen=True)
class Named(Glimpse):
    """A look that tells whose it is."""

    path: str


class Failing(Watched):
    """Fails at a stage of its work if the picture's name says so."""

    def look(self, picture: Picture) -> Any:
        if picture.path == "p1.jpg":
            raise RuntimeError("no look")
        return Named(Verdict.TAMPERED, picture.path)

    def speak_many(self, looks: Sequence[Any]) -> list[Words]:
        if any(look.path == "p2.jpg" for look in looks):
            raise RuntimeError("no words")
        return super().speak_many(looks)

    def report(self, picture: Picture, look: Any, words: Words | None = None) -> Report:
        if picture.path == "p3.jpg":
            raise RuntimeError("no report")
        return super().report(picture, look, words)


def test_a_file_that_fails_at_any_stage_fails_alone(tmp_path: Path) -> None:
    def refuse() -> Picture:
        raise ImageError("corrupt", "p9.jpg", "is damaged")

    damaged = Task("p9.jpg", "p9.jpg", refuse)
    settled = run(Failing(), tmp_path, itertools.chain(tasks(6), [damaged]), lanes=2)
    assert sum(settled.values()) == 7
    failed = {path for path, is_good in settled if not is_good}
    assert failed == {"p1.jpg", "p2.jpg", "p3.jpg", "p9.jpg"}


def test_an_output_folder_that_breaks_stops_all_lanes(tmp_path: Path) -> None:
    class Full(Watched):
        def report(self, picture: Picture, look: Any, words: Words | None = None) -> Report:
            if self.reported == 10:
                raise OutputError("the disk is full")
            return super().report(picture, look, words)

    examiner = Full()
    with pytest.raises(OutputError, match="disk is full"):
        run(examiner, tmp_path, tasks(200), lanes=2)
    assert examiner.looked < 60


def test_what_ends_after_a_stop_is_not_taken_for_a_failure(tmp_path: Path) -> None:
    begun, stopped = threading.Event(), threading.Event()

    class Interrupted(Watched):
        def look(self, picture: Picture) -> Any:
            if picture.path == "p0.jpg":
                begun.wait(60)
                raise KeyboardInterrupt
            begun.set()
            stopped.wait(60)
            raise ImageError("decoder_failed", picture.path, "was ended with the batch")

    settled: list[str] = []
    lanes = Lanes(Interrupted(), tmp_path, Way(2), lambda task, _: settled.append(task.path))
    drive = lanes._drive
    lanes._drive = lambda given: (drive(given), stopped.set())  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        lanes.run(tasks(2))
    assert settled == []


def test_lanes_work_at_the_same_time(tmp_path: Path) -> None:
    together = threading.Barrier(2, timeout=60)

    class Meeting(Watched):
        def look(self, picture: Picture) -> Any:
            # Nobody passes before two pictures are being looked at.
            together.wait()
            return super().look(picture)

    settled = run(Meeting(), tmp_path, tasks(6), lanes=2)
    assert len(settled) == 6
