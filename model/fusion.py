"""Forgery-aware fusion: semantic tokens ask, artifact tokens answer (FakeReasoning).

Shape legend: N views, P patches, W width, H heads.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

_LOG_FLOOR = 1e-6


class Projector(nn.Sequential):
    """Two linear layers with GELU, an encoder's width to the language model's (LLaVA 1.5)."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__(nn.Linear(inputs, width), nn.GELU(), nn.Linear(width, width))


class ForgeryAwareFusion(nn.Module):
    """One post-norm cross-attention block, biased by where the artifact encoder itself looks.

    Query = projected CLIP tokens, key = value = projected DINO tokens. The additive bias is two
    1 x 1 convolutions over the logarithm of the artifact encoder's last-block attention. At width
    5120 with 16 heads it has 314.6 M parameters, as published.
    """

    def __init__(self, width: int, heads: int, dino_heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.merge = nn.Linear(width, width)
        self.bias = nn.Sequential(
            nn.Conv2d(dino_heads, 2 * dino_heads, 1), nn.GELU(), nn.Conv2d(2 * dino_heads, heads, 1)
        )
        self.norm_attention = nn.LayerNorm(width)
        self.norm_feed_forward = nn.LayerNorm(width)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, 4 * width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(4 * width, width)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, semantic: Tensor, artifact: Tensor, attention: Tensor) -> Tensor:
        """Fuse (N, P, W) semantic and (N, P, W) artifact tokens to (N, P, W).

        Args:
            semantic: projected CLIP tokens.
            artifact: projected DINO tokens.
            attention: (N, dino heads, P, P), the artifact encoder's last softmax.
        """
        bias = self.bias(torch.log(attention + _LOG_FLOOR))
        query, key, value = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in (self.query(semantic), self.key(artifact), self.value(artifact))
        )
        dropout = self.dropout.p if self.training else 0.0
        mixed = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=bias.to(query.dtype), dropout_p=dropout
        )
        mixed = self.merge(mixed.transpose(1, 2).flatten(2))
        hidden = self.norm_attention(semantic + self.dropout(mixed))
        fused: Tensor = self.norm_feed_forward(hidden + self.dropout(self.feed_forward(hidden)))
        return fused
