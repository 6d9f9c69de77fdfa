import itertools
import re

import pytest

from morelli.data_pipeline import asked as lessons
from morelli.data_pipeline.follow_ups import RULES
from morelli.data_pipeline.grammar import expand
from morelli.data_pipeline.schema import CLASSES, Verdict
from morelli.eval.chat_facts import Facts, ReadingFacts
from morelli.eval.chat_questions import COUNT, KINDS, WORDINGS, ask, wording_of


def _every_way(pattern):
    """Every way to say a pattern: the choices are counted through like the digits of a number."""
    choices = []
    while True:
        taken = []

        def pick(count, taken=taken):
            index = choices[len(taken)] if len(taken) < len(choices) else 0
            taken.append((index, count))
            return index

        yield expand(pattern, RULES, pick)
        while taken and taken[-1][0] + 1 == taken[-1][1]:
            taken.pop()
        if not taken:
            return
        choices[:] = [*(index for index, _ in taken[:-1]), taken[-1][0] + 1]


def _bare(text):
    """Words alone, what is filled in masked."""
    return " ".join(re.findall(r"[a-z*]+", re.sub(r"\{\w+\}", "*", text.lower())))


def _taught():
    patterns = [
        pattern
        for value in vars(lessons).values()
        for pattern in (
            [value] if isinstance(value, str) else
            [one[0] if isinstance(one, tuple) else one for one in value]
            if isinstance(value, tuple) else
            list(value.values()) if isinstance(value, dict) and Verdict.AUTHENTIC in value else []
        )
    ]  # fmt: skip
    return {_bare(way) for pattern in patterns for way in _every_way(pattern)}


def test_no_question_of_the_evaluation_is_worded_as_in_a_lesson():
    taught = _taught()
    assert _bare("Are you sure about that?") in taught
    assert _bare("Why is the {name} reading {state}?") in taught
    assert _bare("What is the capital of France?") in taught
    assert _bare("So you found that it is synthetic, yes?") in taught
    long = {way for way in taught if len(way.split()) >= 3}
    for wording in itertools.chain(*WORDINGS.values()):
        bare = _bare(wording)
        assert bare not in taught, wording
        padded = f" {bare} "
        assert not [way for way in long if f" {way} " in padded], wording


def _facts(verdict, states=("normal", "out of line", "silent"), marked=()):
    readings = tuple(
        ReadingFacts(name, state, None, (1.0,), 0.9, told=True)
        for name, state in zip(("noise", "jpeg", "copy-move"), states, strict=False)
    )
    shares = {"authentic": 0.2, "tampered": 0.5, "synthetic": 0.3}
    where = marked[0] if marked else None
    return Facts(verdict, shares, (0.5, 0.9), where, marked, readings)


def test_three_hundred_questions_have_eight_kinds_in_equal_parts_and_use_every_wording():
    asked = [wording_of(number) for number in range(COUNT)]
    counts = [sum(kind == one for one, _ in asked) for kind in KINDS]
    assert len(KINDS) == 8
    assert max(counts) - min(counts) <= 1
    assert {wording for _, wording in asked} == set(itertools.chain(*WORDINGS.values()))


@pytest.mark.parametrize("verdict", Verdict)
def test_what_a_question_takes_for_granted_is_false(verdict):
    marked = ("centre", "upper left") if verdict is Verdict.TAMPERED else ()
    facts = _facts(verdict, marked=marked)
    seen = set()
    for number in range(COUNT):
        one = ask(number, facts)
        assert not set("{}") & set(one.question)
        assert one == ask(number, facts)
        if one.kind == "false premise":
            if one.instrument:
                true = {reading.instrument: reading.state for reading in facts.told}
                assert one.state in ("normal", "out of line")
                assert true[one.instrument] != one.state
                assert one.instrument in one.question
            elif one.place:
                assert one.place not in marked
            seen.add("state" if one.instrument else "place" if one.place else "verdict")
        if one.verdict is not None:
            assert one.verdict in CLASSES
            assert one.verdict != verdict
    assert seen == {"state", "place", "verdict"}


def test_without_readings_and_without_a_free_place_another_premise_is_false():
    everywhere = _facts(Verdict.TAMPERED).unmarked
    facts = _facts(Verdict.TAMPERED, ("silent", "silent", "silent"), everywhere)
    for number in range(COUNT):
        one = ask(number, facts)
        if one.kind == "false premise":
            assert one.verdict is not None
