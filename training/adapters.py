"""Which parts of a ForgeryVLM learn: low-rank updates of the towers, everything ours in full."""

from dataclasses import dataclass

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn

from morelli.model.forgery_vlm import ForgeryVLM

_CLIP = r".*semantic\.clip\.encoder\.layers\.\d+\.(self_attn\.[qkvo]\w*_proj|mlp\.fc[12])"
_LANGUAGE = r".*language_model\.layers\.\d+\.(self_attn\.[qkvo]_proj|mlp\.(gate|up|down)_proj)"

_VISION_PARTS = (
    "vision.artifact",
    "semantic.inject",
    "vision.semantic_projector",
    "vision.artifact_projector",
    "vision.fusion",
    "vision.evidence",
    "semantic.clip.pre_layrnorm",
    "layer_norm1",
    "layer_norm2",
)
_MASK_PARTS = ("seg_prompt", "mask_neck", "mask_decoder")


def lora_config(model: ForgeryVLM, rank: int, language_rank: int) -> LoraConfig:
    """Describe what is trained, in PEFT's terms.

    Args:
        model: whose parts are looked up.
        rank: of the updates to CLIP's linear layers; alpha is twice the rank.
        language_rank: of those to the language model.
    """
    return LoraConfig(
        r=rank,
        lora_alpha=2 * rank,
        rank_pattern={r"language_model\.layers\..*": language_rank},
        alpha_pattern={r"language_model\.layers\..*": 2 * language_rank},
        target_modules=f"({_CLIP}|{_LANGUAGE})",
        modules_to_save=[*_VISION_PARTS, *_MASK_PARTS],
        trainable_token_indices={"embed_tokens": [model.config.seg_token_id]},
    )


def adapt(model: ForgeryVLM, rank: int = 16, language_rank: int = 8) -> PeftModel:
    """Wrap a model so that only what is ours learns."""
    return get_peft_model(model, lora_config(model, rank, language_rank))


@dataclass(frozen=True)
class Rates:
    """How fast what learns does so.

    Attributes:
        low_rank: learning rate of the low-rank updates and of norms; above 2e-4 CLIP drifts.
        full: learning rate of the parts trained in full.
        decay: of the weights.
    """

    low_rank: float
    full: float
    decay: float = 0.02

    def optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        """Return the optimiser of what learns in an adapted model."""
        low: list[nn.Parameter] = []
        full: list[nn.Parameter] = []
        single: list[nn.Parameter] = []
        for name, parameter in model.named_parameters():
            if not parameter.requires_grad:
                continue
            gentle = "lora_" in name or "layer_norm" in name or "pre_layrnorm" in name
            # single numbers are never shared out: no kernel of the optimiser may mix them in
            (low if gentle else full if parameter.dim() else single).append(parameter)
        groups = [(low, self.low_rank), (full, self.full), (single, self.full)]
        learned = [{"params": found, "lr": rate} for found, rate in groups if found]
        return torch.optim.AdamW(learned, weight_decay=self.decay)


def freeze_encoders(model: ForgeryVLM) -> None:
    """Let the encoders and their fusion learn nothing; the evidence on top of them still may."""
    vision = model.model.vision
    for part in (
        vision.semantic,
        vision.artifact,
        vision.semantic_projector,
        vision.artifact_projector,
        vision.fusion,
    ):
        part.requires_grad_(False)
