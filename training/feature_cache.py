"""What frozen encoders see of a picture, computed once and kept.

A group of sampled answers shows the model the same picture eight times, thrice a step; an epoch
over one's own data shows each picture again. Only encoders that do not learn may be cached.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor

from morelli.model.forgery_vlm import ForgeryVLM
from morelli.model.vision import ForgeryVision, ViewFeatures


class FeatureCache:
    """Stands in for the forward pass of the encoders; the least recently used pictures go first."""

    def __init__(self, vision: ForgeryVision, limit: int, bf16: bool) -> None:
        """Wrap the encoders.

        Args:
            vision: with nothing in it that learns, but for the summary that is not in its forward.
            limit: of memory, in bytes.
            bf16: let matrix products run in bfloat16.
        """
        self._vision = vision
        self._encode: Callable[[Tensor], ViewFeatures] = vision.forward
        self._limit = limit
        self._bf16 = bf16
        self._bytes = 0
        self._kept: OrderedDict[bytes, ViewFeatures] = OrderedDict()
        self.computed = 0

    def __call__(self, pixel_values: Tensor) -> ViewFeatures:
        """Return the features of (B, V, C, S, S) views, in the order of the encoders.

        They come in the dtype of the weights, which answers are sampled in.
        """
        return join_features([self._of(picture) for picture in pixel_values])

    def close(self) -> None:
        """Let the encoders see for themselves again, and forget everything."""
        self._kept.clear()
        self._bytes = 0
        self._vision.__dict__.pop("forward", None)

    def _of(self, views: Tensor) -> ViewFeatures:
        key = hashlib.blake2b(views.detach().cpu().numpy().tobytes(), digest_size=16).digest()
        if key not in self._kept:
            self._keep(key, self._computed(views))
        self._kept.move_to_end(key)
        return self._kept[key]

    def _computed(self, views: Tensor) -> ViewFeatures:
        self._vision.eval()
        self.computed += 1
        # An evaluation may run in inference mode, whose tensors no gradient may meet later.
        with (
            torch.inference_mode(False),
            torch.no_grad(),
            torch.autocast(views.device.type, torch.bfloat16, enabled=self._bf16),
        ):
            features = self._encode(views[None].clone())
            return features.to(next(self._vision.parameters()).dtype)

    def _keep(self, key: bytes, features: ViewFeatures) -> None:
        self._kept[key] = features
        self._bytes += _bytes_of(features)
        while self._bytes > self._limit and len(self._kept) > 1:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= _bytes_of(oldest)


def cache_features(
    model: ForgeryVLM, limit: int = 1_000_000_000, bf16: bool = False
) -> FeatureCache:
    """Cache what the frozen encoders of a model see, until the cache is closed.

    Args:
        model: whose encoders do not learn.
        limit: of memory, in bytes.
        bf16: let their matrix products run in bfloat16.

    Raises:
        ValueError: a part of the encoders learns.
    """
    vision = model.model.vision
    learned = [
        name
        for name, parameter in vision.named_parameters()
        if parameter.requires_grad and not name.startswith("evidence.")
    ]
    if learned:
        raise ValueError(f"features of encoders that learn cannot be kept; {learned[0]} does")
    cache = FeatureCache(vision, limit, bf16)
    vision.__dict__["forward"] = cache  # found before the class's own
    return cache


def join_features(parts: Sequence[ViewFeatures]) -> ViewFeatures:
    """Join the features of single pictures to those of a batch."""
    changes: dict[str, Any] = {
        field.name: torch.cat([getattr(part, field.name) for part in parts])
        for field in fields(ViewFeatures)
        if isinstance(getattr(parts[0], field.name), Tensor)
    }
    counts = torch.tensor([len(part.view) for part in parts], device=parts[0].view.device)
    numbers = torch.arange(len(parts), device=counts.device)
    changes |= {"picture": torch.repeat_interleave(numbers, counts), "batch": len(parts)}
    return replace(parts[0], **changes)


def _bytes_of(features: ViewFeatures) -> int:
    tensors = (getattr(features, field.name) for field in fields(features))
    return sum(t.numel() * t.element_size() for t in tensors if isinstance(t, Tensor))
