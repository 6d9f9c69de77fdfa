from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morelli.data_pipeline.answer import prefix
from morelli.data_pipeline.places import NINTHS, PLACES
from morelli.data_pipeline.schema import CLASSES, Verdict
from morelli.training.rewards import (
    REWARDS,
    WEIGHTS,
    Rollout,
    Truth,
    constant_share,
    normalise,
    score,
)

AUTHENTIC, TAMPERED, SYNTHETIC = CLASSES


def softmax(logits):
    weights = np.exp(logits - logits.max())
    return weights / weights.sum()


def mean_score(answers, truths):
    return np.mean([score(answer, truth) for answer, truth in zip(answers, truths, strict=True)])


def claim(truth, verdict, lines, probability=None, heat=None):
    """Return an answer of these lines, with a map that fits the truth unless one is given."""
    height, width = truth.height, truth.width
    soft = np.zeros((height, width), np.float32) if heat is None else heat
    chances = np.full(3, 1 / 3) if probability is None else probability
    return Rollout.read(prefix(verdict) + "\n".join(lines), chances, soft)


# Every reward


def test_the_tables_name_the_same_rewards():
    assert REWARDS.keys() == WEIGHTS.keys()


@pytest.mark.parametrize("name", REWARDS)
def test_a_reward_lies_between_0_and_1_and_an_unreadable_answer_earns_nothing(name, world):
    for truth in world.truths:
        answers = [world.honest(truth), claim(truth, Verdict.INCONCLUSIVE, ["What?"])]
        for answer in answers:
            earned = REWARDS[name](answer, truth)
            assert earned is None or 0 <= earned <= 1
        for text in ("", "Verdict: tampered", "Verdict: perhaps<seg>\n", "Nice picture."):
            broken = Rollout.read(text, world.sure_of(truth.verdict), world.map_of(truth))
            assert broken.answer is None
            assert REWARDS[name](broken, truth) in (0, None)


@pytest.mark.parametrize("name", REWARDS)
def test_a_reward_changes_nothing_that_it_looks_at(name, world):
    truth = world.truths[1]
    answer = world.honest(truth)
    before = answer.map.copy(), truth.mask.copy(), answer.probability.copy()
    assert REWARDS[name](answer, truth) == REWARDS[name](answer, truth)
    for array, kept in zip((answer.map, truth.mask, answer.probability), before, strict=True):
        np.testing.assert_array_equal(array, kept)


# Verdict


def test_the_verdict_reward_is_worked_by_hand(world):
    truth = world.truths[1]
    # p = (0.1, 0.8, 0.1): Brier 1 - (0.01 + 0.04 + 0.01) / 2 = 0.97
    p = world.sure_of(TAMPERED)
    # tampered was said: (0.97 + (1 + 0.2) / 2) / 2; authentic: (0.97 + (1 - 0.1) / 2) / 2
    assert REWARDS["verdict"](claim(truth, TAMPERED, [], p), truth) == pytest.approx(0.785)
    assert REWARDS["verdict"](claim(truth, AUTHENTIC, [], p), truth) == pytest.approx(0.71)


@given(st.lists(st.floats(-3, 3), min_size=3, max_size=3), st.sampled_from(CLASSES))
@settings(max_examples=50, deadline=None)
def test_the_expected_policy_gradient_is_that_of_briers_score(logits, true):
    z = np.array(logits)
    p = softmax(z)
    truth = Truth(true, np.zeros((4, 4), bool), {}, 4, 4)
    earned = np.array([REWARDS["verdict"](claim(truth, k, [], p), truth) for k in CLASSES])
    # d log p_k / d z_j = [k = j] - p_j
    found = p @ ((np.eye(3) - p) * earned[:, None])
    step = 1e-5
    brier = [1 - ((softmax(z + d) - np.eye(3)[CLASSES.index(true)]) ** 2).sum() / 2
             for d in np.concatenate([np.eye(3), -np.eye(3)]) * step]  # fmt: skip
    slope = (np.array(brier[:3]) - np.array(brier[3:])) / (2 * step)
    np.testing.assert_allclose(found, slope / 4, atol=1e-8)


