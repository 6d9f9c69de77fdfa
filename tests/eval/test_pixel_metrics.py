import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import f1_score, jaccard_score, roc_auc_score

from morelli.eval.pixel_metrics import PixelCounts, best_global_threshold, to_levels


def drawn(seed: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    rng = np.random.default_rng(seed)
    mask = rng.random((13, 17)) < rng.uniform(0.1, 0.9)
    heat = rng.integers(0, 256, mask.shape) // 7 * 7 + 20 * mask
    mask[0, 0], mask[0, 1] = True, False
    return np.clip(heat, 0, 255).astype(np.uint8), mask


seeds = st.integers(0, 10_000)
few = settings(max_examples=25, deadline=None)


@few
@given(seeds, st.floats(0, 1))
def test_f1_iou_and_auc_agree_with_scikit_learn(seed: int, threshold: float) -> None:
    heat, mask = drawn(seed)
    counts = PixelCounts.of(heat, mask)
    said = (heat / 255 >= threshold).ravel()
    truth = mask.ravel()
    assert counts.f1(threshold) == pytest.approx(f1_score(truth, said), abs=1e-9)
    assert counts.iou(threshold) == pytest.approx(jaccard_score(truth, said), abs=1e-9)
    assert counts.auc() == pytest.approx(roc_auc_score(truth, heat.ravel()), abs=1e-9)


@few
@given(seeds)
def test_no_threshold_beats_the_best_one(seed: int) -> None:
    counts = PixelCounts.of(*drawn(seed))
    best, threshold = counts.best_f1()
    assert counts.f1(threshold) == best == counts.f1_curve().max()


@few
@given(seeds)
def test_counts_do_not_depend_on_where_pixels_lie(seed: int) -> None:
    heat, mask = drawn(seed)
    order = np.random.default_rng(seed).permutation(heat.size)
    moved = PixelCounts.of(heat.ravel()[order][None], mask.ravel()[order][None])
    assert (moved.f1_curve() == PixelCounts.of(heat, mask).f1_curve()).all()


@few
@given(seeds)
def test_iou_is_symmetric_in_claim_and_truth(seed: int) -> None:
    heat, mask = drawn(seed)
    said = heat > 127
    said[0, 0] = True
    one = PixelCounts.of(said.astype(np.float32), mask)
    other = PixelCounts.of(mask.astype(np.float32), said)
    assert one.iou(0.5) == pytest.approx(other.iou(0.5), abs=1e-12)


def test_a_case_worked_by_hand_scores_as_on_paper() -> None:
    heat = np.array([[0.9, 0.6], [0.5, 0.1]])
    mask = np.array([[True, False], [True, False]])
    counts = PixelCounts.of(heat, mask)
    assert counts.f1(0.5) == pytest.approx(2 * 2 / (3 + 2))
    assert counts.iou(0.5) == pytest.approx(2 / 3)
    assert counts.auc() == pytest.approx(3 / 4)
    assert counts.false_alarm_area(0.5) == 0.5
    assert counts.f1(0.8) == pytest.approx(2 / 3)


def test_every_stored_level_reaches_the_threshold_of_its_own_value() -> None:
    for level in range(256):
        heat = np.full((2, 2), level, np.uint8)
        mask = np.array([[True, False], [False, False]])
        assert PixelCounts.of(heat, mask).f1(level / 255) == pytest.approx(0.4)


def test_the_best_threshold_of_a_set_is_one_for_all_its_pictures() -> None:
    mask = np.array([[True, False]])
    low = PixelCounts.of(np.array([[100, 50]], np.uint8), mask)
    high = PixelCounts.of(np.array([[200, 90]], np.uint8), mask)
    threshold, values = best_global_threshold([low, high])
    assert 90 / 255 < threshold <= 100 / 255
    assert values.tolist() == [1.0, 1.0]
    clashing = PixelCounts.of(np.array([[40, 0]], np.uint8), mask)
    assert best_global_threshold([low, clashing])[1].mean() < 1.0


def test_an_empty_mask_has_no_f1_but_a_false_alarm_area() -> None:
    counts = PixelCounts.of(np.array([[0, 255, 255, 0]], np.uint8), np.zeros((1, 4), bool))
    assert counts.false_alarm_area(0.5) == 0.5
    for figure in (counts.auc, counts.best_f1, lambda: counts.f1(0.5), lambda: counts.iou(0.5)):
        with pytest.raises(ValueError, match="mask is empty"):
            figure()


def test_a_mask_that_covers_everything_has_no_auc_and_no_false_alarms() -> None:
    counts = PixelCounts.of(np.zeros((2, 2), np.uint8), np.ones((2, 2), bool))
    with pytest.raises(ValueError, match="untouched"):
        counts.auc()
    with pytest.raises(ValueError, match="untouched"):
        counts.false_alarm_area(0.5)


@pytest.mark.parametrize("value", [np.nan, -0.1, 1.1, np.inf])
def test_a_map_that_is_none_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="0 to 1"):
        to_levels(np.array([[0.5, value]]))


def test_a_map_of_another_size_than_its_mask_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2, 3\).*\(3, 2\)"):
        PixelCounts.of(np.zeros((2, 3)), np.zeros((3, 2), bool))


def test_what_has_no_figure_is_refused() -> None:
    with pytest.raises(ValueError, match="no best threshold"):
        best_global_threshold([])
    with pytest.raises(ValueError, match="0 to 1"):
        PixelCounts.of(np.zeros((1, 1)), np.ones((1, 1), bool)).f1(1.5)
