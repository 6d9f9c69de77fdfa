"""Weights that answers are sampled with: low-rank updates merged in, in one dtype.

Sampling reads all weights once a token and multiplies few rows. Updates that stay apart double the
number of products, float32 doubles the bytes, and PEFT copies a whole embedding of which one row
learns, and the head that is tied to it, at every token. The policy that learns keeps all of that.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from peft.tuners.lora import Linear as LowRank
from torch import Tensor, nn
from torch.nn import functional

from morelli.model.forgery_vlm import ForgeryVLM


class _Merged(nn.Module):
    """A linear layer that cannot learn."""

    weight: Tensor

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.bias = bias

    def forward(self, rows: Tensor) -> Tensor:
        """Map (..., in) to (..., out) in the dtype of the rows."""
        product = functional.linear(rows.to(self.weight.dtype), self.weight).to(rows.dtype)
        return product if self.bias is None else product + self.bias


class _Rows(nn.Module):
    """A token embedding that cannot learn."""

    weight: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", weight)

    def forward(self, ids: Tensor) -> Tensor:
        """Map (...) token ids to (..., width)."""
        return functional.embedding(ids, self.weight)


@contextmanager
@torch.no_grad()
def merged_for_sampling(model: ForgeryVLM, dtype: torch.dtype) -> Iterator[None]:
    """Let a model write with merged weights for a while; nothing that it learns is touched.

    Linear layers whose weights are rounded to 4 bits, and those on a GPU, stay as they are.

    Args:
        model: whose language model has low-rank updates.
        dtype: of the merged weights and their products.
    """
    language = model.model.language_model
    changes: list[tuple[nn.Module, str, nn.Module]] = [
        (parent, name, _Merged(_merged_weight(layer).to(dtype), layer.base_layer.bias))
        for parent in list(language.modules())
        for name, layer in parent.named_children()
        if isinstance(layer, LowRank) and _is_plain(layer.base_layer)
    ]
    if not isinstance(model.lm_head, _Merged):
        embedding = token_weight(language.get_input_embeddings())
        changes.append((language, "embed_tokens", _Rows(embedding)))
        changes.append((model, "lm_head", _Merged(token_weight(model.lm_head).to(dtype))))
    before = [(parent, name, getattr(parent, name)) for parent, name, _ in changes]
    for parent, name, layer in changes:
        setattr(parent, name, layer)
    try:
        yield
    finally:
        for parent, name, layer in before:
            setattr(parent, name, layer)


def token_weight(module: nn.Module) -> Tensor:
    """Return the (vocabulary, W) weight of an embedding or a head, the trained token put in.

    PEFT wraps an embedding of which one row learns, and a head that is tied to it; the wrapper's
    own weight is that of before.
    """
    layer = getattr(module, "token_adapter", None)
    if layer is None:
        plain: Any = module.weight
        return cast(Tensor, plain)
    merged: Tensor = layer.get_merged_weights(layer.active_adapters)
    return merged


def _merged_weight(layer: LowRank) -> Tensor:
    weight: Tensor = layer.base_layer.weight.detach()
    for adapter in layer.active_adapters:
        weight = weight + layer.get_delta_weight(adapter)
    return weight


def _is_plain(layer: nn.Module) -> bool:
    return type(layer) is nn.Linear and layer.weight.device.type == "cpu"
