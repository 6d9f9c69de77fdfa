import numpy as np
import pytest
from scipy.stats import bootstrap

from morelli.eval.estimates import Estimate, estimates, mean_estimate, mean_of, ratio_of


def ratio(above: list[float], below: list[float]) -> Estimate:
    statistic = ratio_of(np.array(above, float), np.array(below, float))
    return estimates({"ratio": statistic}, np.zeros(len(above)))["ratio"]


def test_an_interval_holds_its_value_repeats_and_narrows_with_more_images() -> None:
    rng = np.random.default_rng(0)
    small, large = mean_estimate(rng.random(10)), mean_estimate(rng.random(500))
    assert small.low < small.value < small.high
    assert large.high - large.low < small.high - small.low
    assert mean_estimate([0.2, 0.4, 0.9]) == mean_estimate([0.2, 0.4, 0.9])
    assert (mean_estimate([0.3, 0.3]).low, mean_estimate([0.3, 0.3]).high) == (0.3, 0.3)


def test_the_interval_of_a_mean_is_the_one_that_scipy_finds() -> None:
    values = np.random.default_rng(3).beta(2, 5, 120)
    ours = mean_estimate(values)
    theirs = bootstrap(
        [values], np.mean, n_resamples=4000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    assert ours.value == pytest.approx(values.mean(), abs=1e-12)
    assert ours.low == pytest.approx(theirs.low, abs=0.004)
    assert ours.high == pytest.approx(theirs.high, abs=0.004)


def test_one_image_promises_nothing() -> None:
    alone = mean_estimate([0.8])
    assert (alone.value, alone.low, alone.high, alone.n) == (0.8, 0.0, 1.0, 1)
    assert mean_estimate([0.1], lowest=-1.0).low == -1.0


def test_resamples_keep_the_number_of_each_class() -> None:
    strata = np.array([0] * 30 + [1] * 5)
    share = mean_of((strata == 1).astype(float))
    figure = estimates({"share": share}, strata)["share"]
    assert figure.low == figure.value == figure.high == pytest.approx(5 / 35)


def test_a_ratio_sums_before_it_divides() -> None:
    figure = ratio([1, 0, 3], [1, 2, 3])
    assert figure.value == pytest.approx(4 / 6)
    assert figure.low <= figure.value <= figure.high


def test_a_resample_without_a_claim_does_not_count() -> None:
    figure = ratio([1, 0, 0], [1, 0, 0])
    assert (figure.low, figure.value, figure.high) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize("values", [[], [0.1, np.nan], [np.inf]])
def test_what_is_no_number_has_no_mean(values: list[float]) -> None:
    with pytest.raises(ValueError, match="finite"):
        mean_estimate(values)


def test_nothing_to_divide_by_is_refused() -> None:
    with pytest.raises(ValueError, match="not a finite number"):
        ratio([0, 0], [0, 0])
    with pytest.raises(ValueError, match="at least one image"):
        estimates({}, np.zeros(0))
