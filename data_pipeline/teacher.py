"""Reference answers for training the small language model; nothing here runs at inference.

A taught answer says what the measurements of a picture really show, where, and what that means for
the true verdict. Sentences are composed of varied parts so that a small model learns to say, not to
recite; every number, direction and place in them stands up to the verifier.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from morelli.data_pipeline.answer import format_value
from morelli.data_pipeline.grammar import as_sentence, expand
from morelli.data_pipeline.meanings import (
    CAUSES,
    COPIES_OUTSIDE,
    MARKS_ALTERED,
    MEANING_INSIDE,
    MEANING_OUTSIDE,
    NUMBERS_BRIEF,
    NUMBERS_ELSEWHERE,
    NUMBERS_INSIDE,
    NUMBERS_OUTSIDE,
    RESTS_ON_PICTURE,
    RULES,
)
from morelli.data_pipeline.phrases import GENERAL, PHRASES, Phrases
from morelli.data_pipeline.places import NINTHS, WHOLE, box_of, place_of_mask
from morelli.data_pipeline.prompts import Outcome
from morelli.data_pipeline.schema import Answer, Claim, Measurement, Polarity, Verdict
from morelli.data_pipeline.verifier import (
    cannot_tell,
    is_ordinary_in,
    place_of_anomaly,
)
from morelli.data_pipeline.wording import strength_of

MOST_CLAIMS = 4
_FAR_BEYOND = 1.5
_LIMIT_SHARE = 0.25
_BRIEF_SHARE = 0.4
_ELSEWHERE_SHARE = 0.3
_CAUSE_SHARE = 0.4
_OVERLAP = 0.25

_PROBABILITIES = {
    Verdict.AUTHENTIC: (0.02, 0.5),
    Verdict.TAMPERED: (0.5, 0.99),
    Verdict.SYNTHETIC: (0.5, 0.99),
    Verdict.INCONCLUSIVE: (0.3, 0.7),
}
"""Where the probability lies that a lesson is told of; at inference it is the calibrator's."""


