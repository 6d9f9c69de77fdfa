"""Merge a trained adapter, in PEFT's format, into a base model.

PEFT does this too, and the tests hold this against it; but importing it and wrapping every layer
costs some seconds of each start, and what is wrapped is unwrapped at once.
"""

import json
import re
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

ADAPTER = "adapter_model.safetensors"

_SETTINGS = "adapter_config.json"
_PREFIX = "base_model.model."
_LOW, _HIGH = ".lora_A.weight", ".lora_B.weight"
_TOKENS = ".token_adapter.trainable_tokens_delta"
_BEYOND = ("use_dora", "use_rslora", "use_qalora", "fan_in_fan_out", "lora_bias")


class AdapterError(ValueError):
    """An adapter that cannot be merged; the message says which file and why."""


@torch.no_grad()
def merge_adapter(model: nn.Module, folder: Path) -> None:
    """Add low-rank updates to a model's weights in place, and copy what was trained in full.

    Args:
        model: float32, as the adapter's base.
        folder: with adapter_model.safetensors and adapter_config.json.

    Raises:
        AdapterError: the adapter is of a kind that this does not merge, or not of this model.
        OSError: a file cannot be read.
    """
    settings: dict[str, Any] = json.loads((folder / _SETTINGS).read_text())
    beyond = [name for name in _BEYOND if settings.get(name)]
    if beyond or settings["peft_type"] != "LORA":
        raise AdapterError(
            f"{folder / _SETTINGS}: {', '.join(beyond) or settings['peft_type']} is not supported; "
            "merge this adapter with PEFT and save the whole model"
        )
    tensors = load_file(folder / ADAPTER)
    places = dict(model.named_parameters()) | dict(model.named_buffers())
    for key, value in tensors.items():
        name = key.removeprefix(_PREFIX)
        if name.endswith(_LOW):
            layer = name.removesuffix(_LOW)
            update = tensors[key.replace(_LOW, _HIGH)].float() @ value.float()
            place = _place(places, f"{layer}.weight", update, folder)
            place.add_(update, alpha=_alpha(settings, layer) / len(value))
        elif name.endswith(_TOKENS):
            layer = name.removesuffix(_TOKENS)
            rows = settings["trainable_token_indices"][layer.rpartition(".")[2]]
            places[f"{layer}.weight"][rows] = value.float()
        elif not name.endswith(_HIGH):
            _place(places, name, value, folder).copy_(value)


def _place(places: dict[str, Tensor], name: str, value: Tensor, folder: Path) -> Tensor:
    place = places.get(name)
    if place is None or place.shape != value.shape:
        has = "no such weight" if place is None else f"one of shape {tuple(place.shape)}"
        raise AdapterError(
            f"{folder / ADAPTER}: {name} has shape {tuple(value.shape)}, and the model has {has}; "
            "config.json must be the one that the adapter was trained with"
        )
    return place


def _alpha(settings: dict[str, Any], layer: str) -> float:
    """Return the scale of a layer's update, times its rank; patterns match as PEFT's do."""
    for pattern, alpha in settings["alpha_pattern"].items():
        if re.match(rf"(.*\.)?({pattern})$", layer):
            return float(alpha)
    return float(settings["lora_alpha"])
