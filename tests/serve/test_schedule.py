import threading

import pytest

from morelli.serve.schedule import WORDS_DELAY, Schedule, Slot


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def schedule(clock: Clock) -> Schedule:
    return Schedule(clock)


def never() -> bool:
    return False


def always() -> bool:
    return True


def served(slot: Slot) -> Slot:
    """Wait for a slot that must be next."""
    assert list(slot.wait(never)) == []
    assert slot.held
    return slot


def test_the_first_to_come_is_the_first_to_be_served(schedule: Schedule) -> None:
    first, second, third = (schedule.slot() for _ in range(3))
    served(first)
    assert (second.ahead, third.ahead) == (1, 2)
    assert list(third.wait(always)) == []
    first.leave()
    served(second)


def test_whoever_waits_is_told_how_many_come_first_whenever_that_changes(
    schedule: Schedule,
) -> None:
    first, second, third = (schedule.slot() for _ in range(3))
    served(first)
    waiting = third.wait(never)
    assert next(waiting) == 2
    second.leave()
    assert next(waiting) == 1
    first.leave()
    assert list(waiting) == []
    assert third.held


def test_a_verdict_overtakes_words_but_none_asked_for_much_later(
    schedule: Schedule, clock: Clock
) -> None:
    served(busy := schedule.slot())
    words = schedule.slot(WORDS_DELAY)
    clock.now = WORDS_DELAY - 1
    soon = schedule.slot()
    clock.now = WORDS_DELAY + 1
    late = schedule.slot()
    busy.leave()
    served(soon).leave()
    served(words).leave()
    served(late)


def test_who_writes_words_gives_way_between_tokens_and_goes_on_after(
    schedule: Schedule, clock: Clock
) -> None:
    served(writer := schedule.slot())
    writer.defer(WORDS_DELAY)
    writer.give_way(never)
    assert writer.held
    clock.now = 1.0
    guest, order = schedule.slot(), []

    def visit() -> None:
        for _ in guest.wait(never):
            pass
        order.append("guest")
        guest.leave()

    visitor = threading.Thread(target=visit)
    visitor.start()
    writer.give_way(never)
    order.append("writer")
    visitor.join(20)
    assert order == ["guest", "writer"]
    assert writer.held


@pytest.mark.parametrize("is_served", [True, False])
def test_whoever_leaves_holds_nobody_up(schedule: Schedule, is_served: bool) -> None:
    first, second = schedule.slot(), schedule.slot()
    if is_served:
        served(first)
    first.leave()
    first.leave()
    served(second)
    assert schedule.waiting == []
