"""What a run that stopped goes on from: its last whole checkpoint, the same under every strategy.

A checkpoint holds the adapter, the optimiser's moments by the name of each parameter, the place in
the schedule and the state of the loop. Nothing in it tells how many processes wrote it.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim import Optimizer
from transformers.trainer import TRAINER_STATE_NAME

from morelli.training.full_shards import shared_as, whole_of

MOMENTS = "moments.safetensors"
"""What the optimiser remembers of each parameter, in a checkpoint."""

_NUMBERED = re.compile(r"checkpoint-(\d+)")


class TrainingError(RuntimeError):
    """Training that cannot go on; the message says why and what to do."""


def last_checkpoint(out: Path) -> Path | None:
    """Return a run's last checkpoint that was written to its end, None if there is none."""
    whole = [path.parent for path in out.glob(f"checkpoint-*/{TRAINER_STATE_NAME}")]
    return max(whole, key=step_of, default=None)


def step_of(checkpoint: Path) -> int:
    """Return the optimiser steps that a checkpoint was written after."""
    match = _NUMBERED.fullmatch(checkpoint.name)
    return int(match[1]) if match else 0


def learned(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return what learns, by name."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def moments_of(model: nn.Module, optimizer: Optimizer) -> dict[str, Tensor]:
    """Return the optimiser's moments, whole, by name of parameter and moment.

    Every process must call it where a model is shared out.
    """
    return {
        f"{name}/{moment}": whole_of(value).cpu()
        for name, parameter in learned(model).items()
        for moment, value in optimizer.state.get(parameter, {}).items()
    }


def put_moments(model: nn.Module, optimizer: Optimizer, moments: Mapping[str, Tensor]) -> None:
    """Give an optimiser the moments that `moments_of` returned, shared out as its parameters are.

    Raises:
        TrainingError: they belong to another model.
    """
    parameters = learned(model)
    for full_name, value in moments.items():
        name, _, moment = full_name.rpartition("/")
        parameter = parameters.get(name)
        if parameter is None or (moment != "step" and value.shape != parameter.shape):
            raise TrainingError(
                f"{MOMENTS} holds {name} of {tuple(value.shape)}, which does not learn here so; "
                "go on with the settings that the run was started with"
            )
        place = optimizer.state[parameter]
        place[moment] = value if moment == "step" else shared_as(value, parameter)


def write_moments(moments: Mapping[str, Tensor], checkpoint: Path) -> None:
    """Write moments into a checkpoint."""
    save_file({name: value.contiguous() for name, value in moments.items()}, checkpoint / MOMENTS)


def read_moments(checkpoint: Path) -> dict[str, Tensor]:
    """Read the moments of a checkpoint.

    Raises:
        TrainingError: there are none; an earlier version wrote it.
    """
    path = checkpoint / MOMENTS
    if not path.exists():
        raise TrainingError(
            f"{path} is missing, so an earlier version wrote this run; begin a new one with "
            f"--start at what it trained, or remove {checkpoint}"
        )
    return load_file(path)