@dataclass(frozen=True, slots=True, eq=False)
class _Lesson:
    """What is true of the picture that an answer is taught for."""

    verdict: Verdict
    kind: str | None
    mask: NDArray[np.bool_]
    rng: np.random.Generator

    def pick(self, options: Sequence[str]) -> str:
        return options[int(self.rng.integers(len(options)))]

    def say(self, pattern: str) -> str:
        """Return one of the ways in which a pattern of the grammar can be said."""
        return expand(pattern, RULES, lambda count: int(self.rng.integers(count)))

    def say_sentence(self, pattern: str) -> str:
        """Return it with a capital letter."""
        return as_sentence(self.say(pattern))

    def happens(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def overlaps(self, measurement: Measurement, place: str) -> bool:
        """Tell whether an anomaly in a place falls on the altered part."""
        if measurement.map is None or place == WHOLE:
            return False
        box = box_of(place, *self.mask.shape)
        anomalous = box.crop(measurement.map) >= measurement.map_threshold
        return bool((anomalous & box.crop(self.mask)).sum() > _OVERLAP * anomalous.sum())

    def elsewhere(self, place: str) -> bool:
        """Tell whether the altered part is known, and that an anomaly in a place is not on it."""
        return self.verdict is Verdict.TAMPERED and place != WHOLE and bool(self.mask.any())


def teach(
    verdict: Verdict,
    kind: str | None,
    mask: NDArray[np.bool_],
    measurements: Mapping[str, Measurement],
    rng: np.random.Generator,
) -> Answer:
    """Write the reference answer for one picture: up to four claims, the most telling first.

    Args:
        verdict: what the answer is to say; inconclusive too.
        kind: how the picture was altered (names of the maker's kinds), None if not known.
        mask: (H, W) True where the picture was altered; all False if nowhere, or not known.
        measurements: by instrument name; maps are (H, W).
        rng: draws the wording; the same state gives the same answer.
    """
    lesson = _Lesson(verdict, kind, mask, rng)
    readings = [list(measurements.values())[i] for i in rng.permutation(len(measurements))]
    readings.sort(key=lambda measurement: _rank(lesson, measurement))
    claims = [
        _claim_on(lesson, measurement, leads=index == 0)
        for index, measurement in enumerate(readings[:MOST_CLAIMS])
    ]
    if claims and len(claims) < MOST_CLAIMS:
        claims += _claim_elsewhere(lesson, readings[0])
    return Answer(verdict, tuple(claims))


def _rank(lesson: _Lesson, measurement: Measurement) -> int:
    if cannot_tell(measurement):
        return 3
    if not measurement.anomalous:
        return 2
    place = place_of_anomaly(measurement, *lesson.mask.shape)
    return 0 if lesson.overlaps(measurement, place) else 1


def _claim_on(lesson: _Lesson, measurement: Measurement, leads: bool) -> Claim:
    if cannot_tell(measurement):
        return _silent_claim(lesson, measurement, leads)
    if measurement.anomalous:
        return _anomalous_claim(lesson, measurement, leads)
    return _ordinary_claim(lesson, measurement, leads)


def _anomalous_claim(lesson: _Lesson, measurement: Measurement, leads: bool) -> Claim:
    place = place_of_anomaly(measurement, *lesson.mask.shape)
    phrases = _phrases_of(measurement)
    opener = phrases.overall if place == WHOLE else phrases.local
    sentence = _with_numbers(
        lesson, opener, place, measurement, _form(lesson, leads, NUMBERS_OUTSIDE)
    )
    if leads and lesson.overlaps(measurement, place):
        tail = lesson.say_sentence(MARKS_ALTERED)
        if lesson.kind in CAUSES and lesson.happens(_CAUSE_SHARE):
            tail = f"{tail} {lesson.say_sentence(CAUSES[lesson.kind])}"
    elif leads and lesson.elsewhere(place):
        tail = lesson.say_sentence(RESTS_ON_PICTURE)
    else:
        copies = COPIES_OUTSIDE if measurement.instrument == "copy-move" else {}
        tail = _tail(lesson, measurement, leads, {**MEANING_OUTSIDE, **copies})
    return Claim(measurement.instrument, Polarity.ANOMALOUS, place, f"{sentence} {tail}".rstrip())


def _ordinary_claim(lesson: _Lesson, measurement: Measurement, leads: bool) -> Claim:
    # A reading that is ordinary everywhere has no place, wherever the altered part lies.
    opener = _phrases_of(measurement).ordinary
    sentence = _with_numbers(
        lesson, opener, WHOLE, measurement, _form(lesson, leads, NUMBERS_INSIDE)
    )
    tail = _tail(lesson, measurement, leads, MEANING_INSIDE)
    return Claim(measurement.instrument, Polarity.NORMAL, WHOLE, f"{sentence} {tail}".rstrip())


def _silent_claim(lesson: _Lesson, measurement: Measurement, leads: bool) -> Claim:
    silent = lesson.say_sentence(_phrases_of(measurement).silent)
    sentence = silent.format(name=measurement.instrument)
    tail = ""
    if leads and lesson.verdict in (Verdict.TAMPERED, Verdict.SYNTHETIC):
        tail = lesson.say_sentence(RESTS_ON_PICTURE)
    return Claim(measurement.instrument, Polarity.NORMAL, WHOLE, f"{sentence} {tail}".rstrip())


def _claim_elsewhere(lesson: _Lesson, measurement: Measurement) -> list[Claim]:
    """Return a claim that a reading anomalous in one ninth is ordinary in another, or none."""
    shape = lesson.mask.shape
    local = not cannot_tell(measurement) and place_of_anomaly(measurement, *shape) != WHOLE
    calm = [place for place in NINTHS if is_ordinary_in(measurement, place, *shape)]
    if not (local and measurement.anomalous and calm and lesson.happens(_ELSEWHERE_SHARE)):
        return []
    place = lesson.pick(calm)
    opener = _phrases_of(measurement).ordinary
    sentence = _with_numbers(lesson, opener, place, measurement, NUMBERS_ELSEWHERE)
    return [Claim(measurement.instrument, Polarity.NORMAL, place, sentence)]


def _form(lesson: _Lesson, leads: bool, full: str) -> str:
    return NUMBERS_BRIEF if not leads and lesson.happens(_BRIEF_SHARE) else full


def _tail(
    lesson: _Lesson, measurement: Measurement, leads: bool, meanings: Mapping[Verdict, str]
) -> str:
    """Return what the reading means for the verdict, or what the instrument cannot see, or ""."""
    if leads:
        return lesson.say_sentence(meanings[lesson.verdict])
    if lesson.happens(_LIMIT_SHARE):
        return lesson.say_sentence(_phrases_of(measurement).limits)
    return ""


def _with_numbers(
    lesson: _Lesson, opener: str, place: str, measurement: Measurement, form: str
) -> str:
    where = lesson.say("<where_whole>" if place == WHOLE else "<where_ninth>").format(place=place)
    opened = lesson.say(opener).format(
        where=where, degree=_degree(measurement), name=measurement.instrument
    )
    number = f"{format_value(measurement.value or 0.0)} {measurement.unit}".rstrip()
    value = lesson.say(_phrases_of(measurement).value).format(value=number)
    words = lesson.say(form).format(opener=opened, value=value, usual=_usual(lesson, measurement))
    return ". ".join(map(as_sentence, words.split(". ")))


def _phrases_of(measurement: Measurement) -> Phrases:
    return PHRASES.get(measurement.instrument, GENERAL)


def _degree(measurement: Measurement) -> str:
    """Return "much stronger", "weaker" or, if the reading has no direction, a neutral word."""
    strength = strength_of(measurement.statement)
    if strength is None:
        return "of another strength"
    high = measurement.expected[1]
    far = measurement.value is not None and high > 0 and measurement.value >= _FAR_BEYOND * high
    return f"much {strength}" if far else strength


def _usual(lesson: _Lesson, measurement: Measurement) -> str:
    """Return the expected range as words that name only the bound that matters."""
    low, high = map(format_value, measurement.expected)
    value = measurement.value or 0.0
    if low == high:
        return low
    if value < measurement.expected[0]:
        return f"at least {low}"
    if value > measurement.expected[1] or measurement.expected[0] <= 0:
        return f"{lesson.say('up to|at most')} {high}"
    return lesson.say("{low} to {high}|between {low} and {high}").format(low=low, high=high)


def drawn_outcome(verdict: Verdict, mask: NDArray[np.bool_], rng: np.random.Generator) -> Outcome:
    """Return what an examination could have come to, for the questions that a lesson goes on with.

    Args:
        verdict: of the answer that is taught.
        mask: (H, W) bool, True = altered; all False unless the verdict is tampered.
        rng: draws the probability, which only a calibrator knows.
    """
    where = place_of_mask(mask) if mask.any() else None
    return Outcome(verdict, float(rng.uniform(*_PROBABILITIES[verdict])), where)