def test_sure_and_wrong_is_worst_and_an_expected_reward_grows_with_the_chance_of_the_truth(world):
    truth = world.truths[1]

    def expected(p):
        words = [claim(truth, k, [], p) for k in CLASSES]
        return sum(
            share * REWARDS["verdict"](word, truth) for share, word in zip(p, words, strict=True)
        )

    chances = [world.sure_of(TAMPERED, c) for c in (0.0, 0.2, 1 / 3, 0.6, 0.8)]
    earned = [expected(p) for p in chances]
    assert earned == sorted(earned)
    assert expected(world.sure_of(AUTHENTIC, 1.0)) == 0


def test_to_commit_to_nothing_is_neither_gain_nor_loss(world):
    truth = world.truths[1]
    p = world.sure_of(TAMPERED)
    right, unsure, wrong = (
        REWARDS["verdict"](claim(truth, said, [], p), truth)
        for said in (TAMPERED, Verdict.INCONCLUSIVE, SYNTHETIC)
    )
    assert wrong < unsure < right


# Mask


def test_the_mask_reward_is_the_overlap_of_the_shown_mask(world):
    truth = world.truths[1]
    heat = np.where(truth.mask, 0.9, 0.1).astype(np.float32)
    assert REWARDS["mask_iou"](claim(truth, TAMPERED, [], heat=heat), truth) == 1
    # rows 42 to 58 and columns 4 to 28 altered; the mask is shifted by 8 of 16 rows: 8 / 24
    shifted = np.roll(heat, -8, axis=0)
    answer = claim(truth, TAMPERED, [], heat=shifted)
    assert REWARDS["mask_iou"](answer, truth) == pytest.approx(8 / 24)
    # the same map beside another verdict is not shown
    assert REWARDS["mask_iou"](claim(truth, AUTHENTIC, [], heat=heat), truth) == 0


def test_a_mask_on_a_picture_without_an_altered_part_earns_nothing(world):
    heat = np.zeros((world.height, world.width), np.float32)
    heat[3, 4] = 0.9
    for truth in (world.truths[0], world.truths[2], replace(world.truths[0], mask=None)):
        assert REWARDS["mask_iou"](claim(truth, TAMPERED, [], heat=heat), truth) == 0
        assert REWARDS["mask_iou"](claim(truth, truth.verdict, [], heat=heat), truth) == 1


def test_an_unknown_mask_is_not_an_empty_one(world):
    truth = replace(world.truths[1], mask=None)
    assert REWARDS["mask_iou"](world.honest(world.truths[1]), truth) is None
    assert REWARDS["placement"](world.honest(world.truths[1]), truth) is None


# Evidence


NORMAL_JPEG = "[jpeg normal whole picture] The JPEG traces are ordinary."
GRAIN = "[noise anomalous lower left] The grain in the lower left is out of the ordinary."


def test_precision_and_coverage_are_worked_by_hand(world):
    truth = world.truths[1]
    both = claim(truth, TAMPERED, [GRAIN, NORMAL_JPEG])
    assert REWARDS["evidence_precision"](both, truth) == 1
    assert REWARDS["evidence_coverage"](both, truth) == 1
    one = claim(truth, TAMPERED, [NORMAL_JPEG, GRAIN.replace("lower left", "upper right")])
    assert REWARDS["evidence_precision"](one, truth) == 0.5
    assert REWARDS["evidence_coverage"](one, truth) == 0.5


def test_a_true_word_about_another_corner_does_not_cover_an_anomaly(world):
    truth = world.truths[1]
    aside = claim(truth, TAMPERED, ["[noise normal upper right] The grain there is ordinary."])
    assert REWARDS["evidence_precision"](aside, truth) == 1
    assert REWARDS["evidence_coverage"](aside, truth) == 0


def test_to_say_once_that_an_instrument_cannot_tell_costs_nothing_but_more_does(world):
    truth = world.truths[1]
    silent = "[copy-move normal whole picture] There is too little detail to tell{}."
    once = claim(truth, TAMPERED, [GRAIN, silent.format("")])
    thrice = claim(truth, TAMPERED, [GRAIN, *(silent.format(" now" * n) for n in range(3))])
    assert REWARDS["evidence_precision"](once, truth) == 1
    assert REWARDS["evidence_precision"](thrice, truth) == pytest.approx(1 / 3)


def test_withheld_lines_count_against_precision(world):
    truth = world.truths[1]
    answer = claim(truth, TAMPERED, [GRAIN, "blah", NORMAL_JPEG, NORMAL_JPEG])
    assert REWARDS["evidence_precision"](answer, truth) == 0.5


