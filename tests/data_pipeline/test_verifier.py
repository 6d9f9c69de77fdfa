from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morelli.data_pipeline.answer import format_value
from morelli.data_pipeline.places import NINTHS, PLACES, WHOLE, box_of
from morelli.data_pipeline.schema import (
    Answer,
    Claim,
    Finding,
    Measurement,
    Polarity,
    Status,
    Verdict,
)
from morelli.data_pipeline.verifier import (
    cited,
    claim_precision,
    contradiction_rate,
    findings,
    mask_coverage,
    place_of_anomaly,
    rationale_of,
    unverified_share,
    verify,
    withhold_misplaced,
    without_citations,
)

HEIGHT, WIDTH = 60, 90


def _map_of(*places: str) -> np.ndarray:
    anomaly = np.zeros((HEIGHT, WIDTH), np.float32)
    for place in places:
        box_of(place, HEIGHT, WIDTH).crop(anomaly)[:] = 1
    return anomaly


def _reading(value: float | None = 3.41, *places: str, **changes: Any) -> Measurement:
    reliability = 0.0 if value is None else 0.9
    statement = "It has 3.41 times more noise than the rest."
    reading = Measurement("noise", value, "times", (0.2, 1.8), reliability, statement)
    return replace(reading, map=_map_of(*places), **changes)


def _claim(sentence: str, place: str = WHOLE, polarity: Polarity = Polarity.ANOMALOUS) -> Claim:
    return Claim("noise", polarity, place, sentence)


def _status(claim: Claim, reading: Measurement) -> Status:
    status, reason = verify(claim, {reading.instrument: reading}, HEIGHT, WIDTH)
    assert reason.endswith(".")
    return status


def _normal(place: str) -> Claim:
    return _claim("The grain is even.", place, Polarity.NORMAL)


def test_an_anomaly_is_confirmed_only_where_it_is() -> None:
    reading = _reading(3.41, "lower left")
    for place in PLACES:
        wanted = Status.CONFIRMED if place in ("lower left", WHOLE) else Status.CONTRADICTED
        assert _status(_claim("The grain differs.", place), reading) is wanted


def test_a_small_anomaly_counts_where_a_third_of_it_lies() -> None:
    anomaly = np.zeros((HEIGHT, WIDTH), np.float32)
    anomaly[0, 0] = 1
    reading = replace(_reading(), map=anomaly)
    assert _status(_claim("The grain differs.", "upper left"), reading) is Status.CONFIRMED


def test_an_anomaly_inside_the_expected_range_is_contradicted_everywhere() -> None:
    for place in PLACES:
        claim = _claim("The grain differs.", place)
        assert _status(claim, _reading(1.0, "lower left")) is Status.CONTRADICTED


def test_normality_is_confirmed_in_range_or_where_the_map_is_calm() -> None:
    assert _status(_normal(WHOLE), _reading(1.0)) is Status.CONFIRMED
    reading = _reading(3.41, "lower left")
    assert _status(_normal("upper right"), reading) is Status.CONFIRMED
    assert _status(_normal("lower left"), reading) is Status.CONTRADICTED


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(NINTHS))
def test_no_place_is_both_anomalous_and_normal(seed: int, place: str) -> None:
    rng = np.random.default_rng(seed)
    anomaly = (rng.random((HEIGHT, WIDTH)) < 10 ** rng.uniform(-4, 0)).astype(np.float32)
    reading = replace(_reading(), map=anomaly)
    anomalous = _status(_claim("The grain differs.", place), reading)
    assert {anomalous, _status(_normal(place), reading)} != {Status.CONFIRMED}


def test_a_picture_with_a_tiny_anomaly_is_not_wholly_normal() -> None:
    anomaly = np.zeros((HEIGHT, WIDTH), np.float32)
    anomaly[0, 0] = 1
    assert _status(_normal(WHOLE), replace(_reading(), map=anomaly)) is Status.CONTRADICTED


