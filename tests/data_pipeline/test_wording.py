from dataclasses import replace

import numpy as np
import pytest

from morelli.data_pipeline.grammar import as_sentence, expand
from morelli.data_pipeline.instruments import INSTRUMENTS
from morelli.data_pipeline.meanings import (
    MEANING_INSIDE,
    NUMBERS_BRIEF,
    NUMBERS_ELSEWHERE,
    NUMBERS_INSIDE,
    NUMBERS_OUTSIDE,
    RESTS_ON_PICTURE,
    RULES,
)
from morelli.data_pipeline.phrases import GENERAL, PHRASES
from morelli.data_pipeline.places import WHOLE
from morelli.data_pipeline.schema import Claim, Measurement, Polarity, Status
from morelli.data_pipeline.verifier import verify
from morelli.data_pipeline.wording import polarities_of, strength_of

ODD, CALM = Polarity.ANOMALOUS, Polarity.NORMAL
DEGREES = ("much stronger", "stronger", "weaker", "of another strength")
SIDE = 30


class Speaker:
    """Says patterns at random, always the same ones."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)

    def say(self, pattern: str) -> str:
        return as_sentence(expand(pattern, RULES, lambda n: int(self.rng.integers(n))))

    def opener(self, name: str, polarity: Polarity) -> tuple[str, str]:
        """Return a place, and a taught clause on an instrument's reading there."""
        phrases = PHRASES.get(name, GENERAL)
        place = "lower left" if self.rng.random() < 0.5 else WHOLE
        where = self.say("<where_whole>" if place == WHOLE else "<where_ninth>").lower()
        pattern = phrases.overall if place == WHOLE else phrases.local
        clause = self.say(phrases.ordinary if polarity is CALM else pattern).format(
            where=where.format(place=place),
            degree=DEGREES[int(self.rng.integers(len(DEGREES)))],
            name=name,
        )
        return place, clause


def reading(name: str, odd: bool) -> Measurement:
    """Return a reading that is out of the ordinary in the lower left, or nowhere."""
    heat = np.zeros((SIDE, SIDE), np.float32)
    heat[-10:, :10] = odd
    statement = f"The {name} reading is read."
    return Measurement(name, 3.0 if odd else 1.0, "times", (0.5, 2.0), 0.9, statement, heat)


@pytest.mark.parametrize("polarity", Polarity)
@pytest.mark.parametrize("name", INSTRUMENTS)
def test_every_taught_phrase_is_contradicted_under_the_opposite_header(
    name: str, polarity: Polarity
) -> None:
    speaker = Speaker()
    other = CALM if polarity is ODD else ODD
    # All but the words speaks for the opposite header.
    fits = reading(name, odd=other is ODD)
    for _ in range(120):
        place, clause = speaker.opener(name, polarity)
        claim = Claim(name, other, place, f"{clause}.")
        status, reason = verify(claim, {name: fits}, SIDE, SIDE)
        assert status is Status.CONTRADICTED, claim
        assert reason.startswith("The words tell of"), claim
        true = replace(claim, polarity=polarity)
        assert verify(true, {name: reading(name, polarity is ODD)}, SIDE, SIDE)[0] is (
            Status.CONFIRMED
        ), true


@pytest.mark.parametrize("name", [*PHRASES, "spectrum"])
def test_numbers_and_meanings_do_not_turn_what_is_said(name: str) -> None:
    speaker, phrases = Speaker(1), PHRASES.get(name, GENERAL)
    tails = [*MEANING_INSIDE.values(), RESTS_ON_PICTURE, phrases.limits]
    for number in range(150):
        for polarity, forms in (
            (CALM, (NUMBERS_INSIDE, NUMBERS_BRIEF, NUMBERS_ELSEWHERE)),
            (ODD, (NUMBERS_OUTSIDE, NUMBERS_BRIEF)),
        ):
            _, opener = speaker.opener(name, polarity)
            value = speaker.say(phrases.value).format(value="3 times").lower()
            said = speaker.say(forms[number % len(forms)]).format(
                opener=opener, value=value, usual="0.5 to 2"
            )
            assert polarities_of(said)[0] is polarity, said
            if polarity is CALM:
                said = f"{said} {speaker.say(tails[number % len(tails)])}"
                assert ODD not in polarities_of(said), said


def test_what_an_instrument_cannot_tell_tells_of_nothing_odd() -> None:
    speaker = Speaker(2)
    for phrases in (*PHRASES.values(), GENERAL):
        for _ in range(200):
            said = speaker.say(phrases.silent).format(name="spectrum")
            assert ODD not in polarities_of(said), said


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("The grain there is of another strength than in the rest, 1.07 times.", (ODD,)),
        ("The grain is not of another strength.", (CALM,)),
        ("The grain isn't even.", (ODD,)),
        ("No patch turns up again.", (CALM,)),
        ("A patch turns up again.", (ODD,)),
        ("The grain is even; in the centre it is stronger.", (CALM, ODD)),
        ("Nothing in the grain is odd, but a patch recurs.", (CALM, ODD)),
        ("The search for repeated details finds none.", ()),
        ("The value is 1.07 times.", ()),
        ("The reading there: 1.39 times, where up to 1 would be normal.", ()),
        ("It reads 1.39, and 0.5 to 1 is usual; the grain is normal.", (CALM,)),
    ],
)
def test_what_is_said_is_told_clause_by_clause(text: str, told: tuple[Polarity, ...]) -> None:
    assert polarities_of(text) == told


def test_a_text_has_a_strength_if_it_says_just_one() -> None:
    assert strength_of("The grain is much stronger.") == "stronger"
    assert strength_of("It has less noise.") == "weaker"
    assert strength_of("It is stronger here and weaker there.") is None
    assert strength_of("It is read.") is None
