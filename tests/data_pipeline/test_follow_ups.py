import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morelli.data_pipeline.answer import contradicts, named_places
from morelli.data_pipeline.follow_ups import KINDS, follow_ups
from morelli.data_pipeline.places import NINTHS, WHOLE, box_of, place_of_mask
from morelli.data_pipeline.prompts import Outcome, percent
from morelli.data_pipeline.schema import CLASSES, Claim, Measurement, Polarity, Status, Verdict
from morelli.data_pipeline.verifier import place_of_anomaly, verify

SHAPE = (36, 48)
SEEDS = st.integers(0, 2**32 - 1)
NUMBERS = re.compile(r"\d+(?:\.\d+)?(?: ?%)?")


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


def _mask(seed: int, verdict: Verdict) -> np.ndarray:
    rng = np.random.default_rng([seed, 1])
    mask = np.zeros(SHAPE, bool)
    if verdict is Verdict.TAMPERED and rng.random() < 0.8:
        top, left = int(rng.integers(SHAPE[0])), int(rng.integers(SHAPE[1]))
        mask[top : top + int(rng.integers(1, 40)), left : left + int(rng.integers(1, 50))] = True
    return mask


def _said(
    seed: int, verdict: Verdict, readings: dict[str, Measurement] | None = None
) -> tuple[dict[str, tuple[str, str]], Outcome, np.ndarray]:
    """One question and answer of every kind, by kind."""
    mask = _mask(seed, verdict)
    where = place_of_mask(mask) if mask.any() else None
    outcome = Outcome(verdict, float(np.random.default_rng([seed, 2]).random()), where)
    rng = np.random.default_rng(seed)
    readings = _readings(seed) if readings is None else readings
    said = follow_ups(outcome, readings, mask, rng, len(KINDS))
    order = np.random.default_rng(seed).permutation(len(KINDS))
    names = sorted(KINDS)
    return {names[int(i)]: turn for i, turn in zip(order, said, strict=True)}, outcome, mask


@settings(max_examples=150, deadline=None)
@given(SEEDS, st.sampled_from(Verdict))
def test_every_kind_is_answered_in_plain_words_that_keep_the_verdict(
    seed: int, verdict: Verdict
) -> None:
    said, _, _ = _said(seed, verdict)
    assert set(said) == set(KINDS)
    for question, answer in said.values():
        for text in (question, answer):
            assert not set(text) & set("{}<>|[]"), text
            assert text[0].isupper() or text[0] == '"'
            assert "  " not in text
        assert answer.endswith(".")
        sentences = re.split(r"(?<=[.!?]) ", answer)
        assert len(sentences) <= 3
        assert not any(contradicts(sentence, verdict) for sentence in sentences), answer


@settings(max_examples=100, deadline=None)
@given(SEEDS)
def test_numbers_and_places_in_answers_stand_up_to_the_verifier(seed: int) -> None:
    readings = _readings(seed)
    said, _, _ = _said(seed, Verdict.TAMPERED, readings)
    for kind in ("strongest", "premise of a reading", "where"):
        answer = said[kind][1]
        named = re.search(r"[Tt]he (\S+) reading .*\d", answer)
        if named:
            reading = readings[named[1]]
            polarity = Polarity.ANOMALOUS if reading.anomalous else Polarity.NORMAL
            place = place_of_anomaly(reading, *SHAPE) if reading.anomalous else "whole picture"
            sentence = next(s for s in re.split(r"(?<=[.!?]) ", answer) if "reading" in s)
            status, reason = verify(Claim(named[1], polarity, place, sentence), readings, *SHAPE)
            assert status is Status.CONFIRMED, (answer, reason)


@settings(max_examples=150, deadline=None)
@given(SEEDS, st.sampled_from(Verdict))
def test_of_places_only_the_marked_one_is_called_so_and_denied_ones_are_clear(
    seed: int, verdict: Verdict
) -> None:
    said, outcome, mask = _said(seed, verdict)
    clear = {place for place in NINTHS if not box_of(place, *SHAPE).crop(mask).any()}
    for kind, allowed in (("where", set()), ("premise of a place", clear)):
        named = _named(said[kind][1])
        assert named <= allowed | {outcome.where}, said[kind]
        if outcome.where is not None:
            assert outcome.where in named, said[kind]


def _named(text: str) -> set[str | None]:
    """The ninths that a text names."""
    return {*named_places(Claim("noise", Polarity.NORMAL, WHOLE, text))} - {WHOLE}


@settings(max_examples=100, deadline=None)
@given(SEEDS, st.sampled_from(Verdict))
def test_the_only_probability_in_an_answer_is_the_outcomes(seed: int, verdict: Verdict) -> None:
    said, outcome, _ = _said(seed, verdict)
    for kind in ("sure", "verdict", "premise of a verdict", "injected", "beyond", "off topic"):
        for number in NUMBERS.findall(said[kind][1]):
            assert number == percent(outcome.probability), said[kind]
    assert percent(outcome.probability) in said["sure"][1] + said["verdict"][1]


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_is_asked_and_answered_in_many_ways(name: str) -> None:
    asked, answered = set(), set()
    for seed in range(300):
        question, answer = _said(seed, Verdict.SYNTHETIC)[0][name]
        asked.add(question)
        answered.add(answer)
    assert len(asked) >= 12
    assert len(answered) >= 40


def test_a_false_premise_is_denied_and_a_true_one_confirmed() -> None:
    reading = Measurement("noise", 3.0, "times", (0.0, 1.0), 0.9, "It is read.")
    denied = {"reading": 0, "verdict": 0}
    for seed in range(100):
        said, outcome, _ = _said(seed, CLASSES[seed % 3], {"noise": reading})
        question, answer = said["premise of a reading"]
        false = "normal" in question
        assert "the noise reading is out of line, 3 times" in answer
        assert answer.startswith(("It is not", "That is not", "Not", "No", "On the")) == false
        denied["reading"] += false
        answer = said["premise of a verdict"][1]
        wrong = re.search(r"not (authentic|tampered|synthetic)", answer)
        assert f" {outcome.verdict}" in answer
        assert wrong is None or wrong[1] != outcome.verdict
        denied["verdict"] += wrong is not None
    assert 55 < denied["reading"] < 85
    assert 55 < denied["verdict"] < 85


def test_compression_is_not_said_to_make_copies() -> None:
    reading = Measurement("copy-move", 3.0, "%", (0.0, 1.0), 0.9, "It is read.")
    for seed in range(30):
        answer = _said(seed, Verdict.TAMPERED, {"copy-move": reading})[0]["compression"][1]
        assert re.search("compression (copies nothing|makes no copies)", answer)
