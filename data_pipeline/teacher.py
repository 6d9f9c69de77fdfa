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
from morelli.data_pipeline.places import NINTHS, WHOLE, box_of, place_of_mask
from morelli.data_pipeline.schema import Answer, Claim, Measurement, Polarity, Verdict
from morelli.data_pipeline.verifier import (
    cannot_tell,
    is_ordinary_in,
    place_of_anomaly,
    strength_of,
)

_Meanings = Mapping[Verdict, Sequence[str]]

MOST_CLAIMS = 4
_FAR_BEYOND = 1.5
_LIMIT_SHARE = 0.5
_ELSEWHERE_SHARE = 0.4
_CAUSE_SHARE = 0.6
_MASK_PLACE_SHARE = 0.5
_OVERLAP = 0.25


@dataclass(frozen=True, slots=True)
class Phrases:
    """Ways to open a sentence on one instrument, without the full stop.

    `{where}` becomes "in the lower left" or "across the whole picture", `{degree}` "much stronger".

    Attributes:
        local: the reading is out of the ordinary in one ninth.
        overall: it is so for the whole picture, without a place.
        ordinary: it is ordinary, in a ninth or in the whole picture.
        value: how the number is put, for example "a difference of 3.41 times".
        silent: whole sentences that say why the instrument cannot tell.
        limits: whole sentences on what the instrument cannot see.
    """

    local: tuple[str, ...]
    overall: tuple[str, ...]
    ordinary: tuple[str, ...]
    value: str
    silent: tuple[str, ...]
    limits: tuple[str, ...]


PHRASES = {
    "noise": Phrases(
        local=(
            "the grain {where} is {degree} than in the rest of the picture",
            "the fine noise {where} is {degree} than elsewhere",
            "{where} the grain is {degree} than one camera would leave it",
            "a patch {where} has grain that is {degree} than around it",
        ),
        overall=(
            "the grain keeps no single level across the whole picture",
            "the noise changes too much from part to part of the whole picture",
        ),
        ordinary=(
            "the grain {where} is even",
            "the fine noise {where} is of one kind",
            "{where} the grain keeps one level",
            "nothing in the grain {where} stands out",
        ),
        value="a difference of {value}",
        silent=(
            "There is too little grain here to compare one part of the picture with another.",
            "The noise cannot be compared here, as after strong smoothing or compression.",
        ),
        limits=(
            "An edit that keeps the grain would not be seen this way.",
            "Heavy compression hides small differences in grain.",
        ),
    ),
    "jpeg": Phrases(
        local=(
            "the part {where} lacks the traces of an earlier JPEG save that the rest has",
            "the compression history {where} is not that of the rest of the picture",
            "{where} the JPEG traces do not match those around",
            "an earlier JPEG save left its traces in the rest but not {where}",
        ),
        overall=(
            "the JPEG history is not the same across the whole picture",
            "the traces of an earlier JPEG save do not match across the whole picture",
        ),
        ordinary=(
            "the JPEG traces {where} agree with one another",
            "the compression history {where} is ordinary",
            "{where} the JPEG traces show one history",
            "nothing in the compression {where} stands out",
        ),
        value="evidence of {value}",
        silent=(
            "There is no earlier JPEG save to compare; a screenshot has no JPEG history either.",
            "The compression tells nothing here, since no earlier JPEG save left its mark.",
        ),
        limits=(
            "Saving a picture again at low quality wipes out such traces.",
            "An edit made before the first save would not be seen this way.",
        ),
    ),
    "copy-move": Phrases(
        local=(
            "a piece {where} is found a second time in the picture",
            "{where} there is a piece that also appears in another spot",
            "details {where} repeat another part of the picture almost exactly",
            "the same details appear twice in the picture, at least once {where}",
        ),
        overall=(
            "the search for copies finds repeated pieces across the whole picture",
            "across the whole picture some details appear more than once",
            "pieces of the whole picture repeat one another almost exactly",
        ),
        ordinary=(
            "the search for copies finds no repeated piece {where}",
            "no piece {where} appears a second time",
            "{where} no details repeat another part",
            "nothing {where} looks copied from another part",
        ),
        value="copies on {value}",
        silent=(
            "The picture has too little detail to tell whether a piece of it was copied.",
            "A search for copies needs more texture than this picture has, so it cannot tell.",
        ),
        limits=(
            "A piece brought in from another picture cannot be found this way.",
            "Smooth areas such as sky hold too little detail for this search.",
            "This search cannot see parts that were painted over.",
        ),
    ),
}
"""The phrases of each instrument; those of others come from `GENERAL`."""

