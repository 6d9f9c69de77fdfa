import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    brier_score_loss,
    f1_score,
    roc_auc_score,
    roc_curve,
)

from morelli.eval.verdict_metrics import Ranking, Verdicts, adaptive_bins

seeds = st.integers(0, 10_000)
few = settings(max_examples=25, deadline=None)
INCONCLUSIVE = 3


def drawn(seed: int, count: int = 40) -> Verdicts:
    """Return verdicts of three classes, coarse enough for ties, some inconclusive."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 3, count)
    label[:3] = 0, 1, 2
    raw = np.round(rng.dirichlet((1, 1, 1), count) + 0.4 * np.eye(3)[label], 1) + 0.01
    probability = raw / raw.sum(1, keepdims=True)
    said = np.where(rng.random(count) < 0.2, INCONCLUSIVE, probability.argmax(1))
    score = 1 - probability[:, 0]
    interval = np.stack([np.clip(score - 0.1, 0, 1), np.clip(score + 0.1, 0, 1)], 1)
    return Verdicts(label, said, probability, interval)


def weights_of(seed: int, count: int) -> NDArray[np.float64]:
    """Return one resample's weights that leaves no class out."""
    weights = np.random.default_rng(seed).integers(0, 4, (1, count)).astype(float)
    weights[:, :3] = 1
    return weights


@few
@given(seeds)
def test_figures_of_rankings_agree_with_scikit_learn_weighted_or_not(seed: int) -> None:
    some = drawn(seed)
    ranking = Ranking.of(some.score, some.positive)
    for weights in (np.ones((1, 40)), weights_of(seed, 40)):
        rates = roc_curve(
            some.positive, some.score, sample_weight=weights[0], drop_intermediate=False
        )
        ours = [ranking.auc(weights)[0], ranking.average_precision(weights)[0]]
        theirs = [
            figure(some.positive, some.score, sample_weight=weights[0])
            for figure in (roc_auc_score, average_precision_score)
        ]
        ours.append(ranking.recall_at(0.05)(weights)[0])
        theirs.append(rates[1][rates[0] <= 0.05 + 1e-12].max())
        assert ours == pytest.approx(theirs, abs=1e-9)


@few
@given(seeds)
def test_figures_of_verdicts_agree_with_scikit_learn_weighted_or_not(seed: int) -> None:
    some = drawn(seed)
    for weights in (np.ones((1, 40)), weights_of(seed, 40)):
        given_weights = {"sample_weight": weights[0]}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            balanced = balanced_accuracy_score(some.label, some.said, **given_weights)
        macro = f1_score(
            some.label, some.said, labels=[0, 1, 2], average="macro", zero_division=0,
            **given_weights,
        )  # fmt: skip
        assert some.balanced_accuracy(weights)[0] == pytest.approx(balanced, abs=1e-9)
        assert some.macro_f1(weights)[0] == pytest.approx(macro, abs=1e-9)


@few
@given(seeds)
def test_accuracy_and_brier_score_agree_with_scikit_learn(seed: int) -> None:
    some = drawn(seed)
    assert some.image_figures()["accuracy"].value == pytest.approx(
        accuracy_score(some.label, some.said), abs=1e-9
    )
    assert some.calibration_figures()["brier"].value == pytest.approx(
        brier_score_loss(some.positive, some.score), abs=1e-9
    )


@settings(max_examples=5, deadline=None)
@given(seeds)
def test_no_figure_depends_on_the_order_of_the_images(seed: int) -> None:
    some = drawn(seed)
    order = np.random.default_rng(seed).permutation(40)
    assert some.probability is not None
    assert some.interval is not None
    other = Verdicts(
        some.label[order], some.said[order], some.probability[order], some.interval[order]
    )
    for one, two in (
        (some.image_figures(), other.image_figures()),
        (some.calibration_figures(), other.calibration_figures()),
    ):
        assert {name: figure.value for name, figure in one.items()} == pytest.approx(
            {name: figure.value for name, figure in two.items()}, abs=1e-9
        )