@pytest.mark.parametrize(
    "reading",
    [_reading(None), replace(_reading(), reliability=0.2), replace(_reading(), instrument="jpeg")],
)
def test_what_no_instrument_can_tell_is_unverified(reading: Measurement) -> None:
    assert _status(_claim("The grain differs 9 times."), reading) is Status.UNVERIFIED


def test_an_instrument_without_a_map_speaks_only_of_the_whole_picture() -> None:
    reading = replace(_reading(), map=None)
    assert _status(_claim("The grain differs."), reading) is Status.CONFIRMED
    assert _status(_claim("The grain differs.", "centre"), reading) is Status.UNVERIFIED
    assert _status(_claim("It differs in the centre."), reading) is Status.UNVERIFIED


def test_every_place_that_the_words_name_must_hold() -> None:
    reading = _reading(3.41, "lower left")
    away = _claim("The grain in the upper right differs.", "lower left")
    assert _status(away, reading) is Status.CONTRADICTED
    hidden = _claim("The grain in the upper right differs.", WHOLE)
    assert _status(hidden, reading) is Status.CONTRADICTED


@pytest.mark.parametrize(
    ("words", "true"),
    [
        ("3.41 times", True),
        ("3.4 times", True),
        ("3 times", True),
        ("3.5 times", False),
        ("4 times", False),
        ("3.410 times", True),
        ("3.42 times", False),
        ("9.5x as strong", False),
        ("up to 1.8 is normal", True),
        ("up to 3.41 is normal", False),
        ("at least 0.2 is normal", True),
        ("between 0.2 and 1.8", True),
        ("a reliability of 0.9", True),
        ("a level of 0.9", False),
        ("40 pixels to the left", True),
        ("-40 pixels", True),
        ("-41 pixels", False),
        ("1,250 blocks", True),
        ("1,350 blocks", False),
        ("25% of blocks", True),
        ("7 of them", False),  # it stands only in a table
        (".5 times", False),
    ],
)
def test_numbers_must_be_ones_that_the_measurement_offers(words: str, true: bool) -> None:
    details = {"shift": [-40, 12], "blocks": 1250, "share": 0.25, "table": [7] * 64, "flag": True}
    reading = _reading(3.41, details=details)
    wanted = Status.CONFIRMED if true else Status.CONTRADICTED
    assert _status(_claim(f"The grain differs, {words}."), reading) is wanted


@settings(deadline=None)
@given(st.floats(1e-4, 1e5))
def test_a_number_as_the_program_prints_it_is_always_true(value: float) -> None:
    reading = _reading(value, expected=(0.0, 0.0))
    assert _status(_claim(f"It is {format_value(value)} times."), reading) is Status.CONFIRMED


@settings(deadline=None)
@given(st.floats(0.01, 1e4), st.floats(1.2, 10))
def test_a_number_that_is_off_by_a_fifth_or_more_is_false(value: float, factor: float) -> None:
    reading = _reading(value, expected=(0.0, 0.0))
    claim = _claim(f"It is {value * factor:.6f} times.")
    assert _status(claim, reading) is Status.CONTRADICTED


def test_words_for_strength_must_agree_with_the_statement() -> None:
    assert _status(_claim("The grain is stronger."), _reading()) is Status.CONFIRMED
    assert _status(_claim("The grain is weaker."), _reading()) is Status.CONTRADICTED
    neutral = replace(_reading(), statement="The noise differs.")
    assert _status(_claim("The grain is weaker."), neutral) is Status.CONFIRMED


def test_the_side_of_the_expected_range_must_be_right() -> None:
    assert _status(_claim("The grain is above normal."), _reading()) is Status.CONFIRMED
    assert _status(_claim("The grain is below normal."), _reading()) is Status.CONTRADICTED


def test_words_that_turn_the_header_round_are_contradicted() -> None:
    odd = _claim("The grain stands out.", WHOLE, Polarity.NORMAL)
    assert _status(odd, _reading(1.0)) is Status.CONTRADICTED
    assert _status(_claim("The grain is ordinary."), _reading()) is Status.CONTRADICTED
    calm = _claim("Nothing in the grain stands out.", WHOLE, Polarity.NORMAL)
    assert _status(calm, _reading(1.0)) is Status.CONFIRMED


