import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from morelli.data_pipeline.images import Picture
from morelli.data_pipeline.report import Report
from morelli.model.conversation import Hear, Turn, Words
from morelli.serve.desk import Desk, Waiting
from morelli.serve.downloads import exhibit_of, finish
from morelli.serve.sessions import MOST_PICTURES, Session, Sessions


class Slow:
    """Speaks a line every so often, for as long as it is let; counts how many look at once."""

    def __init__(self, report_of: Callable[..., Report]) -> None:
        self.report_of, self.inside, self.most, self.lines = report_of, 0, 0, 0

    def look(self, picture: Picture) -> Any:
        self.inside += 1
        self.most = max(self.most, self.inside)
        time.sleep(0.02)
        self.inside -= 1
        return None

    def report(self, picture: Picture, look: Any, words: Words | None = None) -> Report:
        return self.report_of(picture)

    def speak(self, look: Any, hear: Hear | None = None) -> Words:
        assert hear is not None
        for self.lines in range(1, 500):
            time.sleep(0.005)
            if hear("line\n" * self.lines):
                break
        return Words("line\n" * self.lines, self.lines, 0.0, finished=True)

    def chat(
        self, look: Any, report: Report, turns: Sequence[Turn], hear: Hear | None = None
    ) -> Words:
        raise MemoryError("out of words")


@pytest.fixture
def examiner(report_of: Callable[..., Report]) -> Slow:
    return Slow(report_of)


def test_a_visitor_who_leaves_stops_the_model(examiner: Slow, picture: Picture) -> None:
    watching = Desk(examiner).watch(picture, threading.Event())
    next(watching)
    next(watching)
    watching.close()  # type: ignore[attr-defined]
    time.sleep(0.1)
    said = examiner.lines
    time.sleep(0.1)
    assert examiner.lines == said < 400


def test_a_visitor_who_stops_reading_keeps_nobody_waiting(examiner: Slow, picture: Picture) -> None:
    desk, stop = Desk(examiner), threading.Event()
    idle = desk.watch(picture, stop)
    next(idle)
    stop.set()
    ended = threading.Event()
    ended.set()
    assert [one for one in desk.watch(picture, ended) if not isinstance(one, Waiting)] == []
    other = desk.watch(picture, threading.Event())
    next(other)
    other.close()  # type: ignore[attr-defined]


def test_visitors_are_served_one_at_a_time(examiner: Slow, picture: Picture) -> None:
    desk = Desk(examiner)

    def visit() -> None:
        watching = desk.watch(picture, threading.Event())
        next(watching)
        watching.close()  # type: ignore[attr-defined]

    visitors = [threading.Thread(target=visit) for _ in range(5)]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join(20)
    assert examiner.most == 1


def test_what_fails_at_the_desk_fails_for_the_one_who_asked_and_nobody_else(
    examiner: Slow, picture: Picture, report_of: Callable[..., Report]
) -> None:
    desk = Desk(examiner)
    with pytest.raises(MemoryError, match="out of words"):
        list(desk.answer(None, report_of(picture), [Turn("Why?")], threading.Event()))  # type: ignore[arg-type]
    next(desk.watch(picture, threading.Event()))


def shown(session: Session, report: Report) -> None:
    exhibit = exhibit_of(session.label("photo.png"), None, report)  # type: ignore[arg-type]
    session.add(exhibit)
    finish(exhibit, session.folder)


def test_closing_a_session_deletes_its_files_and_stops_its_work(
    report_of: Callable[..., Report], picture: Picture, tmp_path: Path
) -> None:
    sessions = Sessions(tmp_path / "store")
    session = sessions.of("one")
    stop = session.begin()
    shown(session, report_of(picture))
    assert len(list((tmp_path / "store").rglob("*.html"))) == 1
    sessions.forget("one")
    assert stop.is_set()
    assert list((tmp_path / "store").rglob("*")) == []
    assert sessions.of("one") is not session


def test_what_begins_stops_what_was_running() -> None:
    session = Session(Path("unused"))
    first = session.begin()
    second = session.begin()
    assert first.is_set()
    assert not second.is_set()


def test_the_idle_and_the_too_many_are_closed(tmp_path: Path) -> None:
    now = [0.0]
    sessions = Sessions(tmp_path, most=2, seconds=60, clock=lambda: now[0])
    first, second = sessions.of("first"), sessions.of("second")
    assert sessions.of("first") is first
    sessions.of("third")
    assert sessions.of("first") is first
    assert sessions.of("second") is not second
    now[0] = 100
    sessions.sweep()
    assert len(sessions) == 0


def test_only_the_last_pictures_are_kept_and_each_keeps_its_turns(
    report_of: Callable[..., Report], picture: Picture, tmp_path: Path
) -> None:
    session = Session(tmp_path / "s")
    for number in range(MOST_PICTURES + 1):
        shown(session, report_of(picture))
        assert session.current is not None
        session.current.turns.append(Turn(f"{number}?"))
    assert session.choose("1. photo.png") is None
    found = session.choose("2. photo.png")
    assert found is session.current
    assert found is not None
    assert found.turns == [Turn("1?")]
    assert len(list(tmp_path.rglob("*.html"))) == MOST_PICTURES
    assert all(path.exists() for path in found.files.values())
