"""The one description of a ForgeryVLM: which parts, of which sizes, joined how."""

from typing import Any, ClassVar

from transformers import AutoConfig, PreTrainedConfig
from transformers.configuration_utils import SubConfigSpec


class ForgeryVLMConfig(PreTrainedConfig):  # type: ignore[misc]
    """Sizes and wiring of a ForgeryVLM; presets are functions in `morelli.model.presets`.

    Attributes:
        clip_config: the semantic encoder, a CLIP vision tower.
        dino_config: the artifact encoder, DINOv2's architecture. With a stem its "pixels" are the
            stem's features: `num_channels` = the stem's last width, `patch_size` = 1.
        text_config: any causal language model; its width W is the width of the fusion.
        view_size: side of a view of scale 1 in pixels.
        scale_areas: largest area in pixels of a picture that is cut at scale 1, 2, ...; anything
            larger is cut at one scale more. A view of scale k is k times as wide: the stem reads
            it at native resolution, and what follows sees the stem's features averaged k by k.
            Needs a stem; empty cuts every picture at scale 1.
        tile_overlap: least overlap of neighbouring tiles in pixels of scale 1.
        map_names: instruments whose maps are input channels, in order.
        stem_channels: widths of the convolution stem at strides 4, 8 and 16; empty for none, then
            the artifact encoder takes pixels by its own patch projection.
        semantic_taps: CLIP layers whose tokens are joined, counted as `hidden_states` are:
            12 is the last of 12 layers, -2 the last but one.
        fusion_heads: attention heads of the fusion.
        overview_grid: the whole picture gives the language model this many tokens squared.
        mosaic_grid: so do the tiles, laid out on the picture; 0 for none.
        evidence_width: width of the summary of one view; 0 leaves the evidence token out.
        mask_width: width of the mask decoder.
        mask_heads: attention heads of the mask decoder.
        mask_mlp: hidden width of the mask decoder's blocks.
        mask_encoder: "fused" decodes from the fused tokens of each tile; "sam-vit-b" and
            "sam-vit-h" from Segment Anything's own image encoder on the whole picture.
        verdict_words: words that follow the verdict stem, in the order of `schema.CLASSES`.
        verdict_temperature: T of the classification probability mapper.
        image_token_id: placeholder that is replaced by an image token.
        seg_token_id: the token whose hidden state prompts the mask decoder.
        base: base weights by part ("clip", "text"), as named by `morelli pull`.
    """

    model_type = "morelli"
    sub_configs_defaults = {  # noqa: RUF012 - transformers reads it as a class attribute
        "clip_config": SubConfigSpec(config_class=AutoConfig, model_type="clip_vision_model"),
        "dino_config": SubConfigSpec(config_class=AutoConfig, model_type="dinov2"),
        "text_config": SubConfigSpec(config_class=AutoConfig, model_type="llama"),
    }
    auto_map: ClassVar[dict[str, str]] = {}  # trl iterates it unguarded

    clip_config: Any = None
    dino_config: Any = None
    text_config: Any = None
    view_size: int = 224
    scale_areas: list[int] | tuple[int, ...] = ()
    tile_overlap: int = 16
    map_names: list[str] | tuple[str, ...] = ()
    stem_channels: list[int] | tuple[int, ...] = ()
    semantic_taps: list[int] | tuple[int, ...] = (-2,)
    fusion_heads: int = 16
    fusion_dropout: float = 0.1
    overview_grid: int = 24
    mosaic_grid: int = 0
    evidence_width: int = 0
    mask_width: int = 256
    mask_heads: int = 8
    mask_mlp: int = 2048
    mask_encoder: str = "fused"
    verdict_words: list[str] | tuple[str, ...] = (" authentic", " tampered", " synthetic")
    verdict_temperature: float = 1.0
    image_token_id: int = 0
    seg_token_id: int = 1
    base: dict[str, str] | None = None
    tie_word_embeddings: bool = False

    @property
    def grid(self) -> int:
        """Side of the patch grid of a view, the same for both encoders."""
        return int(self.clip_config.image_size // self.clip_config.patch_size)

    @property
    def scales(self) -> int:
        """The number of scales that pictures are cut at."""
        return len(self.scale_areas) + 1

    def scale(self, height: int, width: int) -> int:
        """Return the scale k at which a picture of this size in pixels is cut into views."""
        return 1 + sum(height * width > area for area in self.scale_areas)

    @property
    def num_image_tokens(self) -> int:
        """Tokens that stand for one picture in the language model's input."""
        evidence = 1 if self.evidence_width else 0
        return int(self.overview_grid**2 + self.mosaic_grid**2 + evidence)

    def check(self) -> None:
        """Refuse sizes that do not meet.

        Raises:
            ValueError: names the two settings that disagree.
        """
        dino_input = self.dino_config if self.stem_channels else self.clip_config
        dino_grid = dino_input.image_size // self.dino_config.patch_size
        if dino_grid != self.grid:
            raise ValueError(
                f"the encoders' grids differ: CLIP {self.grid}, DINO {dino_grid}; "
                "set image_size and patch_size of dino_config to match"
            )
        width = self.text_config.hidden_size
        if width % self.fusion_heads:
            raise ValueError(f"width {width} is not a multiple of fusion_heads {self.fusion_heads}")
        if self.scale_areas and not self.stem_channels:
            raise ValueError(
                f"scale_areas {self.scale_areas} needs stem_channels: only a stem pools"
            )
        if self.stem_channels and len(self.stem_channels) != 3:
            raise ValueError(f"stem_channels needs strides 4, 8, 16, got {self.stem_channels}")