def test_coverage_is_undefined_if_no_instrument_can_tell(world):
    truth = replace(world.truths[0], measurements={"jpeg": world.reading("jpeg", None, None, 0.0)})
    assert REWARDS["evidence_coverage"](world.honest(world.truths[0]), truth) is None


def test_the_altered_part_must_be_put_where_it_is(world):
    truth = world.truths[1]
    here = f"{GRAIN} That is where the altered part lies."
    assert REWARDS["placement"](claim(truth, TAMPERED, [here]), truth) == 1
    there = here.replace("lower left", "upper right")
    assert REWARDS["placement"](claim(truth, TAMPERED, [here, there]), truth) == 0.5
    clean = world.truths[0]
    assert REWARDS["placement"](claim(clean, TAMPERED, [here]), clean) == 0


def test_an_anomaly_is_right_only_where_something_was_altered(world):
    truth = world.truths[1]
    astray = claim(truth, TAMPERED, [GRAIN.replace("lower left", "upper right")])
    nowhere = claim(truth, TAMPERED, [GRAIN.replace("lower left", "whole picture"), NORMAL_JPEG])
    right = claim(truth, TAMPERED, [GRAIN])
    earned = [REWARDS["placement"](answer, truth) for answer in (astray, nowhere, right)]
    assert earned == [0, 0.5, 1]
    # a place that the altered part only touches is no true one
    left = claim(truth, TAMPERED, [GRAIN.replace("lower left", "middle left")])
    for rows, earned in ((3, 0), (12, 1)):
        moved = replace(truth, mask=np.roll(truth.mask, -rows, axis=0))
        assert REWARDS["placement"](left, moved) == earned
    for clean in (world.truths[0], world.truths[2]):
        assert REWARDS["placement"](claim(clean, clean.verdict, [GRAIN]), clean) == 0
        assert REWARDS["placement"](claim(clean, clean.verdict, [NORMAL_JPEG]), clean) == 1
        hidden = claim(clean, TAMPERED, [f"{NORMAL_JPEG} So is the altered part."])
        assert REWARDS["placement"](hidden, clean) == 0


# Form


def test_lines_that_break_the_grammar_lower_the_format_reward(world):
    truth = world.truths[1]
    fair = REWARDS["format"](claim(truth, TAMPERED, [GRAIN, NORMAL_JPEG]), truth)
    half = REWARDS["format"](claim(truth, TAMPERED, [GRAIN, "It is odd."]), truth)
    assert (fair, half) == (1, 0.5)
    assert REWARDS["format"](claim(truth, TAMPERED, []), truth) == 0


@pytest.mark.parametrize("name", ["format", "length"])
def test_an_answer_that_was_cut_off_earns_nothing_for_its_form(name, world):
    answer = world.honest(world.truths[1])
    assert REWARDS[name](answer, world.truths[1]) > 0.9
    assert REWARDS[name](replace(answer, finished=False), world.truths[1]) == 0


def test_words_that_contradict_the_verdict_or_the_mask_disagree(world):
    truth = world.truths[1]
    heat = world.map_of(truth)
    here = f"{GRAIN} That is where the altered part lies."
    fits = claim(truth, TAMPERED, [here, NORMAL_JPEG], heat=heat)
    assert REWARDS["agreement"](fits, truth) == 1
    there = claim(truth, TAMPERED, [here.replace("lower left", "upper right")], heat=heat)
    assert REWARDS["agreement"](there, truth) == 0.5
    against = claim(truth, TAMPERED, [f"{NORMAL_JPEG} The picture is authentic."], heat=heat)
    assert REWARDS["agreement"](against, truth) == 0.5


def test_a_verdict_disagrees_with_a_map_that_shows_something_else(world):
    truth = world.truths[0]
    for heat in (0.0, 1.0):
        plane = np.full((world.height, world.width), heat, np.float32)
        assert REWARDS["agreement"](claim(truth, TAMPERED, [GRAIN], heat=plane), truth) == 0.5
    full = np.ones((world.height, world.width), np.float32)
    assert REWARDS["agreement"](claim(truth, AUTHENTIC, [NORMAL_JPEG], heat=full), truth) == 0.5
    assert REWARDS["agreement"](claim(truth, AUTHENTIC, [NORMAL_JPEG]), truth) == 1


