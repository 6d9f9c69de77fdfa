"""What training minimises: pure functions of outputs and truth.

Shape legend: N tiles, h w mask pixels of a view, B pictures, K verdicts.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

_POSITIVE_WEIGHT = 2.0


@dataclass(frozen=True)
class MaskLoss:
    """The two terms of the mask loss, each a scalar.

    Attributes:
        cross_entropy: binary, over all pixels that are known.
        dice: over the tiles that hold altered pixels; 0 where no tile does.
    """

    cross_entropy: Tensor
    dice: Tensor


def mask_loss(logits: Tensor, truth: Tensor, known: Tensor) -> MaskLoss:
    """Compare mask logits with the share of altered pixels under each.

    Args:
        logits: (N, h, w).
        truth: (N, h, w) in [0, 1].
        known: (N, h, w) bool; False where there is no truth (padding, synthetic pictures).
    """
    weight = known.float()
    entropy = functional.binary_cross_entropy_with_logits(
        logits.float(), truth, reduction="none",
        pos_weight=logits.new_tensor(_POSITIVE_WEIGHT, dtype=torch.float32),
    )  # fmt: skip
    cross_entropy = (entropy * weight).sum() / weight.sum().clamp(min=1)
    altered = (truth * weight).flatten(1).sum(1) > 0
    if not bool(altered.any()):
        return MaskLoss(cross_entropy, logits.sum() * 0.0)
    share = (logits.float().sigmoid() * weight)[altered].flatten(1)
    target = (truth * weight)[altered].flatten(1)
    overlap = (share * target).sum(1)
    dice = 1 - (2 * overlap + 1) / (share.sum(1) + target.sum(1) + 1)
    return MaskLoss(cross_entropy, dice.mean())


def overlap_loss(logits: Tensor, truth: Tensor, known: Tensor) -> Tensor:
    """Return 1 less the soft intersection over union of one picture, a scalar.

    The counterpart of the reward of the mask that has a gradient: over all tiles of the picture at
    once, however small the altered part, where the terms of `mask_loss` are over pixels and tiles
    (Rahman and Wang, "Optimizing Intersection-Over-Union in Deep Neural Networks for Image
    Segmentation", 2016). 0 where nothing known is altered: then no overlap is defined.

    Args:
        logits: (N, h, w) of the tiles of one picture.
        truth: (N, h, w) in [0, 1].
        known: (N, h, w) bool.
    """
    target = truth * known
    if not bool((target > 0).any()):
        return logits.sum() * 0.0
    share = logits.float().sigmoid() * known
    overlap = (share * target).sum()
    return 1 - overlap / (share.sum() + target.sum() - overlap)


def verdict_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of (B, K) verdict logits against (B,) class indices."""
    return functional.cross_entropy(logits.float(), labels)
