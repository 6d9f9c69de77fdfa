"""Join a configuration with the base weights that `morelli pull` fetched."""

import re
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers.initialization import no_init_weights

from morelli.model.base_weights import base_weights_dir
from morelli.model.config import ForgeryVLMConfig
from morelli.model.forgery_vlm import ForgeryVLM


def build_base_model(config: ForgeryVLMConfig, skip_init: bool = False) -> ForgeryVLM:
    """Build a float32 model whose towers hold the pulled weights and whose rest is random.

    Args:
        config: with `base` naming a pulled weight for "clip" and for "text".
        skip_init: leave what is not pulled uninitialised, because a checkpoint fills it.

    Raises:
        PullError: a weight has not been pulled.
        RuntimeError: a pulled file does not fit the configuration.
    """
    base = config.base or {}
    folders = {part: base_weights_dir(name) for part, name in base.items()}
    if skip_init:
        with no_init_weights():
            model = ForgeryVLM(config)
    else:
        model = ForgeryVLM(config)
    if "clip" in folders:
        weights = _read(folders["clip"])
        model.model.vision.semantic.clip.load_state_dict(
            _without_layers(weights, config.clip_config.num_hidden_layers)
        )
    if "text" in folders:
        weights = _read(folders["text"])
        inner = {key.removeprefix("model."): value for key, value in weights.items()}
        head = inner.pop("lm_head.weight", None)
        model.model.language_model.load_state_dict(inner)
        if head is not None and not config.tie_word_embeddings:
            model.lm_head.weight.data.copy_(head)
    model.tie_weights()
    return model


def _without_layers(weights: dict[str, torch.Tensor], first: int) -> dict[str, torch.Tensor]:
    """Leave out the tower's layers from `first` on, which a shortened tower does not have."""
    beyond = re.compile(r"encoder\.layers\.(\d+)\.")
    return {
        key: value
        for key, value in weights.items()
        if not (match := beyond.match(key)) or int(match[1]) < first
    }


def _read(folder: Path) -> dict[str, torch.Tensor]:
    return {key: value.float() for key, value in load_file(folder / "model.safetensors").items()}