def test_long_answers_earn_less_and_less(world):
    truth = world.truths[0]
    lines = [f"[jpeg normal whole picture] Nothing is odd here{' at all' * n}." for n in range(12)]
    earned = [REWARDS["length"](claim(truth, AUTHENTIC, lines[:n]), truth) for n in range(13)]
    assert earned[0] == 0
    assert earned[1:6] == [1] * 5
    assert earned[5:11] == sorted(earned[5:11], reverse=True)
    assert earned[10:] == [0] * 3


# Nobody gets far without looking


def every_claim(truth):
    return [
        f"[{name} {polarity} {place}] The {name} reading there is {word}."
        for name, (polarity, word), place in product(
            truth.measurements, (("anomalous", "odd"), ("normal", "calm")), PLACES
        )
    ]


@pytest.mark.parametrize("said", [*CLASSES, Verdict.INCONCLUSIVE])
@pytest.mark.parametrize(
    "lines",
    [
        [],
        [NORMAL_JPEG],
        [GRAIN, NORMAL_JPEG],
        [f"[noise normal {place}] The grain there is calm." for place in NINTHS[:4]],
        [f"[noise anomalous {place}] The grain there is odd." for place in NINTHS[:4]],
    ],
    ids=["no words", "one claim", "two claims", "all calm", "all odd"],
)
@pytest.mark.parametrize("heat", ["none", "all", "centre"])
def test_a_canned_answer_scores_below_an_honest_one(world, said, lines, heat):
    plane = np.zeros((world.height, world.width), np.float32)
    plane[:] = heat == "all"
    if heat == "centre":
        plane[20:40, 30:60] = 1
    sure = np.full(3, 1 / 3) if said is Verdict.INCONCLUSIVE else world.sure_of(said, 0.9)
    canned = [claim(truth, said, lines, sure, plane) for truth in world.truths]
    honest = [world.honest(truth) for truth in world.truths]
    assert mean_score(canned, world.truths) < mean_score(honest, world.truths) - 0.1


def test_to_claim_everything_scores_below_an_honest_answer_on_every_picture(world):
    for truth in world.truths:
        answer = world.honest(truth)
        flood = claim(truth, truth.verdict, every_claim(truth), answer.probability, answer.map)
        assert score(flood, truth) < score(answer, truth) - 0.1


@pytest.mark.parametrize("heat", [0.0, 1.0], ids=["empty", "whole picture"])
def test_a_lazy_mask_scores_below_an_honest_one(world, heat):
    lazy = [
        replace(world.honest(truth), map=np.full((world.height, world.width), heat, np.float32))
        for truth in world.truths
    ]
    honest = [world.honest(truth) for truth in world.truths]
    assert mean_score(lazy, world.truths) < mean_score(honest, world.truths) - 0.05


def test_the_grounding_weighs_more_than_the_verdict():
    grounding = ("mask_iou", "evidence_precision", "evidence_coverage", "placement")
    assert sum(WEIGHTS[name] for name in grounding) > 2 * WEIGHTS["verdict"]


# Within a group


def test_every_reward_is_centred_and_scaled_in_its_own_group():
    rng = np.random.default_rng(0)
    raw = rng.random((5, 8, 3)) * [1.0, 0.01, 0.5]
    found = normalise(raw)
    np.testing.assert_allclose(found.mean(1), 0, atol=1e-12)
    np.testing.assert_allclose(found.std(1, ddof=1), 1)
    np.testing.assert_allclose(normalise(3 * raw + 7), found, atol=1e-9)


def test_constant_and_missing_rewards_teach_nothing():
    raw = np.array([[[0.5, np.nan], [0.5, np.nan]], [[0.0, np.nan], [1.0, 0.3]]])
    found = normalise(raw)
    assert not np.isnan(found).any()
    np.testing.assert_array_equal(found[0], 0)
    np.testing.assert_array_equal(found[1, :, 1], 0)
    np.testing.assert_allclose(found[1, :, 0], [-np.sqrt(0.5), np.sqrt(0.5)])
    np.testing.assert_array_equal(constant_share(raw), [0.5, 1.0])


def test_a_score_needs_a_reward_that_applies(world):
    with pytest.raises(ValueError, match="none of the rewards"):
        score(world.honest(world.truths[1]), world.truths[1], {"verdict": 0.0})
    with pytest.raises(KeyError):
        score(world.honest(world.truths[1]), world.truths[1], {"charm": 1.0})
