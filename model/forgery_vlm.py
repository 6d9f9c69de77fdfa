"""ForgeryVLM: one forward path to the verdict's logits, the mask's logits and the words.

Shape legend: B pictures, V views, C channels, S side of a view, T tokens, W language width.
The backbone is `ForgeryModel` (`last_hidden_state` aligned with `input_ids`, so that TRL can drive
it); `ForgeryVLM` adds the language head and the prompted mask decoder. Losses live in `training`.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModel, GenerationMixin, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPast, ModelOutput

from morelli.model.config import ForgeryVLMConfig
from morelli.model.mask_decoder import PromptedMaskDecoder, SegPrompt
from morelli.model.sam_encoder import SamImageEncoder
from morelli.model.vision import Evidence, ForgeryVision, ViewFeatures, select_tiles


@dataclass
class ForgeryModelOutput(BaseModelOutputWithPast):  # type: ignore[misc]
    """The backbone's output.

    Attributes:
        features: of the views, where pixels or features were given.
        evidence: the picture's summary, where the configuration has one.
    """

    features: ViewFeatures | None = None
    evidence: Evidence | None = None


@dataclass
class ForgeryOutput(ModelOutput):  # type: ignore[misc]
    """What one forward pass gives.

    Attributes:
        logits: (B, T, vocabulary), or the last `logits_to_keep` of T.
        loss: language modelling loss where `labels` were given.
        mask_logits: (N, h, w) of each native tile, where `<seg>` is in the input.
        past_key_values: the language model's cache.
        last_hidden_state: (B, T, W).
        features: of the views.
        evidence: the picture's summary.
    """

    logits: Tensor | None = None
    loss: Tensor | None = None
    mask_logits: Tensor | None = None
    past_key_values: Any = None
    last_hidden_state: Tensor | None = None
    features: ViewFeatures | None = None
    evidence: Evidence | None = None


class ForgeryPreTrainedModel(PreTrainedModel):  # type: ignore[misc]
    """Loading, saving and initialising, shared by the backbone and the whole."""

    config_class = ForgeryVLMConfig
    config: ForgeryVLMConfig
    base_model_prefix = "model"
    main_input_name = "input_ids"
    input_modalities = ("image", "text")
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_attention_backend = True
    _skip_keys_device_placement = ["past_key_values"]  # noqa: RUF012 - as transformers declares it
    _no_split_modules = ["LlamaDecoderLayer", "Qwen2DecoderLayer"]  # noqa: RUF012


class ForgeryModel(ForgeryPreTrainedModel):
    """Encoders, fusion and language model without its head."""

    def __init__(self, config: ForgeryVLMConfig) -> None:
        super().__init__(config)
        config.check()
        self.vision = ForgeryVision(config)
        self.language_model = AutoModel.from_config(config.text_config)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """Return the language model's token embedding."""
        embedding: nn.Module = self.language_model.get_input_embeddings()
        return embedding

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replace the language model's token embedding."""
        self.language_model.set_input_embeddings(value)

    def forward(
        self,
        input_ids: Tensor | None = None,
        pixel_values: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        past_key_values: Any = None,
        features: ViewFeatures | None = None,
        **kwargs: Any,
    ) -> ForgeryModelOutput:
        """Run the backbone.

        Args:
            input_ids: (B, T) int64, `config.image_token_id` repeated where a picture's tokens go.
            pixel_values: (B, V, C, S, S) as `views.pack` builds them.
            attention_mask: (B, T), 0 for padding.
            inputs_embeds: (B, T, W) in place of `input_ids`.
            past_key_values: cache of earlier tokens.
            features: of the same pictures, computed before, in place of `pixel_values`.
            kwargs: passed to the language model.

        Raises:
            ValueError: the number of placeholders is not that of the pictures' tokens.
        """
        if inputs_embeds is None:
            inputs_embeds = self.get_input_embeddings()(input_ids)
        if features is None and pixel_values is not None:
            features = self.vision(pixel_values)
        evidence = None
        if features is not None and input_ids is not None:
            inputs_embeds, evidence = self._place(inputs_embeds, input_ids, features)
        output = self.language_model(
            inputs_embeds=inputs_embeds,
            attention_mask=attention_mask,
            past_key_values=past_key_values,
            **kwargs,
        )
        return ForgeryModelOutput(
            last_hidden_state=output.last_hidden_state,
            past_key_values=output.past_key_values,
            features=features,
            evidence=evidence,
        )

    def _place(
        self, embeds: Tensor, input_ids: Tensor, features: ViewFeatures
    ) -> tuple[Tensor, Evidence | None]:
        config = self.config
        tokens, evidence = self.vision.image_tokens(
            features, config.overview_grid, config.mosaic_grid
        )
        where = input_ids == config.image_token_id
        if int(where.sum()) != tokens.shape[0] * tokens.shape[1]:
            raise ValueError(
                f"{int(where.sum())} image placeholders for {len(tokens)} pictures of "
                f"{config.num_image_tokens} tokens; build the input with ForgeryProcessor"
            )
        mask = where[..., None].expand_as(embeds)
        return embeds.masked_scatter(mask, tokens.to(embeds.dtype)), evidence


