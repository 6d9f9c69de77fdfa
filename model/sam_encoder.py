"""Segment Anything's own image encoder, for presets that have the memory for it."""

from functools import partial

import torch
from segment_anything.modeling.image_encoder import ImageEncoderViT
from torch import Tensor, nn
from torch.nn import functional

_SIZES = {
    "sam-vit-b": {"embed_dim": 768, "depth": 12, "num_heads": 12, "attention": (2, 5, 8, 11)},
    "sam-vit-h": {"embed_dim": 1280, "depth": 32, "num_heads": 16, "attention": (7, 15, 23, 31)},
}

_IMAGE_SIZE = 1024
_PATCH = 16
_WIDTH = 256
_MEAN = (123.675 / 255, 116.28 / 255, 103.53 / 255)
_STD = (58.395 / 255, 57.12 / 255, 57.375 / 255)


class SamImageEncoder(nn.Module):
    """ViT-B or ViT-H at 1024 pixels, sizes as in `segment_anything.build_sam`."""

    grid = _IMAGE_SIZE // _PATCH

    def __init__(self, name: str) -> None:
        super().__init__()
        size = _SIZES[name]
        self.encoder = ImageEncoderViT(
            img_size=_IMAGE_SIZE,
            patch_size=_PATCH,
            embed_dim=size["embed_dim"],
            depth=size["depth"],
            num_heads=size["num_heads"],
            global_attn_indexes=size["attention"],
            mlp_ratio=4,
            norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
            qkv_bias=True,
            use_rel_pos=True,
            window_size=14,
            out_chans=_WIDTH,
        )

    @classmethod
    def for_name(cls, name: str) -> "SamImageEncoder | None":
        """Build the encoder that a configuration names; None for "fused".

        Raises:
            ValueError: no such encoder.
        """
        if name == "fused":
            return None
        if name not in _SIZES:
            raise ValueError(f"no mask encoder {name!r}; there are fused, {', '.join(_SIZES)}")
        return cls(name)

    def forward(self, colours: Tensor) -> Tensor:
        """Encode (B, 3, S, S) colours in [0, 1] to (B, 256, 64, 64)."""
        mean = colours.new_tensor(_MEAN).view(1, 3, 1, 1)
        std = colours.new_tensor(_STD).view(1, 3, 1, 1)
        sized = functional.interpolate(
            colours, size=_IMAGE_SIZE, mode="bilinear", antialias=True, align_corners=False
        )
        embedding: Tensor = self.encoder((sized - mean) / std)
        return embedding
