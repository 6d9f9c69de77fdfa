"""Reward of the verdict: Brier's proper score, and the share of it that sampling can move."""

import numpy as np

from morelli.data_pipeline.schema import CLASSES
from morelli.training.rewards.rollout import Rollout, Truth


def verdict(rollout: Rollout, truth: Truth) -> float:
    """Score the calibrated probability, and the sampled word by what it teaches about it.

    The probability p is read before anything is sampled, so every answer to one picture has the
    same p, and its Brier score B(p) alone would teach nothing. A word k drawn from p that earns
    `1[k is true] - p[k]` has as its expected policy gradient exactly half the gradient of Brier's
    score: sum_k p_k grad(log p_k) (1[k = y] - p_k) = grad(p_y - sum_k p_k^2 / 2). So the word is
    paid for surprise and not for being right alone: an overconfident model gains nothing by
    being more so, as it would if a right word earned 1 and a wrong one 0.

    Returns:
        (B(p) + (1 + 1[k = y] - p_k) / 2) / 2; sure and right 0.75, sure and wrong 0. A word that
        commits itself to nothing (inconclusive) counts as neither gain nor loss; an answer that
        cannot be read scores 0.
    """
    if rollout.answer is None:
        return 0.0
    true = CLASSES.index(truth.verdict)
    right = np.eye(len(CLASSES))[true]
    score = 1.0 - float(((rollout.probability - right) ** 2).sum()) / 2
    said = rollout.answer.verdict
    gain = 0.0
    if said in CLASSES:
        word = CLASSES.index(said)
        gain = float(right[word] - rollout.probability[word])
    return (score + (1 + gain) / 2) / 2