GENERAL = Phrases(
    local=(
        "the {name} reading {where} does not fit the rest of the picture",
        "{where} the {name} reading is out of the ordinary",
    ),
    overall=("the {name} reading is out of the ordinary for the whole picture",),
    ordinary=("the {name} reading {where} is ordinary",),
    value="a reading of {value}",
    silent=("The {name} instrument cannot tell anything about this picture.",),
    limits=("Other kinds of change would not be seen this way.",),
)

_NUMBERS_OUTSIDE = (
    "{opener}: {value}, where {usual} is normal.",
    "{opener}, with {value} where {usual} is normal.",
    "{opener}. This amounts to {value}, and {usual} is normal.",
    "{opener}. The instrument finds {value}; in untouched photographs {usual} is normal.",
    "{opener}. Normal is {usual}, but here it is {value}.",
)
_NUMBERS_INSIDE = (
    "{opener}: {value}, where {usual} is normal.",
    "{opener}, with {value} where {usual} is normal.",
    "{opener}. This amounts to {value}, and {usual} is normal.",
    "{opener}. The instrument finds {value}, and in untouched photographs {usual} is normal.",
    "{opener}. Normal is {usual}, and here it is {value}.",
)
_NUMBERS_ELSEWHERE = (
    "{opener}, so the difference is a local one.",
    "{opener}, unlike the part that was marked.",
)
_MARKS_ALTERED = (
    "That is where the altered part lies.",
    "The altered part lies there.",
)
_MISSES_ALTERED = (
    "The altered part lies there but does not show here; the verdict rests on the picture itself.",
    "Yet the altered part lies there, so the verdict rests on what the picture shows.",
    "It does not show the altered part that lies there, so the picture itself must tell.",
)
_RESTS_ON_PICTURE = (
    "The verdict rests on the picture itself, not on this reading.",
    "This reading does not speak for the verdict, which rests on what the picture shows.",
)
_MEANING_OUTSIDE = {
    Verdict.AUTHENTIC: (
        "On its own this reading proves little, and heavy processing can cause it.",
    ),
    Verdict.TAMPERED: (
        "Such a reading speaks for an edit.",
        "One camera shot seldom reads like this.",
        "It is a sign that not all of the picture has the same origin.",
    ),
    Verdict.SYNTHETIC: (
        "A camera seldom leaves such a reading.",
        "It speaks against a single camera shot.",
    ),
    Verdict.INCONCLUSIVE: (
        "This is a hint, but it is not enough for a verdict.",
        "It may come from processing or from an edit, and cannot decide between them.",
    ),
}
_MEANING_INSIDE = {
    Verdict.AUTHENTIC: (
        "This is what an untouched photograph shows.",
        "It gives no reason to doubt the picture.",
        "No sign of manipulation shows here, though not every edit leaves one.",
    ),
    Verdict.TAMPERED: _RESTS_ON_PICTURE,
    Verdict.SYNTHETIC: (
        "A generated picture can read as normal here, so the verdict rests on the picture itself.",
        "This does not rule out a generator, and the verdict rests on what the picture shows.",
    ),
    Verdict.INCONCLUSIVE: (
        "This is not enough to settle the question.",
        "It speaks neither for an edit nor against one, so the question stays open.",
    ),
}
_CAUSES = {
    "splice": "A piece brought in from another picture often differs in this way.",
    "composite": "Pieces put together from several pictures often differ in this way.",
    "copy_move": "A piece copied and moved within a picture often shows in this way.",
    "removal": "A spot where something was painted out often shows in this way.",
    "retouch": "A retouched spot often shows in this way.",
    "local_generation": "A spot filled in by a generator often shows in this way.",
    "text": "Lettering put in later often shows in this way.",
}