class ForgeryVLM(ForgeryPreTrainedModel, GenerationMixin):  # type: ignore[misc]
    """Backbone, language head and the mask decoder that `<seg>` prompts."""

    _tied_weights_keys = {  # noqa: RUF012 - as transformers declares it
        "lm_head.weight": "model.language_model.embed_tokens.weight"
    }

    def __init__(self, config: ForgeryVLMConfig) -> None:
        super().__init__(config)
        width, text = config.text_config.hidden_size, config.text_config
        self.model = ForgeryModel(config)
        self.lm_head = nn.Linear(width, text.vocab_size, bias=False)
        self.seg_prompt = SegPrompt(width, config.mask_width)
        self.sam_encoder = SamImageEncoder.for_name(config.mask_encoder)
        grid = self.sam_encoder.grid if self.sam_encoder else config.grid
        self.mask_neck = nn.Identity() if self.sam_encoder else nn.Linear(width, config.mask_width)
        self.mask_decoder = PromptedMaskDecoder(
            grid,
            config.mask_width,
            config.mask_heads,
            config.mask_mlp,
            tuple(config.stem_channels[:2]) if not self.sam_encoder else (),
        )
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """Return the language model's token embedding."""
        return self.model.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replace the language model's token embedding."""
        self.model.set_input_embeddings(value)

    def get_output_embeddings(self) -> nn.Module:
        """Return the language head."""
        return self.lm_head

    def set_output_embeddings(self, value: nn.Linear) -> None:
        """Replace the language head."""
        self.lm_head = value

    def decode_masks(
        self,
        features: ViewFeatures,
        seg_state: Tensor | None,
        pixel_values: Tensor | None = None,
    ) -> Tensor:
        """Return mask logits: (N, h, w) a native tile, or (B, h, w) a picture with SAM's encoder.

        Args:
            features: of the views.
            seg_state: (B, W) hidden state at `<seg>`; None uses the learned prompt, for training
                the localiser before there are words.
            pixel_values: needed only with Segment Anything's own encoder.

        Raises:
            ValueError: the configuration has SAM's encoder and there are no pixels.
        """
        prompts = self.seg_prompt(seg_state, features.batch)
        if self.sam_encoder is not None:
            if pixel_values is None:
                raise ValueError("mask_encoder is Segment Anything's own: pass pixel_values too")
            masks: Tensor = self.mask_decoder(
                self.sam_encoder(pixel_values[:, 0, :3]), prompts, None
            )
            return masks
        tiles = select_tiles(features)
        embedding = self.mask_neck(tiles.fused).transpose(1, 2)
        grid = self.config.grid
        fine = None
        if tiles.stride4 is not None and tiles.stride8 is not None:
            fine = self.mask_decoder.project_fine(tiles.stride4, tiles.stride8)
        masks = self.mask_decoder(
            embedding.unflatten(-1, (grid, grid)), prompts[tiles.picture], fine
        )
        return masks

    def forward(
        self,
        input_ids: Tensor | None = None,
        pixel_values: Tensor | None = None,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        past_key_values: Any = None,
        features: ViewFeatures | None = None,
        logits_to_keep: int | Tensor = 0,
        **kwargs: Any,
    ) -> ForgeryOutput:
        """Run the whole model; arguments as `ForgeryModel.forward`.

        Args:
            input_ids: (B, T).
            pixel_values: (B, V, C, S, S).
            attention_mask: (B, T).
            labels: (B, T) with -100 where no loss is wanted.
            past_key_values: cache of earlier tokens.
            features: in place of `pixel_values`.
            logits_to_keep: number of last positions whose logits are wanted, 0 for all.
            kwargs: passed to the language model and to the loss (`num_items_in_batch`).
        """
        output = self.model(
            input_ids=input_ids,
            pixel_values=pixel_values,
            attention_mask=attention_mask,
            past_key_values=past_key_values,
            features=features,
            **kwargs,
        )
        hidden = output.last_hidden_state
        keep = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        logits = self.lm_head(hidden[:, keep])
        loss = None
        if labels is not None:
            vocabulary = self.config.text_config.vocab_size
            loss = self.loss_function(logits=logits, labels=labels, vocab_size=vocabulary, **kwargs)
        mask_logits = None
        if output.features is not None and input_ids is not None:
            state = seg_state(hidden, input_ids, self.config.seg_token_id)
            if state is not None:
                mask_logits = self.decode_masks(output.features, state, pixel_values)
        return ForgeryOutput(
            logits=logits,
            loss=loss,
            mask_logits=mask_logits,
            past_key_values=output.past_key_values,
            last_hidden_state=hidden,
            features=output.features,
            evidence=output.evidence,
        )

    def prepare_inputs_for_generation(
        self,
        input_ids: Tensor,
        pixel_values: Tensor | None = None,
        features: ViewFeatures | None = None,
        is_first_iteration: bool = False,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Give the pictures to the first step only; later steps read them from the cache."""
        inputs: dict[str, Any] = super().prepare_inputs_for_generation(
            input_ids, is_first_iteration=is_first_iteration, **kwargs
        )
        if is_first_iteration or not kwargs.get("use_cache", True):
            inputs["pixel_values"] = pixel_values
            inputs["features"] = features
        return inputs


def seg_state(hidden: Tensor, input_ids: Tensor, seg_token_id: int) -> Tensor | None:
    """Return the (B, W) state at the last `<seg>` of each row, or None if any row has none."""
    where = input_ids == seg_token_id
    if not bool(where.any(dim=1).all()):
        return None
    last = input_ids.shape[1] - 1 - where.flip(1).int().argmax(dim=1)
    return hidden[torch.arange(len(hidden), device=hidden.device), last]
