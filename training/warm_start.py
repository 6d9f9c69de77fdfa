"""Start from weights trained before: an adapter folder, or the first experiment."""

import re
from pathlib import Path

import torch
from peft import PeftModel
from safetensors.torch import load_file
from torch import Tensor, nn

from morelli.model.forgery_vlm import ForgeryVLM

_LINEARS = {
    "q": "self_attn.q_proj",
    "k": "self_attn.k_proj",
    "v": "self_attn.v_proj",
    "o": "self_attn.out_proj",
    "f1": "mlp.fc1",
    "f2": "mlp.fc2",
}
_STAGES = {"stem": "stride4", "d1": "stride8", "d2": "stride16"}
_BLOCK = {"a": "conv1", "na": "norm1", "b": "conv2", "nb": "norm2"}


def load_adapter(model: ForgeryVLM, folder: Path) -> PeftModel:
    """Wrap a base model with a trained adapter that goes on learning."""
    return PeftModel.from_pretrained(model, str(folder), is_trainable=True)


def _name(key: str) -> str | None:
    """Translate a name of the first experiment to this model's; None for what has no heir."""
    if match := re.fullmatch(r"bl\.(\d+)\.(q|k|v|o|f1|f2)\.([AB])", key):
        layer, linear, side = match.groups()
        return f"semantic.clip.encoder.layers.{layer}.{_LINEARS[linear]}.lora_{side}.default.weight"
    if match := re.fullmatch(r"bl\.(\d+)\.n([12])\.(weight|bias)", key):
        layer, number, kind = match.groups()
        return f"semantic.clip.encoder.layers.{layer}.layer_norm{number}.{kind}"
    if match := re.fullmatch(r"pre\.(weight|bias)", key):
        return f"semantic.clip.pre_layrnorm.{match[1]}"
    if match := re.fullmatch(r"inj\.(weight|bias)", key):
        return f"semantic.inject.{match[1]}"
    if match := re.fullmatch(r"(stem|d1|d2)\.(0|1)\.(\w+)", key):
        return f"artifact.stem.{_STAGES[match[1]]}.{match[2]}.{match[3]}"
    if match := re.fullmatch(r"(stem|d1|d2)\.3\.(a|na|b|nb)\.(\w+)", key):
        return f"artifact.stem.{_STAGES[match[1]]}.3.{_BLOCK[match[2]]}.{match[3]}"
    return None


def load_first_experiment(model: ForgeryVLM, path: Path) -> int:
    """Copy the first experiment's CLIP updates and stem into an adapted `embedded` model.

    Its mask head has no heir. The maps' input channels, which it did not have, start at zero.

    Args:
        model: adapted, so that its CLIP layers have low-rank updates of rank 16.
        path: the experiment's safetensors file.

    Returns:
        Number of tensors copied.

    Raises:
        KeyError: a translated name is missing in the model.
    """
    places = {_plain(name): tensor for name, tensor in _tensors(model.model.vision).items()}
    copied = 0
    for key, value in load_file(path).items():
        name = _name(key)
        if name is None:
            continue
        _copy(places[name], value)
        copied += 1
    return copied


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    names = dict(module.named_parameters()) | dict(module.named_buffers())
    return {name: tensor for name, tensor in names.items() if "original_module" not in name}


def _plain(name: str) -> str:
    return name.replace("modules_to_save.default.", "").replace("base_layer.", "")


@torch.no_grad()
def _copy(place: Tensor, value: Tensor) -> None:
    if place.shape == value.shape:
        place.copy_(value)
        return
    # the experiment had no maps: its input channels come first, the maps' start at zero
    place.zero_()
    place[:, : value.shape[1]] = value.to(place.dtype)
