from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from morelli.data_pipeline.images import Picture
from morelli.data_pipeline.report import Report, ReportPaths
from morelli.serve.likelihood import SCALE, in_words, likelihood_ratio, strength
from morelli.serve.panels import Panels
from morelli.serve.render import Views, render_html


def record(manipulated: float, prior: float = 0.5, n: tuple[int, int] = (60, 90)) -> dict[str, Any]:
    point = {"false_positives": {"n": n[0]}, "recall": {"n": n[1]}}
    return {
        "probability": {"authentic": 1 - manipulated},
        "prior": prior,
        "validation": {"calibration": {"operating_points": [point]}},
    }


def test_the_ratio_is_posterior_over_prior_odds() -> None:
    assert likelihood_ratio(0.9, 0.5) == pytest.approx(9)
    assert likelihood_ratio(0.5, 0.2) == pytest.approx(4)
    assert likelihood_ratio(0.02, 0.02) == pytest.approx(1)


@given(st.floats(0, 1), st.floats(0.001, 0.999), st.integers(1, 5000), st.integers(1, 5000))
def test_no_more_is_stated_than_the_calibration_supports_and_the_scale_is_printed(
    manipulated: float, prior: float, authentic: int, others: int
) -> None:
    told = strength(record(manipulated, prior, (authentic, others)))
    assert told is not None
    toward = likelihood_ratio(manipulated, prior) >= 1
    most = max(1.0, (authentic if toward else others) / 3)
    above = [words for limit, words in SCALE if limit > most]
    stated = told.split(". ")[0]
    for words in above[1:]:
        assert f": {words} for" not in stated
    for _, words in SCALE:
        assert words in told.split("Scale: ")[1]


def test_what_is_beyond_the_cap_is_said_to_be_at_least_the_cap() -> None:
    told = strength(record(0.9999))
    assert told is not None
    assert told.startswith(
        "The evidence is at least 20 times as likely under manipulation as under authenticity: "
        "moderate support for manipulation. With 60 authentic and 90 manipulated pictures"
    )
    clean = strength(record(0.2))
    assert clean is not None
    assert clean.startswith("The evidence is about 4 times as likely under authenticity")
    assert "weak support for authenticity" in clean
    even = strength(record(0.5))
    assert even is not None
    assert "no support for either answer" in even


def test_ratios_are_printed_in_two_digits_without_powers_of_ten() -> None:
    told = strength(record(0.9999, n=(60_000, 60_000)))
    assert told is not None
    # posterior odds of 9999, at even prior odds
    assert told.startswith("The evidence is about 10,000 times")
    for probability, ratio in ((0.992, "120"), (0.6, "1.5")):
        told = strength(record(probability, n=(6_000, 6_000)))
        assert told is not None
        assert f"about {ratio} times" in told


def test_without_a_calibration_nothing_is_stated() -> None:
    assert strength({**record(0.9), "validation": {}}) is None


def test_the_page_of_a_report_and_the_demo_state_it(
    picture: Picture, report_of: Callable[..., Report]
) -> None:
    rate = {"value": 0.1, "low": 0.0, "high": 0.2}
    validation = record(0.9)["validation"]
    for point in validation["calibration"]["operating_points"]:
        point["name"] = "balanced"
        for share in ("false_positives", "recall"):
            point[share] |= rate
    report = report_of(picture, validation=validation)
    told = report.as_json(ReportPaths("map.png", "mask.png", {}))
    stated, views = strength(told), Views.of(report)
    assert stated is not None
    assert stated in render_html(told, views)
    assert stated in Panels.of(told, views).method


def test_bands_meet_at_their_limits() -> None:
    assert [in_words(ratio) for ratio in (1, 2, 9.9, 10, 1e6)] == [
        "no support", "weak support", "weak support", "moderate support",
        "extremely strong support",
    ]  # fmt: skip
