"""Weights that answers are sampled with: low-rank updates merged in, in one dtype.

Sampling reads all weights once a token and multiplies few rows. Updates that stay apart double the
number of products, and float32 doubles the bytes; the policy that learns keeps both.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from peft.tuners.lora import Linear as LowRank
from torch import Tensor, nn
from torch.nn import functional


class _Merged(nn.Module):
    """A linear layer with its updates merged, which cannot learn."""

    weight: Tensor

    def __init__(self, layer: LowRank, dtype: torch.dtype) -> None:
        super().__init__()
        weight = layer.base_layer.weight.detach()
        for adapter in layer.active_adapters:
            weight = weight + layer.get_delta_weight(adapter)
        self.register_buffer("weight", weight.to(dtype))
        self.bias = layer.base_layer.bias

    def forward(self, rows: Tensor) -> Tensor:
        """Map (..., in) to (..., out) in the dtype of the rows."""
        product = functional.linear(rows.to(self.weight.dtype), self.weight).to(rows.dtype)
        return product if self.bias is None else product + self.bias


@contextmanager
@torch.no_grad()
def merged_for_sampling(model: nn.Module, dtype: torch.dtype) -> Iterator[None]:
    """Let a language model write with merged weights for a while; nothing it learns is touched.

    Layers whose weights are rounded to 4 bits, and those on a GPU, stay as they are.

    Args:
        model: whose linear layers have low-rank updates.
        dtype: of the merged weights and their products.
    """
    places = [
        (parent, name, layer)
        for parent in list(model.modules())
        for name, layer in parent.named_children()
        if isinstance(layer, LowRank) and _is_plain(layer.base_layer)
    ]
    for parent, name, layer in places:
        setattr(parent, name, _Merged(layer, dtype))
    try:
        yield
    finally:
        for parent, name, layer in places:
            setattr(parent, name, layer)


def _is_plain(layer: nn.Module) -> bool:
    return type(layer) is nn.Linear and layer.weight.device.type == "cpu"