@dataclass(frozen=True, slots=True, eq=False)
class _Lesson:
    """What is true of the picture that an answer is taught for."""

    verdict: Verdict
    kind: str | None
    mask: NDArray[np.bool_]
    rng: np.random.Generator

    def pick(self, options: Sequence[str]) -> str:
        return options[int(self.rng.integers(len(options)))]

    def happens(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def overlaps(self, measurement: Measurement, place: str) -> bool:
        """Tell whether an anomaly in a place falls on the altered part."""
        if measurement.map is None or place == WHOLE:
            return False
        box = box_of(place, *self.mask.shape)
        anomalous = box.crop(measurement.map) >= measurement.map_threshold
        return bool((anomalous & box.crop(self.mask)).sum() > _OVERLAP * anomalous.sum())


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
    opener = lesson.pick(phrases.overall if place == WHOLE else phrases.local)
    sentence = _with_numbers(lesson, opener, place, measurement, _NUMBERS_OUTSIDE)
    if leads and lesson.overlaps(measurement, place):
        tail = lesson.pick(_MARKS_ALTERED)
        if lesson.kind in _CAUSES and lesson.happens(_CAUSE_SHARE):
            tail = f"{tail} {_CAUSES[lesson.kind]}"
    else:
        tail = _tail(lesson, measurement, leads, _MEANING_OUTSIDE)
    return Claim(measurement.instrument, Polarity.ANOMALOUS, place, f"{sentence} {tail}".rstrip())


def _ordinary_claim(lesson: _Lesson, measurement: Measurement, leads: bool) -> Claim:
    placed = measurement.map is not None and 0 < lesson.mask.mean() <= 0.5
    about_mask = placed and (leads or lesson.happens(_MASK_PLACE_SHARE))
    place = place_of_mask(lesson.mask) if about_mask else WHOLE
    opener = lesson.pick(_phrases_of(measurement).ordinary)
    sentence = _with_numbers(lesson, opener, place, measurement, _NUMBERS_INSIDE)
    if leads and place != WHOLE:
        tail = lesson.pick(_MISSES_ALTERED)
    else:
        tail = _tail(lesson, measurement, leads, _MEANING_INSIDE)
    return Claim(measurement.instrument, Polarity.NORMAL, place, f"{sentence} {tail}".rstrip())


def _silent_claim(lesson: _Lesson, measurement: Measurement, leads: bool) -> Claim:
    sentence = lesson.pick(_phrases_of(measurement).silent).format(name=measurement.instrument)
    tail = ""
    if leads and lesson.verdict in (Verdict.TAMPERED, Verdict.SYNTHETIC):
        tail = lesson.pick(_RESTS_ON_PICTURE)
    return Claim(measurement.instrument, Polarity.NORMAL, WHOLE, f"{sentence} {tail}".rstrip())


def _claim_elsewhere(lesson: _Lesson, measurement: Measurement) -> list[Claim]:
    """Return a claim that a reading anomalous in one ninth is ordinary in another, or none."""
    shape = lesson.mask.shape
    local = not cannot_tell(measurement) and place_of_anomaly(measurement, *shape) != WHOLE
    calm = [place for place in NINTHS if is_ordinary_in(measurement, place, *shape)]
    if not (local and measurement.anomalous and calm and lesson.happens(_ELSEWHERE_SHARE)):
        return []
    place = lesson.pick(calm)
    opener = lesson.pick(_phrases_of(measurement).ordinary)
    sentence = _with_numbers(lesson, opener, place, measurement, _NUMBERS_ELSEWHERE)
    return [Claim(measurement.instrument, Polarity.NORMAL, place, sentence)]


def _tail(lesson: _Lesson, measurement: Measurement, leads: bool, meanings: _Meanings) -> str:
    """Return what the reading means for the verdict, or what the instrument cannot see, or ""."""
    if leads:
        return lesson.pick(meanings[lesson.verdict])
    if lesson.happens(_LIMIT_SHARE):
        return lesson.pick(_phrases_of(measurement).limits)
    return ""


def _with_numbers(
    lesson: _Lesson, opener: str, place: str, measurement: Measurement, forms: Sequence[str]
) -> str:
    where = f"across the {WHOLE}" if place == WHOLE else f"in the {place}"
    opened = opener.format(where=where, degree=_degree(measurement), name=measurement.instrument)
    number = f"{format_value(measurement.value or 0.0)} {measurement.unit}".rstrip()
    value = _phrases_of(measurement).value.format(value=number)
    sentence = lesson.pick(forms).format(opener=opened, value=value, usual=_usual(measurement))
    return sentence[0].upper() + sentence[1:]


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


def _usual(measurement: Measurement) -> str:
    """Return the expected range as words that name only the bound that matters."""
    low, high = map(format_value, measurement.expected)
    value = measurement.value or 0.0
    if low == high:
        return low
    if value < measurement.expected[0]:
        return f"at least {low}"
    if value > measurement.expected[1] or measurement.expected[0] <= 0:
        return f"up to {high}"
    return f"{low} to {high}"
