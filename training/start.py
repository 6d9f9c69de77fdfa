"""What a run starts from: a checkpoint, or a preset, adapted so that it can learn."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from peft import PeftModel

from morelli.model.base_model import build_base_model
from morelli.model.base_weights import base_weights_dir
from morelli.model.calibration import Calibrator
from morelli.model.checkpoint import DEFAULT, checkpoint_in, read_list
from morelli.model.config import ForgeryVLMConfig
from morelli.model.forgery_vlm import ForgeryVLM
from morelli.model.presets import PRESETS
from morelli.model.processing import ForgeryProcessor, load_tokenizer, tiny_tokenizer
from morelli.training.adapters import adapt
from morelli.training.warm_start import load_adapter


@dataclass(frozen=True)
class Start:
    """A model that is ready to learn, and what belongs to it."""

    model: PeftModel
    processor: ForgeryProcessor
    calibrator: Calibrator


def _as_it_is(_: ForgeryVLM) -> None:
    """Change nothing."""


def start_from(
    checkpoint: Path | None,
    preset: str | None,
    seed: int,
    change: Callable[[ForgeryVLM], None] = _as_it_is,
) -> Start:
    """Load a checkpoint, the one that ships if none is named; or begin a preset anew.

    Args:
        checkpoint: an adapter or a full model.
        preset: name of a configuration, whose own parts start at random; None for a checkpoint.
        seed: of everything that starts at random.
        change: what is done to the base model before it is adapted, such as rounding its weights.

    Raises:
        CheckpointError: the checkpoint is missing, damaged, or holds a pickle.
        PullError: base weights have not been pulled.
        ValueError: both a checkpoint and a preset, or no such preset.
    """
    torch.manual_seed(seed)
    if preset is not None:
        if checkpoint is not None:
            raise ValueError(f"start from {checkpoint} or from the preset {preset}, not from both")
        return _preset(preset, change)
    folder = DEFAULT if checkpoint is None else checkpoint_in(checkpoint)
    read_list(folder)
    config = ForgeryVLMConfig.from_pretrained(str(folder))
    if (folder / "adapter_config.json").is_file():
        base = build_base_model(config)
        change(base)
        model = load_adapter(base, folder)
        tokenizer_folder = base_weights_dir((config.base or {})["text"])
    else:
        full = ForgeryVLM.from_pretrained(str(folder), use_safetensors=True).float()
        change(full)
        model, tokenizer_folder = adapt(full), folder
    processor = ForgeryProcessor(config, load_tokenizer(tokenizer_folder, config))
    return Start(model, processor, Calibrator.load(folder))


def _preset(name: str, change: Callable[[ForgeryVLM], None]) -> Start:
    if name not in PRESETS:
        raise ValueError(f"no such preset {name!r}; there are {', '.join(PRESETS)}")
    config = PRESETS[name]()
    if config.base:
        tokenizer = load_tokenizer(base_weights_dir(config.base["text"]), config)
    elif name == "tiny":
        tokenizer = tiny_tokenizer(config)
    else:
        raise ValueError(f"{name} names no base weights to pull; give a checkpoint instead")
    base = build_base_model(config)
    change(base)
    return Start(adapt(base), ForgeryProcessor(config, tokenizer), Calibrator())