@settings(deadline=None)
@given(st.sets(st.sampled_from(NINTHS)), st.floats(0, 4))
def test_the_place_shown_for_an_anomaly_is_confirmed(places: set[str], value: float) -> None:
    reading = _reading(value, *places)
    claim = _claim("The grain differs.", place_of_anomaly(reading, HEIGHT, WIDTH))
    wanted = Status.CONFIRMED if reading.anomalous else Status.CONTRADICTED
    assert _status(claim, reading) is wanted


def test_an_anomaly_over_most_of_the_picture_has_no_place() -> None:
    assert place_of_anomaly(_reading(3.41, *NINTHS), HEIGHT, WIDTH) == WHOLE
    assert place_of_anomaly(_reading(3.41), HEIGHT, WIDTH) == WHOLE


def _findings() -> tuple[Finding, ...]:
    claims = (
        _claim("The grain differs.", "lower left"),
        _claim("The grain differs here!", "centre"),
        Claim("spectrum", Polarity.NORMAL, WHOLE, "No peaks."),
    )
    answer = Answer(Verdict.TAMPERED, claims)
    return findings(answer, {"noise": _reading(3.41, "lower left")}, HEIGHT, WIDTH)


def test_findings_keep_the_order_the_numbers_and_the_boxes() -> None:
    made = _findings()
    assert [f.id for f in made] == ["F1", "F2", "F3"]
    wanted = [Status.CONFIRMED, Status.CONTRADICTED, Status.UNVERIFIED]
    assert [f.status for f in made] == wanted
    assert made[0].box == box_of("lower left", HEIGHT, WIDTH)
    assert (made[0].value, made[0].expected, made[0].unit) == (3.41, (0.2, 1.8), "times")
    assert (made[2].box, made[2].value, made[2].reliability) == (None, None, 0.0)


def test_a_rationale_cites_every_finding_once_in_order() -> None:
    text = rationale_of(_findings())
    assert text == "The grain differs [F1]. The grain differs here [F2]! No peaks [F3]."
    assert cited(text) == ("F1", "F2", "F3")
    assert cited("[F0] [G1] [F12]") == ("F12",)
    assert without_citations(text) == "The grain differs. The grain differs here! No peaks."


def test_findings_are_read_back_from_a_report_as_they_were() -> None:
    made = _findings()
    assert tuple(Finding.from_json(one.as_json()) for one in made) == made
    assert made[0].claim == _claim("The grain differs.", "lower left")
    with pytest.raises(ValueError, match="maybe"):
        Finding.from_json(made[0].as_json() | {"status": "maybe"})


def test_the_shares_count_each_status() -> None:
    made = _findings()
    assert claim_precision(made) == pytest.approx(1 / 2)
    assert unverified_share(made) == pytest.approx(1 / 3)
    assert contradiction_rate(made) == pytest.approx(1 / 3)
    assert claim_precision(()) == unverified_share(()) == contradiction_rate(()) == 0.0


def test_coverage_counts_only_places_of_confirmed_anomalies() -> None:
    mask = _map_of("lower left", "centre") > 0
    assert mask_coverage(_findings(), mask) == pytest.approx(0.5)
    whole = Answer(Verdict.TAMPERED, (_claim("The grain differs."),))
    made = findings(whole, {"noise": _reading(3.41, "centre")}, HEIGHT, WIDTH)
    assert mask_coverage(made, mask) == 0.0
    with pytest.raises(ValueError, match="empty"):
        mask_coverage(made, np.zeros_like(mask))


def test_the_altered_part_is_not_said_to_be_where_the_mask_is_empty() -> None:
    claims = tuple(_claim(f"The altered part lies there, {i}.", p) for i, p in enumerate(PLACES))
    other = _claim("The grain differs.", "upper right")
    answer = Answer(Verdict.TAMPERED, (*claims, other), withheld=1)
    kept = withhold_misplaced(answer, _map_of("lower left") > 0)
    assert [claim.place for claim in kept.claims] == ["lower left", WHOLE, "upper right"]
    assert kept.withheld == 1 + 8
