"""What GRPO rewards: one pure function a reward, a table of them, and the weight of each.

A reward looks at one `Rollout` and the `Truth` of its picture and returns a number from 0 to 1, or
None where the truth says nothing about it. An answer that cannot be read earns nothing anywhere.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from morelli.training.rewards.evidence import evidence_coverage, evidence_precision, placement
from morelli.training.rewards.form import agreement, answer_format, length
from morelli.training.rewards.mask import mask_iou
from morelli.training.rewards.rollout import Rollout, Truth
from morelli.training.rewards.verdict import verdict

Reward = Callable[[Rollout, Truth], float | None]

REWARDS: dict[str, Reward] = {
    "verdict": verdict,
    "mask_iou": mask_iou,
    "evidence_precision": evidence_precision,
    "evidence_coverage": evidence_coverage,
    "placement": placement,
    "format": answer_format,
    "agreement": agreement,
    "length": length,
}
"""Every reward by its name; a new one is a function and a line here and in `RewardWeights`."""


@dataclass(frozen=True)
class RewardWeights:
    """Weight of each reward by its name, after it was normalised within its group; 0 leaves it out.

    Grounding outweighs the verdict, which is learned first and would otherwise starve it
    (OmniVL-Guard).
    """

    verdict: float = 1.0
    mask_iou: float = 2.0
    evidence_precision: float = 1.5
    evidence_coverage: float = 1.0
    placement: float = 2.0
    format: float = 0.5
    agreement: float = 1.0
    length: float = 0.25


WEIGHTS: dict[str, float] = asdict(RewardWeights())

_SAME = 1e-6


def score(rollout: Rollout, truth: Truth, weights: Mapping[str, float] = WEIGHTS) -> float:
    """Return the weighted mean, 0 to 1, of the rewards that apply.

    Raises:
        KeyError: a weight for a reward that does not exist.
        ValueError: no reward with a weight applies.
    """
    earned = {name: REWARDS[name](rollout, truth) for name in weights}
    parts = [(weights[name], value) for name, value in earned.items() if value is not None]
    total = sum(weight for weight, _ in parts)
    if total <= 0:
        raise ValueError(f"none of the rewards {list(weights)} applies with a weight above 0")
    return sum(weight * value for weight, value in parts) / total


def normalise(rewards: NDArray[np.float64]) -> NDArray[np.float64]:
    """Centre and scale each reward within its group, so that none outweighs by its spread alone.

    The same numbers that TRL's `normalize_then_sum` sums by weight (GDPO); here to be tested and
    plotted.

    Args:
        rewards: (groups, answers, rewards); NaN where a reward does not apply.

    Returns:
        The same shape: mean 0 and deviation 1 a group and reward; 0 where a reward is constant in
        its group or does not apply.
    """
    known = ~np.isnan(rewards)
    count = known.sum(1, keepdims=True)
    filled = np.where(known, rewards, 0.0)
    mean = filled.sum(1, keepdims=True) / np.maximum(count, 1)
    apart = np.where(known, rewards - mean, 0.0)
    spread = np.sqrt((apart**2).sum(1, keepdims=True) / np.maximum(count - 1, 1))
    return np.where(spread > _SAME, apart / np.maximum(spread, _SAME), 0.0)


def constant_share(rewards: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the (rewards,) share of groups in which a reward is constant, and so teaches nothing.

    Args:
        rewards: (groups, answers, rewards); NaN where a reward does not apply.
    """
    return np.asarray((normalise(rewards) == 0).all(axis=1).mean(axis=0))
