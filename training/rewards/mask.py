"""Reward of the mask that the answer shows."""

from morelli.data_pipeline.schema import Verdict
from morelli.training.rewards.rollout import Rollout, Truth


def mask_iou(rollout: Rollout, truth: Truth) -> float | None:
    """Return the intersection over union of the shown mask and the true one.

    A picture without an altered part wants an empty mask: 1 for one, 0 for any other, so that a
    mask on an authentic picture earns nothing. An answer that does not say tampered shows none.

    Returns:
        0 to 1; 0 for an answer that cannot be read; None if a tampered picture's mask is unknown.
    """
    if truth.verdict is Verdict.TAMPERED and truth.mask is None:
        return None
    if rollout.answer is None:
        return 0.0
    shown = rollout.mask
    if truth.verdict is not Verdict.TAMPERED or truth.mask is None or not truth.mask.any():
        return 0.0 if shown.any() else 1.0
    return float((shown & truth.mask).sum() / (shown | truth.mask).sum())
