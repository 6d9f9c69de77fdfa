import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from morelli.data_pipeline.schema import Verdict
from morelli.eval import calibrate, stability
from morelli.eval.calibrate import Reading, fit, read_pictures
from morelli.eval.likelihood import Raw, folds_of, out_of_fold
from morelli.eval.pixel_metrics import PixelCounts
from morelli.eval.stability import Trial
from morelli.model.stability import CHANGES


def readings_of(count: int, scale: float, seed: int = 0) -> list[Reading]:
    """Return readings whose true probabilities are the softmax of their logits over `scale`."""
    rng = np.random.default_rng(seed)
    readings = []
    for number in range(count):
        true = rng.normal(0, 1.5, 3)
        chances = np.exp(true) / np.exp(true).sum()
        label = int(rng.choice(3, p=chances))
        readings.append(Reading(number, scale * true, 0.0, label, f"photo {number // 2}", None))
    return readings


def test_the_temperature_undoes_what_made_the_logits_too_sure() -> None:
    fitted = fit(readings_of(600, scale=4.0), "here")
    assert fitted.calibrator.temperature == pytest.approx(4.0, rel=0.25)
    assert fitted.figures["ece"]["value"] < 0.08
    assert fitted.calibrator.version == "here"


def test_what_the_map_shows_counts_as_much_as_it_tells() -> None:
    rng = np.random.default_rng(1)
    readings = readings_of(400, scale=1.0)
    telling = [replace(one, peak=2.0 * (one.label == 1) + rng.normal(0, 1)) for one in readings]
    idle = [replace(one, peak=rng.normal(0, 1)) for one in readings]
    blind, seeing = fit(idle, "idle"), fit(telling, "telling")
    weights = seeing.calibrator.map_weights
    assert weights[0] == 0
    assert weights[1] > 1
    assert abs(np.array(blind.calibrator.map_weights)).max() < 0.3
    assert seeing.figures["auc"]["value"] > blind.figures["auc"]["value"] + 0.03


def test_pictures_of_one_photograph_share_a_fold_and_folds_are_alike() -> None:
    groups = [f"photo {number // 3}" for number in range(90)]
    folds = folds_of(groups)
    for group in set(groups):
        assert len({fold for fold, name in zip(folds, groups, strict=True) if name == group}) == 1
    assert np.bincount(folds).tolist() == [18] * 5


def test_no_picture_is_judged_by_a_fit_that_saw_it() -> None:
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(0, 1, (60, 3)), rng.integers(0, 3, 60)
    folds = np.arange(60) % 5
    before = np.hstack(out_of_fold(Raw(logits, np.zeros(len(labels))), labels, folds))
    labels[folds == 2] = (labels[folds == 2] + 1) % 3
    after = np.hstack(out_of_fold(Raw(logits, np.zeros(len(labels))), labels, folds))
    assert (before[folds == 2] == after[folds == 2]).all()
    assert (before[folds != 2] != after[folds != 2]).any()


def held_out_coverage(link: Callable[[Any], Any], count: int, seed: int) -> float:
    """Return how often a held-out picture's true chance lies in its interval.

    Args:
        link: of the chance's logit, to the score that the model gives.
        count: of pictures.
        seed: draws others.
    """
    rng = np.random.default_rng(seed)
    true = rng.normal(0.5, 2.0, count)
    chance = 1 / (1 + np.exp(-true))
    labels = (rng.random(count) < chance) * np.where(rng.random(count) < 0.3, 2, 1)
    logits = np.stack([np.zeros(count), link(true) + np.log(0.7), link(true) + np.log(0.3)], 1)
    _, interval = out_of_fold(
        Raw(logits, np.zeros(len(labels))), labels, folds_of([str(n) for n in range(count)])
    )
    return float(((interval[:, 0] <= chance) & (chance <= interval[:, 1])).mean())


@pytest.mark.parametrize(
    "link",
    [
        lambda true: 3 * true,
        lambda true: np.sign(true) * abs(true) ** 1.5,
        lambda true: np.sign(true) * abs(true) ** 0.6,
        lambda true: np.where(true > 0, 2.0, 0.7) * true,
    ],
    ids=["too sure", "bent out", "bent in", "broken"],
)
def test_intervals_hold_the_true_chance_of_nine_held_out_pictures_in_ten(
    link: Callable[[Any], Any],
) -> None:
    coverage = np.mean([held_out_coverage(link, 200, seed) for seed in range(3)])
    assert coverage >= 0.9


def test_the_coverage_of_the_folds_is_among_the_figures() -> None:
    figure = fit(readings_of(300, scale=2.0), "here").figures["interval_coverage"]
    assert figure["n"] == 300
    assert figure["value"] > 0.7


