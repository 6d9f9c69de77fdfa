import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from morelli.data_pipeline.schema import CLASSES, Verdict
from morelli.model.calibration import FILE, Calibrator, map_peak, wilson

LOGITS = st.tuples(*[st.floats(-30, 30)] * 3)


def _fitted(**changes: object) -> Calibrator:
    scores = tuple(np.linspace(0, 1, 400).tolist())
    settings = {"scores": scores, "manipulated": tuple(int(s > 0.5) for s in scores)}
    return Calibrator(**{**settings, **changes})  # type: ignore[arg-type]


@given(LOGITS, st.floats(0.01, 0.99))
def test_probabilities_sum_to_one_and_lie_in_their_interval(
    logits: tuple[float, float, float], prior: float
) -> None:
    decision = _fitted().decide(np.array(logits), prior)
    manipulated = 1 - decision.probability["authentic"]
    assert sum(decision.probability.values()) == pytest.approx(1, abs=1e-9)
    assert decision.interval[0] - 1e-9 <= manipulated <= decision.interval[1] + 1e-9


@given(LOGITS)
def test_a_calibrator_fitted_on_nothing_never_commits_itself(
    logits: tuple[float, float, float],
) -> None:
    decision = Calibrator().decide(np.array(logits))
    assert decision.verdict is Verdict.INCONCLUSIVE
    assert decision.interval == (0.0, 1.0)


@given(LOGITS, st.floats(0.01, 0.49), st.floats(0.5, 0.99))
def test_a_higher_base_rate_never_lowers_the_probability_of_manipulation(
    logits: tuple[float, float, float], low: float, high: float
) -> None:
    calibrator = _fitted()
    rare = calibrator.decide(np.array(logits), low).probability["authentic"]
    common = calibrator.decide(np.array(logits), high).probability["authentic"]
    assert common <= rare + 1e-9


def test_the_fitted_base_rate_leaves_probabilities_as_they_are() -> None:
    calibrator = _fitted(prior=0.65)
    logits = np.array([0.3, 1.2, -0.5])
    stated = calibrator.decide(logits, 0.65).probability
    assert [stated[name] for name in CLASSES] == pytest.approx(calibrator.probabilities(logits))


def test_clear_logits_give_their_class_and_even_ones_are_inconclusive() -> None:
    calibrator = _fitted()
    for index, verdict in enumerate(CLASSES):
        logits = np.full(3, -8.0)
        logits[index] = 8.0
        assert calibrator.decide(logits).verdict is verdict
    assert calibrator.decide(np.array([0.0, 0.0, 0.0])).verdict is Verdict.INCONCLUSIVE
    assert calibrator.decide(np.array([-9.0, 5.0, 5.0])).verdict is Verdict.INCONCLUSIVE


@given(LOGITS, st.floats(0.05, 0.95), st.floats(0.02, 0.98), st.floats(0.02, 0.98))
def test_an_operating_point_gives_the_same_verdict_at_every_base_rate(
    logits: tuple[float, float, float], point: float, one: float, other: float
) -> None:
    calibrator = _fitted(operating_point=point, prior=0.7)
    verdicts = {calibrator.decide(np.array(logits), rate).verdict for rate in (one, other)}
    assert len(verdicts) == 1


@given(LOGITS, st.floats(0.05, 0.95), st.floats(0.02, 0.98))
def test_the_verdict_turns_where_the_stated_probability_crosses_the_stated_threshold(
    logits: tuple[float, float, float], point: float, rate: float
) -> None:
    calibrator = _fitted(operating_point=point, prior=0.7)
    decision = calibrator.decide(np.array(logits), rate)
    threshold = calibrator.threshold(rate)
    if decision.verdict is Verdict.AUTHENTIC:
        assert decision.interval[1] <= threshold + 1e-9
    elif decision.verdict is not Verdict.INCONCLUSIVE:
        assert decision.interval[0] >= threshold - 1e-9


def test_without_an_operating_point_the_stated_probability_decides() -> None:
    calibrator = _fitted(prior=0.5)
    logits = np.array([0.0, 2.0, -9.0])
    assert calibrator.decide(logits, 0.5).verdict is Verdict.TAMPERED
    assert calibrator.decide(logits, 0.02).verdict is Verdict.INCONCLUSIVE
    assert calibrator.threshold(0.02) == 0.5


@pytest.mark.parametrize(
    ("stored", "meant"), [(0.5, None), (0.8, 0.8 / 0.7 / (0.8 / 0.7 + 0.2 / 0.3))]
)
def test_a_threshold_of_an_older_file_is_read_at_the_base_rate_it_was_measured_at(
    stored: float, meant: float | None, tmp_path: Path
) -> None:
    record = {"prior": 0.7, "threshold": stored, "scores": [0.2], "manipulated": [0]}
    (tmp_path / FILE).write_text(json.dumps(record))
    assert Calibrator.load(tmp_path).operating_point == pytest.approx(meant)


def test_a_larger_temperature_is_less_certain() -> None:
    logits = np.array([0.0, 3.0, 1.0])
    sure = _fitted(temperature=0.5).probabilities(logits).max()
    unsure = _fitted(temperature=4.0).probabilities(logits).max()
    assert unsure < sure


