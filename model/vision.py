"""Both encoders and their fusion: from `pixel_values` to fused tokens, a mosaic and one summary.

Shape legend: B pictures, V views, N valid views of all pictures, P = G * G patches of a view,
W width of the fusion, E width of a view's summary.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from morelli.model.artifact_encoder import build_artifact_encoder
from morelli.model.config import ForgeryVLMConfig
from morelli.model.fusion import ForgeryAwareFusion, Projector
from morelli.model.semantic_encoder import SemanticEncoder
from morelli.model.views import RGB_CHANNELS

_CHUNK = 8
"""Views of scale 1 encoded at a time outside training, or fewer pixels of wider ones; bounds the
memory of a picture of many tiles."""


@dataclass
class ViewFeatures:
    """What the encoders say of the valid views, padding left out.

    Attributes:
        fused: (N, P, W).
        summary: (N, class-token width), the semantic encoder's class token.
        stride4: (N, c, 4 G, 4 G) of the stem, or None without a stem.
        stride8: (N, c, 2 G, 2 G) of the stem, or None.
        centres: (N, P, 2) x and y of each patch as fractions of the picture.
        inside: (N, P) bool, False where a patch lies outside the picture.
        picture: (N,) index of the picture in the batch.
        view: (N,) index of the view; 0 is the overview.
        batch: B.
    """

    fused: Tensor
    summary: Tensor
    stride4: Tensor | None
    stride8: Tensor | None
    centres: Tensor
    inside: Tensor
    picture: Tensor
    view: Tensor
    batch: int

    def to(self, dtype: torch.dtype) -> "ViewFeatures":
        """Return the features with every fractional number in `dtype`."""
        return self._with(lambda tensor: tensor.to(dtype) if tensor.is_floating_point() else tensor)

    def select(self, views: Tensor) -> "ViewFeatures":
        """Return the features of the views that a (N,) bool tensor marks."""
        return self._with(lambda tensor: tensor[views])

    def _with(self, change: Callable[[Tensor], Tensor]) -> "ViewFeatures":
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        changed = {name: change(v) for name, v in values.items() if isinstance(v, Tensor)}
        return replace(self, **cast(dict[str, Any], changed))


@dataclass
class Evidence:
    """The summary of a picture, and what can be read from it without the language model.

    Attributes:
        token: (B, W), stands in the language model's input.
        verdict_logits: (B, 3), an auxiliary reading that only training looks at.
        view_logits: (N,) whether a view holds altered pixels, likewise.
    """

    token: Tensor
    verdict_logits: Tensor
    view_logits: Tensor


class EvidencePool(nn.Module):
    """Summarise every view, then the picture: mean and maximum of its tiles, the overview."""

    def __init__(self, summary: int, fused: int, width: int) -> None:
        super().__init__()
        self.view = nn.Sequential(nn.Linear(summary + 2 * fused, width), nn.GELU())
        self.picture = nn.Sequential(
            nn.Linear(3 * width, fused), nn.GELU(), nn.Linear(fused, fused)
        )
        self.verdict = nn.Linear(fused, 3)
        self.altered = nn.Linear(width, 1)

    def forward(self, features: ViewFeatures) -> Evidence:
        """Pool the views of each picture."""
        inside = features.inside[..., None]
        count = inside.sum(1).clamp(min=1)
        mean = (features.fused * inside).sum(1) / count
        peak = features.fused.masked_fill(~inside, -1e4).amax(1)
        views = self.view(torch.cat([features.summary, mean, peak], dim=-1))
        tiles = features.view > 0
        rows = features.picture[tiles]
        shape = (features.batch, views.shape[-1])
        total = views.new_zeros(shape).index_add(0, rows, views[tiles])
        number = torch.bincount(rows, minlength=features.batch).clamp(min=1)[:, None]
        index = rows[:, None].expand(-1, shape[1])
        top = views.new_full(shape, -1e4).scatter_reduce(0, index, views[tiles], "amax")
        overview = views.new_zeros(shape).index_add(0, features.picture[~tiles], views[~tiles])
        token = self.picture(torch.cat([total / number, top, overview], dim=-1))
        return Evidence(token, self.verdict(token), self.altered(views)[:, 0])


class ForgeryVision(nn.Module):
    """The CLIP and DINO encoders, their projectors and the forgery-aware fusion."""

    def __init__(self, config: ForgeryVLMConfig) -> None:
        super().__init__()
        width = config.text_config.hidden_size
        stem = tuple(config.stem_channels)
        self.num_maps = len(config.map_names)
        self.grid = config.grid
        self.input_size = config.clip_config.image_size
        self.artifact = build_artifact_encoder(config.dino_config, stem, self.num_maps)
        self.semantic = SemanticEncoder(
            config.clip_config, config.semantic_taps, stem[-1] if stem else 0
        )
        self.semantic_projector = Projector(self.semantic.width, width)
        self.artifact_projector = Projector(config.dino_config.hidden_size, width)
        self.fusion = ForgeryAwareFusion(
            width,
            config.fusion_heads,
            config.dino_config.num_attention_heads,
            config.fusion_dropout,
        )
        self.evidence = (
            EvidencePool(config.clip_config.hidden_size, width, config.evidence_width)
            if config.evidence_width
            else None
        )

    def forward(self, pixel_values: Tensor) -> ViewFeatures:
        """Encode (B, V, C, S, S) views, skipping those that are padding (validity all zero)."""
        validity = pixel_values[:, :, RGB_CHANNELS + self.num_maps]
        keep = validity.flatten(2).amax(-1) > 0
        picture, view = keep.nonzero(as_tuple=True)
        share = (self.input_size / pixel_values.shape[-1]) ** 2
        chunk = len(view) if self.training else max(1, int(_CHUNK * min(1, share)))
        # indexed chunk by chunk, or all views of a large picture would be held twice
        chunks = zip(torch.split(picture, chunk), torch.split(view, chunk), strict=True)
        parts = [self._encode(pixel_values[rows, columns]) for rows, columns in chunks]
        return replace(joined(parts, len(pixel_values)), picture=picture, view=view)

    def _encode(self, views: Tensor) -> ViewFeatures:
        colours = views[:, :RGB_CHANNELS]
        maps = views[:, RGB_CHANNELS : RGB_CHANNELS + self.num_maps]
        frame = views[:, RGB_CHANNELS + self.num_maps :].float()
        if self.artifact.stem is None:
            colours, maps = self._shrunk(colours), self._shrunk(maps)
        artifact = self.artifact(colours, maps, views.shape[-1] // self.input_size)
        tokens, summary = self.semantic(
            self._shrunk(colours), artifact.stem[-1] if artifact.stem else None
        )
        fused = self.fusion(
            self.semantic_projector(tokens),
            self.artifact_projector(artifact.tokens),
            artifact.attention,
        )
        centres, inside = self._centres(frame)
        empty = torch.zeros(0, dtype=torch.long, device=views.device)
        stride4, stride8 = artifact.stem[:2] if artifact.stem else (None, None)
        return ViewFeatures(fused, summary, stride4, stride8, centres, inside, empty, empty, 0)

    def _shrunk(self, planes: Tensor) -> Tensor:
        """Bring (N, c, S, S) planes to the side that the towers take."""
        side = self.input_size
        if planes.shape[-1] == side:
            return planes
        if not planes.shape[1]:
            return planes.new_zeros(len(planes), 0, side, side)
        return functional.interpolate(planes, size=side, mode="bilinear", antialias=True)

    def _centres(self, frame: Tensor) -> tuple[Tensor, Tensor]:
        """Average x and y over each patch's valid pixels; frame is (N, 3, S, S).

        A patch is inside if half of it is valid; of a strip so thin that it half fills none, those
        that it fills most.
        """
        pooled = functional.adaptive_avg_pool2d(frame, self.grid).flatten(2)
        share = pooled[:, 0]
        weighted = functional.adaptive_avg_pool2d(frame[:, 1:] * frame[:, :1], self.grid).flatten(2)
        centres = (weighted / share.clamp(min=1e-6)[:, None]).transpose(1, 2)
        return centres, share >= share.amax(1, keepdim=True).clamp(max=0.5)

    def image_tokens(
        self, features: ViewFeatures, overview_grid: int, mosaic_grid: int
    ) -> tuple[Tensor, Evidence | None]:
        """Return the (B, K, W) tokens that stand for each picture, and its evidence.

        Args:
            features: of a batch in which every picture has its overview.
            overview_grid: side of the overview's token grid.
            mosaic_grid: side of the mosaic's token grid; 0 for none.
        """
        overview = features.fused[features.view == 0]
        plane = overview.transpose(1, 2).reshape(len(overview), -1, self.grid, self.grid)
        parts = [functional.adaptive_avg_pool2d(plane, overview_grid).flatten(2).transpose(1, 2)]
        if mosaic_grid:
            parts.append(_mosaic(features, mosaic_grid))
        evidence = self.evidence(features) if self.evidence is not None else None
        if evidence is not None:
            parts.append(evidence.token[:, None])
        return torch.cat(parts, dim=1), evidence


def encode(
    vision: ForgeryVision, parts: Iterable[NDArray[np.float32]], dtype: torch.dtype
) -> ViewFeatures:
    """Encode the views of one picture part by part, so that they need not be held all at once.

    Args:
        vision: the encoders.
        parts: (v, C, S, S) consecutive views of the picture.
        dtype: to multiply in.

    Returns:
        Features in the dtype of the encoders' weights, so that whatever reads them need not know.
    """
    found: list[ViewFeatures] = []
    seen = 0
    for views in parts:
        features = encode_views(vision, torch.from_numpy(views), dtype)
        found.append(replace(features, view=features.view + seen))
        seen += len(views)
    return joined(found, 1)


def encode_views(vision: ForgeryVision, views: Tensor, dtype: torch.dtype) -> ViewFeatures:
    """Encode (v, C, S, S) views of one picture at once, with gradients if they are asked for.

    Returns:
        Features in the dtype of the encoders' weights.
    """
    first = next(vision.parameters())
    with torch.autocast(first.device.type, torch.bfloat16, enabled=dtype is torch.bfloat16):
        features: ViewFeatures = vision(views[None].to(first.device))
    return features.to(first.dtype)


def joined(parts: Sequence[ViewFeatures], batch: int) -> ViewFeatures:
    """Put features of views behind each other.

    Args:
        parts: whose pictures and views are numbered as those of one batch.
        batch: how many pictures it has.
    """
    values = {
        field.name: _join([getattr(part, field.name) for part in parts])
        for field in fields(ViewFeatures)
        if field.name != "batch"
    }
    return ViewFeatures(**cast(dict[str, Any], values), batch=batch)


def _join(parts: list[Tensor | None]) -> Tensor | None:
    return None if parts[0] is None else torch.cat(parts)  # type: ignore[arg-type]


def _mosaic(features: ViewFeatures, grid: int) -> Tensor:
    """Average the tiles' patches over the cells of the picture in which they lie: (B, g * g, W)."""
    use = (features.view > 0)[:, None] & features.inside
    cells = (features.centres * grid).long().clamp(0, grid - 1)
    index = features.picture[:, None] * grid**2 + cells[..., 1] * grid + cells[..., 0]
    flat = features.fused[use]
    total = flat.new_zeros(features.batch * grid**2, flat.shape[-1]).index_add(0, index[use], flat)
    count = torch.bincount(index[use], minlength=len(total)).clamp(min=1)
    return (total / count[:, None]).reshape(features.batch, grid**2, -1)


def select_tiles(features: ViewFeatures) -> ViewFeatures:
    """Return only the native tiles, the overviews left out."""
    return features.select(features.view > 0)
