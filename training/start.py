"""What a run starts from: a checkpoint, or a preset, adapted so that it can learn."""

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


def start_from(checkpoint: Path | None, preset: str | None, seed: int) -> Start:
    """Load a checkpoint, the one that ships if none is named; or begin a preset anew.

    Args:
        checkpoint: an adapter or a full model.
        preset: name of a configuration, whose own parts start at random; None for a checkpoint.
        seed: of everything that starts at random.

    Raises:
        CheckpointError: the checkpoint is missing, damaged, or holds a pickle.
        PullError: base weights have not been pulled.
        ValueError: both a checkpoint and a preset, or no such preset.
    """
    torch.manual_seed(seed)
    if preset is not None:
        if checkpoint is not None:
            raise ValueError(f"start from {checkpoint} or from the preset {preset}, not from both")
        return _preset(preset)
    folder = DEFAULT if checkpoint is None else checkpoint_in(checkpoint)
    read_list(folder)
    config = ForgeryVLMConfig.from_pretrained(str(folder))
    if (folder / "adapter_config.json").is_file():
        model = load_adapter(build_base_model(config), folder)
        tokenizer_folder = base_weights_dir((config.base or {})["text"])
    else:
        full = ForgeryVLM.from_pretrained(str(folder), use_safetensors=True).float()
        model, tokenizer_folder = adapt(full), folder
    processor = ForgeryProcessor(config, load_tokenizer(tokenizer_folder, config))
    return Start(model, processor, Calibrator.load(folder))


def _preset(name: str) -> Start:
    if name not in PRESETS:
        raise ValueError(f"no such preset {name!r}; there are {', '.join(PRESETS)}")
    config = PRESETS[name]()
    if config.base:
        tokenizer = load_tokenizer(base_weights_dir(config.base["text"]), config)
    elif name == "tiny":
        tokenizer = tiny_tokenizer(config)
    else:
        raise ValueError(f"{name} names no base weights to pull; give a checkpoint instead")
    return Start(adapt(build_base_model(config)), ForgeryProcessor(config, tokenizer), Calibrator())