def test_save_and_load_return_the_same_calibrator(tmp_path: Path) -> None:
    calibrator = _fitted(mask_offset=0.5, version="200 pictures", slopes={"JPEG 90": 0.4})
    calibrator.save(tmp_path)
    assert Calibrator.load(tmp_path) == calibrator


@given(st.floats(-3, 3), st.integers(0, 9))
def test_the_peak_of_a_map_does_not_hang_on_what_was_added_to_its_logits(
    offset: float, seed: int
) -> None:
    logits = np.random.default_rng(seed).normal(-1, 1, (60, 80))
    plain, moved = (1 / (1 + np.exp(-(logits + by))) for by in (0.0, offset))
    peak = map_peak(plain.astype(np.float32))
    assert map_peak(moved.astype(np.float32), offset) == pytest.approx(peak, abs=1e-3)
    assert float((logits > peak).mean()) == pytest.approx(0.005, abs=0.001)


def test_the_peak_is_that_of_small_places_but_not_of_single_pixels() -> None:
    soft = np.full((100, 100), 0.1, np.float32)
    soft[3, 4] = 0.99
    assert map_peak(soft) == pytest.approx(np.log(1 / 9), abs=1e-3)
    soft[40:50, 40:50] = 0.9
    assert map_peak(soft) == pytest.approx(np.log(9), abs=1e-3)


def test_the_peak_of_a_large_map_is_that_of_the_map_made_smaller() -> None:
    rng = np.random.default_rng(0)
    small = rng.random((500, 700), np.float32)
    large = small.repeat(4, 0).repeat(4, 1)
    assert map_peak(large) == pytest.approx(map_peak(small), abs=0.15)


def test_a_suspected_place_speaks_for_tampering_as_its_weight_says() -> None:
    calibrator = _fitted(map_weights=(0.0, 0.8, 0.1))
    logits = np.array([0.3, 0.1, -0.4])
    low, high = (calibrator.probabilities(calibrator.joined(logits, peak)) for peak in (-3.0, 3.0))
    assert high[1] > low[1]
    assert high[0] < low[0]
    assert calibrator.joined(logits, 2.0) == pytest.approx([0.3, 1.7, -0.2])
    several = calibrator.joined(np.stack([logits, logits]), np.array([2.0, 0.0]))
    assert several == pytest.approx(np.array([[0.3, 1.7, -0.2], logits]))


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_is_scipys(counted: tuple[int, int]) -> None:
    expected = binomtest(*counted).proportion_ci(method="wilson")
    assert wilson(*counted) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_a_share_of_nothing_has_no_interval() -> None:
    with pytest.raises(ValueError, match="0 of 0"):
        wilson(0, 0)


def test_an_interval_rests_on_as_many_pictures_above_as_below() -> None:
    # 400 scores rest on 25 a side; those above 0.5 are manipulated
    calibrator = _fitted()
    assert calibrator.interval(0.5) == pytest.approx(wilson(25, 50))
    assert calibrator.interval(0.1) == pytest.approx(wilson(0, 50), abs=0.1)
    assert calibrator.interval(0.0) == wilson(0, 13)


def test_an_interval_is_widened_to_hold_what_it_is_told_to() -> None:
    calibrator = _fitted()
    tampered, authentic = np.array([-8.0, 8.0, -8.0]), np.array([8.0, -8.0, -8.0])
    alone = calibrator.decide(tampered)
    wider = calibrator.decide(tampered, holding=[authentic])
    assert alone.verdict is Verdict.TAMPERED
    assert wider.verdict is Verdict.INCONCLUSIVE
    assert wider.probability == alone.probability
    assert wider.interval[0] < 0.01 < alone.interval[0]
    assert wider.interval[1] == alone.interval[1]
    assert calibrator.decide(tampered, holding=[tampered]) == alone


def test_what_a_copy_tells_is_shrunk_by_the_slope_of_its_change_if_there_is_one(
    tmp_path: Path,
) -> None:
    moved = np.array([[1.0, -2.0, 0.5], [3.0, 0.0, 1.0]])
    told = _fitted(slopes={"crop": 0.5}).movement(("resize", "crop"), moved)
    assert told.tolist() == [[1.0, -2.0, 0.5], [1.5, 0.0, 0.5]]
    # as older files are: without slopes
    (tmp_path / FILE).write_text(json.dumps({"temperature": 2.0}))
    assert Calibrator.load(tmp_path).movement(("resize", "crop"), moved).tolist() == moved.tolist()


def test_a_calibrator_outdated_by_training_decides_nothing():
    calibrator = Calibrator(scores=(0.01,) * 60 + (0.99,) * 60, manipulated=(0,) * 60 + (1,) * 60)
    sure = np.array([-9.0, 9.0, -9.0])
    assert calibrator.decide(sure).verdict is Verdict.TAMPERED
    outdated = calibrator.outdated().decide(sure)
    assert outdated.verdict is Verdict.INCONCLUSIVE
    assert outdated.interval == (0.0, 1.0)