def test_a_case_worked_by_hand_scores_as_on_paper() -> None:
    label = np.array([0, 0, 1, 1, 2])
    said = np.array([0, 1, 1, INCONCLUSIVE, 1])
    figures = Verdicts(label, said).image_figures()
    assert figures["accuracy"].value == pytest.approx(2 / 5)
    # authentic or not: right, wrong, right, undecided, right
    assert figures["binary_accuracy"].value == pytest.approx(3 / 5)
    assert figures["balanced_accuracy"].value == pytest.approx((1 / 2 + 1 / 2 + 0) / 3)
    # F1: authentic 2/3, tampered 2/5, synthetic 0
    assert figures["macro_f1"].value == pytest.approx((2 / 3 + 2 / 5 + 0) / 3)
    assert figures["coverage"].value == pytest.approx(4 / 5)
    assert figures["accuracy_when_decided"].value == pytest.approx(2 / 4)
    # scores 0, 1 of the authentic; 1, 0.5, 1 of others: six pairs, three won, two tied
    assert figures["auc"].value == pytest.approx((3 + 2 / 2) / 6)


def test_calibration_worked_by_hand() -> None:
    # two bins of thirty: 0.2 with a share of 0.4, 0.8 with a share of 0.7
    score = np.repeat([0.2, 0.8], 30)
    positive = np.array([1] * 12 + [0] * 18 + [1] * 21 + [0] * 9)
    probability = np.stack([1 - score, score, np.zeros(60)], 1)
    interval = np.stack([np.repeat([0.1, 0.6], 30), np.repeat([0.3, 0.9], 30)], 1)
    some = Verdicts(positive, positive, probability, interval)
    figures = some.calibration_figures()
    assert figures["ece"].value == pytest.approx((0.2 + 0.1) / 2)
    assert figures["interval_coverage"].value == pytest.approx(0.5)
    assert [bin_["share"] for bin_ in some.reliability()] == pytest.approx([0.4, 0.7])


def test_perfect_and_useless_verdicts_meet_the_bounds() -> None:
    label = np.repeat([0, 1], 20)
    score = np.where(label == 0, 0.1, 0.9)
    perfect = Verdicts(label, label, np.stack([1 - score, score, np.zeros(40)], 1))
    figures = perfect.image_figures()
    assert {figures[name].value for name in ("accuracy", "auc", "macro_f1")} == {1.0}
    assert (figures["auc"].low, figures["auc"].high) == (1.0, 1.0)
    assert figures["recall_at_1%_false_positives"].value == 1.0
    flat = Verdicts(label, np.full(40, INCONCLUSIVE), np.full((40, 3), 1 / 3))
    useless = flat.image_figures()
    assert useless["auc"].value == 0.5
    assert useless["recall_at_5%_false_positives"].value == 0.0
    assert useless["coverage"].value == 0.0
    assert "accuracy_when_decided" not in useless


def test_a_set_of_authentic_images_alone_has_no_auc_but_an_accuracy() -> None:
    figures = Verdicts(np.zeros(8, int), np.array([0] * 6 + [1] * 2)).image_figures()
    assert figures["accuracy"].value == 0.75
    assert "auc" not in figures


def test_coverage_goes_from_the_surest_image_to_all_of_them() -> None:
    some = drawn(1)
    coverage, accuracy = some.coverage_curve()
    assert coverage[-1] == 1.0
    assert some.probability is not None
    assert accuracy[-1] == pytest.approx((some.probability.argmax(1) == some.label).mean())


@few
@given(seeds)
def test_bins_are_of_equal_number_and_never_part_equal_scores(seed: int) -> None:
    rng = np.random.default_rng(seed)
    distinct = adaptive_bins(rng.permutation(150) / 150)
    assert np.unique(distinct, return_counts=True)[1].tolist() == [10] * 15
    scores = np.round(rng.random(100), 1)
    bins = adaptive_bins(scores)
    for score in np.unique(scores):
        assert len(np.unique(bins[scores == score])) == 1


def test_scores_that_cannot_be_ranked_are_refused() -> None:
    with pytest.raises(ValueError, match="both classes"):
        Ranking.of(np.array([0.1, 0.2]), np.array([False, False]))
    with pytest.raises(ValueError, match="finite"):
        Ranking.of(np.array([0.1, np.nan]), np.array([True, False]))
