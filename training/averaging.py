"""A moving average of what learns: smoother than the last step, and saved beside it."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import TrainerCallback

_FILE = "moving_average.safetensors"


class MovingAverage(TrainerCallback):  # type: ignore[misc]
    """Follow the trained parameters with an exponential average, warmed up over the first steps."""

    def __init__(self, model: nn.Module, decay: float = 0.995) -> None:
        """Start from the present weights.

        Args:
            model: whose parameters with `requires_grad` are followed.
            decay: share of the average that is kept at each step, in the long run.
        """
        self.decay = decay
        self.weights = {name: p.detach().clone() for name, p in _trained(model).items()}

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Go on with the average of the checkpoint that the run resumes from."""
        saved = Path(args.output_dir) / f"checkpoint-{state.global_step}" / _FILE
        if state.global_step and saved.exists():
            self.weights = load_file(saved)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Move towards the new weights."""
        decay = min(self.decay, (1 + state.global_step) / (10 + state.global_step))
        for name, parameter in _trained(kwargs["model"]).items():
            self.weights[name].lerp_(parameter.detach(), 1 - decay)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Write the average into the checkpoint."""
        save_file(self.weights, Path(args.output_dir) / f"checkpoint-{state.global_step}" / _FILE)

    @torch.no_grad()
    def copy_to(self, model: nn.Module) -> None:
        """Put the average in the place of the trained parameters."""
        for name, parameter in _trained(model).items():
            parameter.copy_(self.weights[name])


def _trained(model: nn.Module) -> dict[str, Tensor]:
    return {name: p for name, p in model.named_parameters() if p.requires_grad}
