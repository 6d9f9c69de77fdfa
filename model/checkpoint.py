"""Checkpoints: a folder of safetensors and JSON, checked against its own list of hashes.

Two kinds: an adapter over pulled base weights (what ships), in PEFT's format, merged on load; and a
full model as `save_pretrained` writes it.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file

from morelli.model.adapter import ADAPTER, AdapterError, merge_adapter
from morelli.model.base_model import build_base_model
from morelli.model.base_weights import base_weights_dir
from morelli.model.calibration import Calibrator
from morelli.model.config import ForgeryVLMConfig
from morelli.model.convert_weights import sha256_of
from morelli.model.forgery_vlm import ForgeryVLM
from morelli.model.processing import ForgeryProcessor, load_tokenizer

if TYPE_CHECKING:
    from peft import PeftModel

DEFAULT = Path(__file__).parent / "weights" / "embedded"
"""The checkpoint that ships with Morelli."""

LIST = "checkpoint.json"
IN_A_RUN = ("checkpoint", "adapter")
"""Where a training run keeps what it trained."""

_PICKLES = {".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt"}


class CheckpointError(RuntimeError):
    """A checkpoint that is missing, damaged or not safe to load; the message says which file."""


@dataclass(frozen=True)
class Checkpoint:
    """A model that is ready to examine.

    Attributes:
        model: in evaluation mode, float32, on the CPU.
        processor: that fits it.
        calibrator: stored beside it.
        name: of the checkpoint.
        version: of the checkpoint.
        sha256: of its list of hashes, and so of every byte of it.
        validation: what it reached on what, with n.
        operating_point: name of the one that the calibrator decides at, None if none was chosen.
    """

    model: ForgeryVLM
    processor: ForgeryProcessor
    calibrator: Calibrator
    name: str
    version: str
    sha256: str
    validation: dict[str, Any]
    operating_point: str | None = None

    def at(self, name: str) -> "Checkpoint":
        """Return the checkpoint that decides at an operating point which was measured of it.

        Raises:
            CheckpointError: none of that name was measured.
        """
        points = self.validation.get("calibration", {}).get("operating_points", [])
        thresholds = {point["name"]: point["threshold_at_even_odds"] for point in points}
        if name not in thresholds:
            known = ", ".join(thresholds) or "none"
            raise CheckpointError(
                f"{self.name} has no operating point {name!r} (measured: {known}); "
                "`morelli eval calibrate` measures them"
            )
        calibrator = replace(self.calibrator, operating_point=thresholds[name])
        return replace(self, calibrator=calibrator, operating_point=name)


def read_list(folder: Path) -> dict[str, Any]:
    """Check a checkpoint's files and return its record.

    Raises:
        CheckpointError: no such folder, a pickle, a missing file or a wrong hash.
    """
    listing = folder / LIST
    if not listing.is_file():
        raise CheckpointError(f"{folder} is no checkpoint: it has no {LIST}")
    for path in sorted(folder.iterdir()):
        if path.suffix in _PICKLES:
            raise CheckpointError(
                f"{path} is a pickle, which can run code when it is read; "
                "convert it to safetensors and remove it"
            )
    record: dict[str, Any] = json.loads(listing.read_text())
    for name, expected in record["files"].items():
        path = folder / name
        if not path.is_file():
            raise CheckpointError(f"{path} is missing; fetch the checkpoint again")
        found = sha256_of(path)
        if found != expected:
            raise CheckpointError(
                f"{path} has SHA-256 {found[:12]}..., but {LIST} says {expected[:12]}...; "
                "fetch the checkpoint again"
            )
    return record


def write_list(folder: Path, name: str, version: str, validation: dict[str, Any]) -> None:
    """List every file of a checkpoint with its hash.

    Args:
        folder: the checkpoint.
        name: of the checkpoint.
        version: of the checkpoint.
        validation: what it reached on what, with n; shown in every report.
    """
    files = {
        path.name: sha256_of(path)
        for path in sorted(folder.iterdir())
        if path.is_file() and path.name not in {LIST, "README.md"}
    }
    record = {"name": name, "version": version, "validation": validation, "files": files}
    (folder / LIST).write_text(json.dumps(record, indent=1) + "\n")


def checkpoint_in(folder: Path) -> Path:
    """Return the checkpoint that a training run's folder holds; any other folder as it is."""
    inside = (folder / name for name in IN_A_RUN)
    return next((path for path in inside if (path / LIST).is_file()), folder)


def load_checkpoint(folder: Path | None = None) -> Checkpoint:
    """Load a checkpoint or a training run's, the one that ships if none is named.

    Raises:
        CheckpointError: it is missing, damaged, or holds a pickle.
        PullError: its base weights have not been pulled.
    """
    folder = DEFAULT if folder is None else checkpoint_in(folder)
    record = read_list(folder)
    config = ForgeryVLMConfig.from_pretrained(str(folder))
    if (folder / ADAPTER).is_file():
        model = build_base_model(config, skip_init=True)
        try:
            merge_adapter(model, folder)
        except AdapterError as error:
            raise CheckpointError(str(error)) from error
        tokenizer_dir = base_weights_dir((config.base or {})["text"])
    else:
        model = ForgeryVLM.from_pretrained(str(folder), use_safetensors=True)
        tokenizer_dir = folder
    model = model.float().eval()
    return Checkpoint(
        model=model,
        processor=ForgeryProcessor(config, load_tokenizer(tokenizer_dir, config)),
        calibrator=Calibrator.load(folder),
        name=record["name"],
        version=record["version"],
        sha256=sha256_of(folder / LIST),
        validation=record["validation"],
    )


def save_adapter(model: "PeftModel", config: ForgeryVLMConfig, folder: Path) -> None:
    """Write an adapter in half precision with its configuration.

    Args:
        model: adapted by `training.adapters`.
        config: of the model inside.
        folder: made if missing; `write_list` completes it.
    """
    model.save_pretrained(str(folder))
    path = folder / ADAPTER
    tensors = load_file(path)
    save_file({name: _half(tensor) for name, tensor in tensors.items()}, path)
    config.save_pretrained(str(folder))
    (folder / "README.md").unlink(missing_ok=True)


def _half(tensor: torch.Tensor) -> torch.Tensor:
    # norms and their statistics are small in number and wide in range: they keep float32
    return tensor.half() if tensor.is_floating_point() and tensor.dim() > 1 else tensor
