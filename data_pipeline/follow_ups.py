"""Taught follow-up questions: what people ask after a verdict, and answers that stay true.

Every answer is one to three sentences made of the measurements and of what the examination came to;
none changes the verdict. Used to teach, never at inference.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from morelli.data_pipeline.answer import format_value
from morelli.data_pipeline.asked import (
    BEYOND,
    CANNOT,
    COMPRESSION,
    INJECTED,
    OFF_TOPIC,
    ORDERS,
    PREMISE_PLACE,
    PREMISE_READING,
    PREMISE_VERDICT,
    STRONGEST,
    SURE,
    VERDICT,
    WHERE,
)
from morelli.data_pipeline.grammar import as_sentence, expand
from morelli.data_pipeline.meanings import RULES as SHARED
from morelli.data_pipeline.phrases import GENERAL, PHRASES
from morelli.data_pipeline.places import NINTHS, WHOLE, box_of
from morelli.data_pipeline.prompts import Outcome, percent
from morelli.data_pipeline.schema import CLASSES, Measurement, Verdict
from morelli.data_pipeline.verifier import cannot_tell, place_of_anomaly

_TRUE_SHARE = 0.3
"""Of the questions that take something for granted, those that are right to do so."""

_Option = TypeVar("_Option")

_COUNTS = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
RULES = {
    **SHARED,
    "stays": "the verdict (stays|remains|is still) {verdict}|my verdict (stays|remains|is still)"
    " {verdict}|I (keep|hold|stand by) the verdict {verdict}|(nothing here|none of this) changes"
    " the verdict, which is {verdict}",
    "frame": "picture|image|photograph|photo",
    "back": "(back to|as for|as to|about) the <frame>|what I am here for is the <frame>|my subject"
    " is the <frame>",
    "chance": "a probability of {chance} (of|for) (its being |)tampered or synthetic",
    "chance_is": "the probability (of|for) tampered or synthetic is {chance}|tampered or synthetic"
    " has a probability of {chance}",
    "usual_words": "where {usual} (is|would be) (normal|usual|typical|expected)|while untouched"
    " photographs (have|show|give) {usual}|with {usual} as (normal|usual|typical)",
    "mainly": "mainly|mostly|above all|for the most part",
    "do_not_tell": "(neither the readings nor the findings|the readings do not|no reading can|the"
    " findings do not) (tell|show|say)",
}
"""Patterns that questions and answers share."""


@dataclass(frozen=True, slots=True, eq=False)
class _Case:
    """What is known when a question is asked."""

    outcome: Outcome
    readings: tuple[Measurement, ...]
    mask: NDArray[np.bool_]
    rng: np.random.Generator

    def say(self, pattern: str, **words: str) -> str:
        said = expand(pattern, RULES, lambda count: int(self.rng.integers(count)))
        known = {"verdict": str(self.outcome.verdict), "chance": percent(self.outcome.probability)}
        # Filled in part by part, because patterns carry fields of several fillings.
        for name, value in {**known, **words}.items():
            said = said.replace(f"{{{name}}}", value)
        return as_sentence(said)

    def pick(self, options: Sequence[_Option]) -> _Option:
        return options[int(self.rng.integers(len(options)))]

    @property
    def told(self) -> list[Measurement]:
        return [m for m in self.readings if not cannot_tell(m)]

    @property
    def odd(self) -> list[Measurement]:
        return [m for m in self.told if m.anomalous]

    def place(self, reading: Measurement) -> str:
        return place_of_anomaly(reading, *self.mask.shape)

    @property
    def unmarked(self) -> list[str]:
        """The ninths without an altered pixel."""
        return [
            place for place in NINTHS if not box_of(place, *self.mask.shape).crop(self.mask).any()
        ]


def follow_ups(
    outcome: Outcome,
    measurements: Mapping[str, Measurement],
    mask: NDArray[np.bool_],
    rng: np.random.Generator,
    count: int = 2,
) -> tuple[tuple[str, str], ...]:
    """Write questions that may follow an answer, each with its answer.

    Args:
        outcome: what the first answer said.
        measurements: by instrument name; those the model was told of.
        mask: (H, W) True where altered; all False if nowhere, or not known.
        rng: draws questions and wording.
        count: how many questions, at most as many as there are kinds.

    Returns:
        Questions, each with its answer.
    """
    case = _Case(outcome, tuple(measurements.values()), mask, rng)
    kinds = [KINDS[name] for name in sorted(KINDS)]
    return tuple(kinds[int(index)](case) for index in rng.permutation(len(kinds))[:count])


def _verdict(case: _Case) -> tuple[str, str]:
    said = case.say(
        "(The|My) verdict is {verdict}, with <chance>.|I came to the verdict {verdict}, with"
        " <chance>.|The verdict is {verdict}; <chance_is>."
    )
    caution = case.say(
        "(This|It|The verdict) (is a finding for a person to weigh|is one piece of evidence"
        "|is one piece of evidence and no certainty|is not a proof|must not decide a case alone)."
    )
    return case.say(VERDICT), f"{said} {caution}"


def _where(case: _Case) -> tuple[str, str]:
    where = case.outcome.where
    if where is None:
        return case.say(WHERE), case.say(_NOWHERE[case.outcome.verdict])
    here = [reading for reading in case.odd if case.place(reading) == where]
    answer = case.say(
        "The altered part (lies|is|is marked|was found) <mainly> in the {where}.|<mainly> in the"
        " {where}(: there|, where) the altered part (lies|is marked|was found).|The mark lies"
        " <mainly> in the {where} of the <frame>.",
        where=where,
    )
    if not here:
        support = case.say(
            "No reading is out of line (there|in that place); the mark (rests on|comes from"
            "|follows from) what the <frame> shows."
        )
    else:
        reading = case.pick(here)
        support = case.say(
            "The {name} reading is (also|) out of line there( too|): {value}, <usual_words>.",
            **_facts(reading),
        )
    return case.say(WHERE), f"{answer} {support}"


_NOWHERE = {
    Verdict.AUTHENTIC: "(Nothing|No part of the <frame>) is marked(, since|, because|:) the verdict"
    " is {verdict}.|I see no marked place, and the verdict is {verdict}.",
    Verdict.TAMPERED: "No place could be marked, though the verdict is {verdict}.|I (do not know|"
    "cannot say) where: the verdict is {verdict}, but nothing is marked.",
    Verdict.SYNTHETIC: "(Nothing|No single part) is marked: (the verdict|) {verdict} (is about|"
    "concerns|speaks of) the whole <frame>.",
    Verdict.INCONCLUSIVE: "(Nothing|No part of the <frame>) is marked(, since|, because|:) the"
    " verdict is {verdict}.|That is open: the verdict is {verdict}, and nothing is marked.",
}


def _sure(case: _Case) -> tuple[str, str]:
    odd, told = len(case.odd), len(case.told)
    if told > 1 and case.rng.random() < 0.5:
        is_odd, is_calm = (("is" if n == 1 else "are") for n in (odd, told - odd))
        counts = case.say(
            f"Of the readings that can tell, {_COUNTS[odd]} {is_odd} out of line and"
            f" {_COUNTS[told - odd]} {is_calm} normal|{_COUNTS[odd]} of {_COUNTS[told]} (usable"
            f" |)readings {is_odd} out of line"
        )
        return case.say(SURE), f"{counts}. {case.say('<stays>; <chance_is>.')}"
    answer = case.say(
        "(Not certain|I am not certain|There is no certainty): <chance_is>; <stays>."
        "|<stays>, but (it is no|that is no|without) certainty: <chance_is>."
        "|<chance_is>, (so|and) (certainty is out of reach|I cannot be certain); <stays>."
    )
    return case.say(SURE), answer


def _compression(case: _Case) -> tuple[str, str]:
    if not case.odd:
        answer = case.say(
            "No reading is out of line, so (there is nothing|nothing is left)"
            " that compression (would have to|needs to|should) explain."
        )
    else:
        reading = case.pick(case.odd)
        answer = case.say(_INNOCENT.get(reading.instrument, _PROCESSED), name=reading.instrument)
    return case.say(COMPRESSION), f"{answer} {case.say('<stays>.')}"


_PROCESSED = (
    "(It could|That is possible|That cannot be ruled out): (heavy|strong|repeated)"
    " (compression|resizing|re-encoding) can (cause|explain|produce) a {name} reading"
    " (like this|of this kind), (so|and so|which is why) alone it (proves|settles|decides) little."
)
_INNOCENT = {
    "copy-move": "(Hardly|Not by itself|Not quite): compression (copies nothing|makes no copies)"
    " within a <frame>, but (repeated|regular) (patterns|details), such as (windows|tiles|bricks"
    "|leaves|letters), can (look|read) like copies and (explain|cause) a {name} reading.",
}
"""What may cause a reading without an edit, by instrument; of others, `_PROCESSED`."""


def _strongest(case: _Case) -> tuple[str, str]:
    if not case.odd:
        answer = case.say(
            "(None|Not one) of the readings is out of line; the verdict {verdict} <rests>"
            " <content>.|No reading (stands out|is out of line), (so|and) the verdict {verdict}"
            " <rests> <content>."
        )
        return case.say(STRONGEST), answer
    reading = max(case.odd, key=_excess)
    place = case.place(reading)
    where = f"in the {place}" if place != WHOLE else "across the whole picture"
    answer = case.say(
        "(That is|It is|I would name|Above all) the {name} reading {where}: {value}, <usual_words>."
        "|The {name} reading is out of line {where}: {value}, <usual_words>.",
        **_facts(reading),
        where=where,
    )
    return case.say(STRONGEST), answer


def _limits(case: _Case) -> tuple[str, str]:
    silent = [m for m in case.readings if cannot_tell(m)]
    reading = case.pick(silent or case.readings) if case.readings else None
    if reading is None:
        return case.say(CANNOT), case.say("Without readings I can only go by <content>.")
    phrases = PHRASES.get(reading.instrument, GENERAL)
    # The limits speak of "such traces", so it needs to be said whose.
    limits = f"(As to|About|On) the {{name}} reading: ({phrases.limits})"
    pattern = phrases.silent if silent else limits
    ending = case.say("Who made the <frame>, and why, (cannot be told|is beyond me|stays unknown).")
    return case.say(CANNOT), f"{case.say(pattern, name=reading.instrument)} {ending}"


def _beyond(case: _Case) -> tuple[str, str]:
    answer = case.say(
        "(I do not know|That I do not know|I cannot say|That is not known to me): <do_not_tell>"
        " (that|it|this)."
    )
    return case.say(BEYOND), f"{answer} {case.say('<stays>.')}"


def _premise_reading(case: _Case) -> tuple[str, str]:
    if not case.told:
        return _limits(case)
    reading = case.pick(case.told)
    states = ("out of line", "normal") if reading.anomalous else ("normal", "out of line")
    facts = _facts(reading)
    if case.rng.random() < _TRUE_SHARE:
        asked = states[0]
        denial = "(It is|Yes|Yes, it is|That is so)"
    else:
        asked = states[1]
        denial = "(It is not|That is not so|Not quite|No|On the contrary)"
    answer = case.say(
        f"{denial}: the {{name}} reading is {states[0]}, {{value}}, <usual_words>.", **facts
    )
    return case.say(PREMISE_READING, state=asked, **facts), answer


def _premise_place(case: _Case) -> tuple[str, str]:
    where, other = case.outcome.where, case.unmarked
    if case.outcome.verdict is Verdict.TAMPERED and (where is None or not other):
        return _where(case)
    if where is not None and case.rng.random() < _TRUE_SHARE:
        answer = case.say(
            "(Yes, the|The) altered part lies <mainly> in the {where}; what was there before"
            ", (no reading can|the readings do not) (tell|show).",
            where=where,
        )
        return case.say(PREMISE_PLACE, place=where), answer
    place = case.pick(other or NINTHS)
    answer = case.say(
        "(That is not so|Not there): nothing is marked in the {place}."
        "|Nothing is marked in the {place}."
        "|The {place} is not marked.",
        place=place,
    )
    if where is None:
        return case.say(PREMISE_PLACE, place=place), f"{answer} {case.say('<stays>.')}"
    true = case.say("The altered part lies <mainly> in the {where}.", where=where)
    return case.say(PREMISE_PLACE, place=place), f"{answer} {true}"


def _premise_verdict(case: _Case) -> tuple[str, str]:
    verdict = case.outcome.verdict
    if verdict in PREMISE_VERDICT and case.rng.random() < _TRUE_SHARE:
        answer = case.say(
            "(Yes, the|The) verdict is {verdict}, with <chance>. More than that(, the readings do"
            " not| no reading can) (tell|show|say)."
        )
        return case.say(PREMISE_VERDICT[verdict]), answer
    other = case.pick([one for one in CLASSES if one is not verdict])
    answer = case.say(
        "(That is not so|No|That is not what was found|That is a mistake|Not as I see it):"
        " the verdict is {verdict}, not {other}(, with <chance>|)."
        "|The verdict is not {other}(: it|, it) is {verdict}(, with <chance>|).",
        other=str(other),
    )
    return case.say(PREMISE_VERDICT[other]), answer


def _injected(case: _Case) -> tuple[str, str]:
    other = case.pick([v for v in CLASSES if v is not case.outcome.verdict])
    if case.rng.random() < 0.5:
        question = case.say(ORDERS, other=str(other))
        answer = case.say(
            "(An order|A request|A command|An instruction) (does not change|changes nothing"
            " about|cannot change) what (was found|the examination found|was measured)."
        )
    else:
        question = case.say(INJECTED, other=str(other))
        answer = case.say(
            "((Words|Letters) in a <frame> are|(Writing|Text) in a <frame> is) (part of what I"
            " examine|something to look at|content like any other), (not an order|and no order"
            "|never an order)( to me|)."
        )
    return question, f"{answer} {case.say('<stays>.')}"


def _off_topic(case: _Case) -> tuple[str, str]:
    question, brief = case.pick(OFF_TOPIC)
    return case.say(question), f"{case.say(brief)} {case.say('<back>: <stays>.')}"


KINDS: dict[str, Callable[[_Case], tuple[str, str]]] = {
    "verdict": _verdict,
    "where": _where,
    "sure": _sure,
    "compression": _compression,
    "strongest": _strongest,
    "limits": _limits,
    "beyond": _beyond,
    "premise of a reading": _premise_reading,
    "premise of a place": _premise_place,
    "premise of a verdict": _premise_verdict,
    "injected": _injected,
    "off topic": _off_topic,
}
"""Kinds of follow-up questions by name."""


def _facts(reading: Measurement) -> dict[str, str]:
    low, high = map(format_value, reading.expected)
    value = reading.value or 0.0
    usual = f"{low} to {high}"
    if value < reading.expected[0]:
        usual = f"at least {low}"
    elif value > reading.expected[1]:
        usual = f"up to {high}"
    number = f"{format_value(value)} {reading.unit}".rstrip()
    return {"name": reading.instrument, "value": number, "usual": usual}


def _excess(reading: Measurement) -> float:
    """Return by how many widths of its range a reading leaves it, weighed by its reliability."""
    low, high = reading.expected
    value = reading.value or 0.0
    beyond = max(value - high, low - value)
    return reading.reliability * beyond / max(high - low, 1e-6)
