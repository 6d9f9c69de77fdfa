"""Segment Anything's mask decoder, prompted by the state of the `<seg>` token.

Shape legend: N views, W language width, M decoder width, G side of the patch grid.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from segment_anything.modeling.mask_decoder import MaskDecoder
from segment_anything.modeling.prompt_encoder import PromptEncoder
from segment_anything.modeling.transformer import TwoWayTransformer
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from morelli.model.views import Layout, stitch


class SegPrompt(nn.Module):
    """Turn the hidden state of `<seg>` into a prompt; a learned prompt where there is no text."""

    def __init__(self, width: int, mask_width: int) -> None:
        super().__init__()
        self.project = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(), nn.Linear(width, mask_width)
        )
        self.learned = nn.Parameter(torch.zeros(mask_width))

    def forward(self, hidden: Tensor | None, batch: int) -> Tensor:
        """Return (B, 1, M) prompts from (B, W) states, or B times the learned one from None."""
        learned = self.learned.expand(batch, 1, -1)
        return learned if hidden is None else learned + self.project(hidden)[:, None]


class PromptedMaskDecoder(nn.Module):
    """One mask a view from its image embedding, one prompt, and finer features where there are any.

    The two-way transformer, up-scaling and hyper-network are Segment Anything's (Kirillov et al.
    2023), so official weights load into `sam`; the finer features join while up-scaling as in
    SAM 2 (Ravi et al. 2024).
    """

    def __init__(self, grid: int, width: int, heads: int, mlp: int, fine: tuple[int, ...]) -> None:
        """Build a decoder.

        Args:
            grid: G, side of the image embedding.
            width: M, a multiple of 8 and of `heads`.
            heads: attention heads.
            mlp: hidden width of the transformer's blocks.
            fine: widths of the features at 2 G and at 4 G; empty for none.
        """
        super().__init__()
        self.prompt_encoder = PromptEncoder(
            embed_dim=width, image_embedding_size=(grid, grid), input_image_size=(1, 1),
            mask_in_chans=16,
        )  # fmt: skip
        self.sam = MaskDecoder(
            transformer_dim=width,
            transformer=TwoWayTransformer(
                depth=2, embedding_dim=width, num_heads=heads, mlp_dim=mlp
            ),
            num_multimask_outputs=3,
        )
        if fine:
            self.fine_half = nn.Conv2d(fine[1], width // 4, 1)
            self.fine_quarter = nn.Conv2d(fine[0], width // 8, 1)
            self.refine = nn.Sequential(
                nn.Conv2d(width // 8, width // 8, 3, padding=1),
                nn.GELU(),
                nn.Conv2d(width // 8, width // 8, 3, padding=1),
            )
        self.has_fine = bool(fine)
        self.offset = nn.Parameter(torch.zeros(()))

    def project_fine(self, stride4: Tensor, stride8: Tensor) -> tuple[Tensor, Tensor]:
        """Shrink the stem's features to the decoder's widths, to be kept until the prompt is known.

        Args:
            stride4: (N, fine[0], 4 G, 4 G).
            stride8: (N, fine[1], 2 G, 2 G).
        """
        return self.fine_quarter(stride4), self.fine_half(stride8)

    def forward(
        self, embedding: Tensor, prompts: Tensor, fine: tuple[Tensor, Tensor] | None
    ) -> Tensor:
        """Return (N, 4 G, 4 G) mask logits.

        Args:
            embedding: (N, M, G, G) image embedding.
            prompts: (N, 1, M), from `SegPrompt`.
            fine: what `project_fine` returned, or None.
        """
        batch = len(embedding)
        output_tokens = torch.cat([self.sam.iou_token.weight, self.sam.mask_tokens.weight])
        tokens = torch.cat([output_tokens.expand(batch, -1, -1), prompts], dim=1)
        _, dense = self.prompt_encoder(points=None, boxes=None, masks=None)
        positions = self._positions().to(embedding.dtype)
        states, source = self.sam.transformer(
            embedding + dense.to(embedding.dtype), positions.expand(batch, -1, -1, -1), tokens
        )
        source = source.transpose(1, 2).reshape(embedding.shape)
        pixels = self._upscale(source, fine)
        # token 0 predicts the IoU, token 1 the single mask
        weights = self.sam.output_hypernetworks_mlps[0](states[:, 1])
        logits = torch.einsum("nc,nchw->nhw", weights, pixels)
        scaled: Tensor = logits * pixels.shape[1] ** -0.5 + self.offset
        return scaled

    def _positions(self) -> Tensor:
        """Return the (1, M, G, G) encoding of positions, whose grid is float32 in any model."""
        layer = self.prompt_encoder.pe_layer
        frequencies = {name: buffer.float() for name, buffer in layer.named_buffers()}
        size = self.prompt_encoder.image_embedding_size
        encoding: Tensor = functional_call(layer, frequencies, (size,))
        return encoding[None]

    def _upscale(self, source: Tensor, fine: tuple[Tensor, Tensor] | None) -> Tensor:
        if not self.has_fine or fine is None:
            upscaled: Tensor = self.sam.output_upscaling(source)
            return upscaled
        first, norm, act, second, last_act = self.sam.output_upscaling
        quarter, half = fine
        hidden = act(norm(first(source) + half))
        hidden = last_act(second(hidden) + quarter)
        refined: Tensor = hidden + functional.gelu(self.refine(hidden))
        return refined


def soft_map(logits: Tensor, where: Layout, offset: float = 0.0) -> NDArray[np.float32]:
    """Return the (H, W) map from 0 to 1, in the image frame, that tiles' logits make.

    Args:
        logits: (T, h, w) of the tiles of one picture.
        where: the layout that the tiles were cut by.
        offset: is added to the logits.
    """
    return stitch((logits.float() + offset).sigmoid().cpu().numpy(), where)
