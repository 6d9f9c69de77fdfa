import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morelli.data_pipeline.answer import contradicts
from morelli.data_pipeline.follow_ups import KINDS, follow_ups
from morelli.data_pipeline.schema import Claim, Measurement, Polarity, Status, Verdict
from morelli.data_pipeline.verifier import place_of_anomaly, verify

SHAPE = (36, 48)


def _readings(seed: int) -> dict[str, Measurement]:
    rng = np.random.default_rng(seed)
    found = {}
    for name in ("noise", "jpeg", "copy-move", "spectrum")[: int(rng.integers(0, 5))]:
        value = float(rng.uniform(-1, 3))
        heat = np.zeros(SHAPE, np.float32)
        heat[: int(rng.integers(1, 20)), : int(rng.integers(1, 20))] = 1
        found[name] = Measurement(
            name, value, "times", (0.0, 1.0), float(rng.random()), "It is read.", heat
        )
    return found


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(Verdict))
def test_every_kind_is_answered_in_plain_words_that_keep_the_verdict(
    seed: int, verdict: Verdict
) -> None:
    readings = _readings(seed)
    turns = follow_ups(verdict, readings, SHAPE, np.random.default_rng(seed), len(KINDS))
    assert [turn.role for turn in turns] == ["user", "assistant"] * len(KINDS)
    for turn in turns:
        assert not set(turn.text) & set("{}<>|[]"), turn.text
        assert turn.text[0].isupper() or turn.text[0] == '"'
        if turn.role == "assistant":
            assert turn.text.endswith(".")
            sentences = re.split(r"(?<=[.!?]) ", turn.text)
            assert not any(contradicts(sentence, verdict) for sentence in sentences), turn.text


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_numbers_and_places_in_answers_stand_up_to_the_verifier(seed: int) -> None:
    readings = _readings(seed)
    turns = follow_ups(Verdict.TAMPERED, readings, SHAPE, np.random.default_rng(seed), len(KINDS))
    for turn in turns[1::2]:
        named = re.search(r"the (\S+) reading .*\d", turn.text)
        if named:
            reading = readings[named[1]]
            polarity = Polarity.ANOMALOUS if reading.anomalous else Polarity.NORMAL
            place = place_of_anomaly(reading, *SHAPE) if reading.anomalous else "whole picture"
            status, reason = verify(Claim(named[1], polarity, place, turn.text), readings, *SHAPE)
            assert status is Status.CONFIRMED, (turn.text, reason)


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_is_asked_and_answered_in_many_ways(name: str) -> None:
    asked, answered = set(), set()
    for seed in range(300):
        turns = follow_ups(
            Verdict.SYNTHETIC, _readings(seed), SHAPE, np.random.default_rng(seed), len(KINDS)
        )
        order = np.random.default_rng(seed).permutation(len(KINDS))
        at = 2 * list(order).index(sorted(KINDS).index(name))
        asked.add(turns[at].text)
        answered.add(turns[at + 1].text)
    assert len(asked) >= 12
    assert len(answered) >= 60


def test_a_false_premise_is_denied() -> None:
    reading = Measurement("noise", 3.0, "times", (0.0, 1.0), 0.9, "It is read.")
    found = []
    for seed in range(60):
        turns = follow_ups(Verdict.TAMPERED, {"noise": reading}, SHAPE, np.random.default_rng(seed))
        for question, answer in zip(turns[::2], turns[1::2], strict=True):
            if "reading is normal" in question.text:
                found.append(answer.text)
    assert found
    assert all("the noise reading is out of line, 3 times" in answer for answer in found)
