"""The artifact encoder: DINO's architecture on residuals, pixels and the instruments' maps.

Shape legend: N views, C channels, S side of a view, G side of the patch grid, D its width.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import Dinov2Config, Dinov2Model

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)

_RESIDUAL_GAIN = 30.0
_RESIDUAL_LIMIT = 3.0


def normalise(colours: Tensor) -> Tensor:
    """Shift and scale (N, 3, S, S) colours in [0, 1] to the statistics CLIP was trained with."""
    mean = colours.new_tensor(CLIP_MEAN).view(1, 3, 1, 1)
    std = colours.new_tensor(CLIP_STD).view(1, 3, 1, 1)
    return (colours - mean) / std


def noise_residual(colours: Tensor) -> Tensor:
    """Return what the 5 x 5 SRM high-pass leaves of each colour, (N, 3, S, S) in [-3, 3].

    The kernel is the "square 5 x 5" of the spatial rich model (Fridrich and Kodovsky, 2012).
    """
    kernel = colours.new_tensor(
        [
            [-1, 2, -2, 2, -1],
            [2, -6, 8, -6, 2],
            [-2, 8, -12, 8, -2],
            [2, -6, 8, -6, 2],
            [-1, 2, -2, 2, -1],
        ]
    )
    weight = (kernel / 12).expand(3, 1, 5, 5)
    residual = functional.conv2d(colours, weight, padding=2, groups=3)
    return (residual * _RESIDUAL_GAIN).clamp(-_RESIDUAL_LIMIT, _RESIDUAL_LIMIT)


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions with batch norm, added to their input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, width, h, w) to the same shape."""
        hidden = functional.relu(self.norm1(self.conv1(x)))
        return functional.relu(x + self.norm2(self.conv2(hidden)))


def _stage(inputs: int, width: int, kernel: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, width, kernel, stride, padding=(kernel - 1) // 2, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        ResidualBlock(width),
    )


class ArtifactStem(nn.Module):
    """Convolutions over colours, their noise residual and the maps, at strides 4, 8 and 16.

    Space-to-depth first, so that every convolution is a dense product on a small grid.
    """

    def __init__(self, num_maps: int, widths: tuple[int, int, int]) -> None:
        super().__init__()
        self.stride4 = _stage((6 + num_maps) * 16, widths[0], 3, 1)
        self.stride8 = _stage(widths[0], widths[1], 2, 2)
        self.stride16 = _stage(widths[1], widths[2], 2, 2)

    def forward(self, colours: Tensor, maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return (N, width, S / stride, S / stride) features for strides 4, 8 and 16.

        Args:
            colours: (N, 3, S, S) in [0, 1].
            maps: (N, M, S, S) in [0, 1].
        """
        stack = torch.cat([normalise(colours), noise_residual(colours), maps], dim=1)
        stride4 = self.stride4(functional.pixel_unshuffle(stack, 4))
        stride8 = self.stride8(stride4)
        return stride4, stride8, self.stride16(stride8)


@dataclass
class ArtifactFeatures:
    """What the artifact encoder says of N views.

    Attributes:
        tokens: (N, G * G, D), before the final norm.
        attention: (N, heads, G * G, G * G) of the last block, patch to patch.
        stem: the stem's features at strides 4, 8 and 16; empty without a stem.
    """

    tokens: Tensor
    attention: Tensor
    stem: tuple[Tensor, ...]


class ArtifactEncoder(nn.Module):
    """DINOv2's transformer over a forensic stem, or over plain pixels where there is none."""

    def __init__(self, dino: Dinov2Model, stem: ArtifactStem | None) -> None:
        super().__init__()
        self.dino = dino
        self.stem = stem

    def forward(self, colours: Tensor, maps: Tensor, scale: int = 1) -> ArtifactFeatures:
        """Encode (N, 3, S, S) colours in [0, 1] and (N, M, S, S) maps in [0, 1].

        Args:
            colours: at native resolution where there is a stem.
            maps: likewise.
            scale: the stem's features are averaged scale by scale, so that S may be that many
                times the side that the transformer's grid is made for.
        """
        if self.stem is None:
            stem: tuple[Tensor, ...] = ()
            inputs = torch.cat([normalise(colours), maps], dim=1)
        else:
            stem = self.stem(colours, maps)
            if scale > 1:
                stem = tuple(functional.avg_pool2d(plane, scale) for plane in stem)
            inputs = stem[-1]
        hidden = self.dino.embeddings(inputs)
        *layers, last = self.dino.encoder.layer
        for layer in layers:
            hidden = layer(hidden)
        attention = _attention(last, hidden)
        hidden = last(hidden)
        return ArtifactFeatures(hidden[:, 1:], attention[:, :, 1:, 1:], stem)


def _attention(layer: Any, hidden: Tensor) -> Tensor:
    """Return the softmax that a block computes; the fast attention kernels do not give it out."""
    attention = layer.attention
    inputs = layer.norm1(hidden)
    shape = (*inputs.shape[:-1], attention.num_attention_heads, -1)
    query = attention.q_proj(inputs).view(shape).transpose(1, 2)
    key = attention.k_proj(inputs).view(shape).transpose(1, 2)
    scores = query @ key.transpose(2, 3) * attention.scaling
    return torch.softmax(scores.float(), dim=-1).to(hidden.dtype)


def build_artifact_encoder(
    config: Dinov2Config, stem_channels: tuple[int, ...], num_maps: int
) -> ArtifactEncoder:
    """Build the encoder; the stem's last width must be the DINO part's `num_channels`.

    Raises:
        ValueError: the widths differ.
    """
    inputs = stem_channels[-1] if stem_channels else 3 + num_maps
    if config.num_channels != inputs:
        raise ValueError(f"dino_config.num_channels must be {inputs}, got {config.num_channels}")
    stem = ArtifactStem(num_maps, stem_channels) if stem_channels else None  # type: ignore[arg-type]
    return ArtifactEncoder(Dinov2Model(config), stem)