def test_an_operating_point_is_stored_and_the_fit_itself_has_none() -> None:
    fitted = fit(readings_of(200, scale=1.0), "here")
    for point in fitted.points:
        assert fitted.at(point.name).operating_point == point.threshold_at_even_odds
    assert fitted.calibrator.operating_point is None
    assert [one["name"] for one in fitted.as_json()["operating_points"]] == [
        "screening", "balanced", "evidence"]  # fmt: skip


@pytest.mark.parametrize("prior", [0.02, 0.5, 0.9])
def test_an_operating_point_does_what_was_measured_of_it_at_every_base_rate(prior: float) -> None:
    readings = readings_of(900, scale=1.0)
    manipulated = np.array([one.label > 0 for one in readings])
    # the interval would leave the doubtful ones aside, which were counted when it was measured
    fitted = fit(readings, "here")
    for point in fitted.points:
        calibrator = replace(fitted.at(point.name), scores=(), manipulated=())
        above = []
        for one in readings:
            stated = calibrator.decide(one.logits, prior).probability["authentic"]
            above.append(1 - stated >= calibrator.threshold(prior))
        found = np.array(above)[manipulated].mean()
        false = np.array(above)[~manipulated].mean()
        # it was measured out of fold, by thresholds that differ a little from fold to fold
        assert point.recall.low - 0.02 <= found <= point.recall.high + 0.02
        assert point.false_positives.low - 0.02 <= false <= point.false_positives.high + 0.02


def test_one_class_alone_cannot_be_calibrated() -> None:
    clean = [Reading(n, np.zeros(3), 0.0, 0, str(n), None) for n in range(20)]
    with pytest.raises(ValueError, match="authentic and manipulated"):
        fit(clean, "here")


class Examiner:
    def __init__(self) -> None:
        self.looked: list[str] = []

    def look(self, picture: Any) -> Any:
        self.looked.append(picture)
        return SimpleNamespace(
            verdict_logits=np.arange(3.0), peak=0.5, map=np.full((4, 4), 0.5, np.float32)
        )


def test_a_run_that_was_stopped_goes_on_and_reads_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made(pool: Any, seed: int, side: int) -> Any:
        verdict = Verdict.TAMPERED if seed % 2 else Verdict.AUTHENTIC
        mask = np.eye(4, dtype=bool) if seed % 2 else np.zeros((4, 4), bool)
        return SimpleNamespace(data=seed, verdict=verdict, mask=mask, parameters={"key": str(seed)})

    monkeypatch.setattr(calibrate, "make", made)
    monkeypatch.setattr(calibrate, "picture_from_bytes", lambda data, name: name)
    kept, examiner = tmp_path / "readings.jsonl", Examiner()
    first = read_pictures(examiner, None, 4, (64,), kept)  # type: ignore[arg-type]
    again = read_pictures(examiner, None, 6, (64,), kept)  # type: ignore[arg-type]
    assert len(examiner.looked) == 6
    assert [one.as_json() for one in again[:4]] == [one.as_json() for one in first]
    pixels = again[1].pixels
    assert isinstance(pixels, PixelCounts)
    assert pixels.altered.sum() == 4
    with kept.open("a") as file:
        file.write("{}\n")
    with pytest.raises(ValueError, match=r"readings\.jsonl:7"):
        read_pictures(examiner, None, 4, (64,), kept)  # type: ignore[arg-type]


def test_slopes_are_fitted_on_trials_that_a_stopped_run_goes_on_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes, tried = tuple(CHANGES), []

    def trial(examiner: Any, picture: Any, key: str) -> Trial:
        tried.append(key)
        told = np.random.default_rng(len(tried)).normal(0, 1, (len(changes), 3))
        return Trial(key, np.zeros(3), 0.4 * told, told, np.zeros(len(told) + 1))

    monkeypatch.setattr(stability, "try_picture", trial)
    monkeypatch.setattr(calibrate, "_opened", lambda *_: None)
    readings, kept = readings_of(12, scale=1.0), tmp_path / "readings.jsonl"
    unfitted = fit(readings_of(200, scale=1.0), "here")
    for _ in range(2):
        fitted = calibrate._with_slopes(SimpleNamespace(), None, (64,), unfitted, readings, kept)  # type: ignore[arg-type]
    assert len(tried) == len(readings)
    assert fitted.calibrator.slopes == pytest.approx(dict.fromkeys(changes, 0.4))
    assert fitted.as_json()["stability"]["change"] == stability.ALL
    json.dumps(fitted.as_json(), allow_nan=False)
    assert fitted.stability[-1].logit_error == pytest.approx(0, abs=1e-9)
