from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from morelli.data_pipeline.places import NINTHS, WHOLE, box_of
from morelli.data_pipeline.schema import Finding, Polarity, Status, Verdict
from morelli.eval.claims import AnswerReading, Words, answer_record

SIZE = (90, 120)


def finding(
    place: str = WHOLE, polarity: str = "anomalous", status: str = "confirmed",
    statement: str = "The grain differs here.",
) -> Finding:  # fmt: skip
    box = None if place == WHOLE else box_of(place, *SIZE)
    return Finding(
        "F1", "noise", Polarity(polarity), place, box, statement, 3.0, (0.2, 1.8), "times", 0.9,
        Status(status), "so it reads",
    )  # fmt: skip


def words(*findings: Finding, withheld: int = 0) -> Words:
    text = " ".join(one.statement for one in findings)
    return Words.from_json(answer_record(text, withheld, findings))


def mask_in(*places: str) -> Any:
    mask = np.zeros(SIZE, bool)
    for place in places:
        box_of(place, *SIZE).crop(mask)[:] = True
    return mask


def read(
    spoken: Words, verdict: Verdict = Verdict.TAMPERED, truth: Any = None, shown: Any = None
) -> AnswerReading:
    return AnswerReading.of(spoken, verdict, truth, shown)


def test_what_was_written_down_is_read_back() -> None:
    made = (finding("upper left"), finding(status="unverified"))
    record = answer_record("The grain differs here [F1]. The grain differs here [F2].", 2, made)
    assert Words.from_json(record).findings == made
    one = read(Words.from_json(record))
    assert (one.confirmed, one.unverified, one.claims, one.withheld, one.words) == (1, 1, 2, 2, 8)
    with pytest.raises(ValueError, match="no such place 'attic'"):
        words(replace(finding(), place="attic"))


def test_location_words_point_at_the_ninth_that_holds_the_centre_of_the_mask() -> None:
    truth = mask_in("upper left", "upper right")  # its centre lies in the upper centre
    assert read(words(finding("upper centre")), truth=truth).pointed == 1.0
    assert read(words(finding("upper left")), truth=truth).pointed == 0.0
    both = words(finding("upper centre"), finding("lower left"))
    assert read(both, truth=truth).pointed == 0.5
    named = finding(WHOLE, statement="It differs in the upper centre, not in the lower left.")
    assert read(words(named), truth=truth).pointed == 0.5
    for silent in (
        finding(),
        finding("centre", "normal"),
        finding("centre", status="contradicted"),
    ):
        assert read(words(silent), truth=truth).pointed is None
    assert read(words(finding("centre")), truth=np.zeros(SIZE, bool)).pointed is None


def test_an_ordinary_reading_points_where_it_speaks_of_the_altered_part() -> None:
    said = finding("lower left", "normal", statement="The altered part lies there, unseen.")
    assert read(words(said), truth=mask_in("lower left")).pointed == 1.0


def test_places_of_anomalies_are_held_against_the_true_mask() -> None:
    truth = mask_in("lower left", "lower centre")
    said = words(
        finding("lower left"),
        finding("lower left"),
        finding("upper right"),
        finding("lower centre", status="contradicted"),
        finding("lower centre", "normal"),
        finding(),
    )
    one = read(said, truth=truth)
    assert (one.placed, one.placed_right, one.covered) == (3, 2, 0.5)
    clean = read(said, Verdict.AUTHENTIC, np.zeros(SIZE, bool))
    assert (clean.placed, clean.placed_right, clean.covered) == (3, 0, None)
    unknown = read(said)
    assert (unknown.placed, unknown.placed_right, unknown.covered) == (None, None, None)


def test_a_touch_of_the_altered_part_makes_a_place_no_true_one() -> None:
    truth = mask_in("centre")
    truth[0, 0] = True
    one = read(words(finding("upper left"), finding("centre")), truth=truth)
    assert (one.placed, one.placed_right) == (2, 1)


def test_an_answer_without_a_sentence_agrees_with_nothing_and_backs_nothing() -> None:
    for verdict in Verdict:
        one = read(words(withheld=1), verdict)
        assert not one.agrees
        assert not one.supported


@pytest.mark.parametrize(
    ("verdict", "statement", "agrees"),
    [
        ("authentic", "This picture is genuine.", True),
        ("authentic", "This picture was altered.", False),
        ("authentic", "It lies on the altered part.", False),
        ("synthetic", "This picture is genuine.", False),
        ("tampered", "The grain differs.", True),
    ],
)
def test_words_that_deny_the_verdict_disagree(verdict: str, statement: str, agrees: bool) -> None:
    said = words(finding("centre", "normal", statement=statement))
    assert read(said, Verdict(verdict), shown=mask_in("centre")).agrees is agrees


def test_words_on_the_altered_part_agree_only_with_a_mask_that_reaches_there() -> None:
    said = words(finding("centre", statement="The altered part lies there."))
    assert read(said, shown=mask_in("centre")).agrees
    assert not read(said, shown=mask_in("lower left")).agrees
    assert not read(said, shown=np.zeros(SIZE, bool)).agrees
    struck = words(replace(said.findings[0], status=Status.CONTRADICTED))
    assert read(struck, shown=mask_in("lower left")).agrees


@pytest.mark.parametrize(
    ("verdict", "polarity", "status", "supported"),
    [
        ("tampered", "anomalous", "confirmed", True),
        ("synthetic", "anomalous", "unverified", True),
        ("tampered", "anomalous", "contradicted", False),
        ("tampered", "normal", "confirmed", False),
        ("authentic", "normal", "confirmed", True),
        ("authentic", "anomalous", "unverified", True),
        ("authentic", "anomalous", "confirmed", False),
        ("inconclusive", "anomalous", "confirmed", True),
    ],
)
def test_a_verdict_is_backed_by_claims_that_stand(
    verdict: str, polarity: str, status: str, supported: bool
) -> None:
    said = words(finding("centre", polarity, status))
    assert read(said, Verdict(verdict)).supported is supported


def test_every_ninth_is_pointed_at_by_its_own_name() -> None:
    for place in NINTHS:
        assert read(words(finding(place)), truth=mask_in(place)).pointed == 1.0
