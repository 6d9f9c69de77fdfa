"""transformers' loop, alone or with others under any strategy, with checkpoints that all can read.

`Trainer` and TRL's trainers differ in their losses only; this is what they have in common here.
"""

import errno
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.optim import Optimizer
from transformers import ProgressCallback, Trainer

from morelli.training.full_shards import gather, reshard, shard, whole_of
from morelli.training.progress import PictureProgress
from morelli.training.resuming import (
    TrainingError,
    last_checkpoint,
    learned,
    moments_of,
    put_moments,
    read_moments,
    step_of,
    write_moments,
)
from morelli.training.zero import ZeroShares, begin

_NO_MEMORY = ("can't allocate memory", "out of memory")


class SharedTrainer(Trainer):  # type: ignore[misc]
    """A trainer that shares the work out by name, and stops with what to do."""

    optimizer: Any

    def __init__(
        self, strategy: str, optimizer_of: Callable[[nn.Module], Optimizer], **settings: Any
    ) -> None:
        """Prepare.

        Args:
            strategy: a name in `strategy.STRATEGIES`.
            optimizer_of: makes the optimiser of a model, once that has been shared out.
            settings: those of the trainer that this is joined with.
        """
        super().__init__(**settings)
        rows = self.args.train_batch_size * self.args.gradient_accumulation_steps
        answers = getattr(self.args, "num_generations", 1)  # of one picture, in GRPO
        self.remove_callback(ProgressCallback)
        self.add_callback(PictureProgress(rows * self.args.world_size // answers))
        self._optimizer_of = optimizer_of
        self._zero: ZeroShares | None = None
        # transformers' own word for a model that accelerate must not wrap: it is shared out already
        self.is_distributed_loading_by_transformers = (
            strategy == "fsdp" and self.args.world_size > 1
        )

    def create_optimizer(self, model: Any = None) -> Optimizer:
        """Share the model out if that is the strategy, and make its optimiser, once."""
        if self.optimizer is None:
            if self.is_distributed_loading_by_transformers:
                shard(self.model)
            self.optimizer = self._optimizer_of(self.model)
            if self.is_deepspeed_enabled:
                self._zero = ZeroShares(self.model)
        found: Optimizer = self.optimizer
        return found

    def _defer_fsdp_gradient_reduction(self) -> Any:
        """Reduce the gradients of every batch, so that nobody holds those of the whole model."""
        return nullcontext()

    def _prepare_for_training(self, max_steps: int, loader: Any, checkpoint: str | None) -> Any:
        """Wrap the model, and go on from a checkpoint of any strategy."""
        if checkpoint is not None and self.is_deepspeed_enabled:
            self._load_from_checkpoint(checkpoint)
        prepared = super()._prepare_for_training(max_steps, loader, None)
        if self._zero is not None:
            begin(self.optimizer)
        if checkpoint is not None:
            self._go_on_from(Path(checkpoint))
        return prepared

    def _go_on_from(self, checkpoint: Path) -> None:
        moments = read_moments(checkpoint)
        if self._zero is not None:
            begin(self.optimizer, step_of(checkpoint))
            self._zero.put_moments(moments)
        else:
            put_moments(self.model, self.optimizer, moments)
        place = torch.load(checkpoint / "scheduler.pt", weights_only=True)
        self.lr_scheduler.load_state_dict(place)
        rates = self.lr_scheduler.get_last_lr()
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Write the adapter, whole; every process takes part, the first one writes."""
        weights = None
        if self._zero is not None:
            weights = self._zero.weights()
        elif self.is_distributed_loading_by_transformers:
            reshard(self.model)
            weights = _weights_of(self.model)
        if self.args.should_save:
            self._save(output_dir, state_dict=weights)

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        moments = (
            self._zero.moments(self.state.global_step)
            if self._zero is not None
            else moments_of(self.model, self.optimizer)
        )
        if self.args.should_save:
            write_moments(moments, Path(output_dir))
            torch.save(self.lr_scheduler.state_dict(), Path(output_dir) / "scheduler.pt")

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Write a resumable checkpoint.

        Raises:
            TrainingError: it cannot be written; the one before it is kept.
        """
        folder = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
        try:
            super()._save_checkpoint(model, trial)
        except (OSError, SafetensorError, RuntimeError) as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise TrainingError(
                f"{folder} cannot be written ({_reason(error)}); {self._kept()} "
                "Make room and run the same command again."
            ) from error

    def training_step(self, *args: Any, **kwargs: Any) -> Tensor:
        """Take the gradients of one batch.

        Raises:
            TrainingError: the memory does not suffice.
        """
        with self._memory():
            loss: Tensor = super().training_step(*args, **kwargs)
        return loss

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Validate.

        Raises:
            TrainingError: the memory does not suffice.
        """
        with self._memory():
            figures: dict[str, float] = super().evaluate(*args, **kwargs)
        return figures

    @contextmanager
    def _memory(self) -> Iterator[None]:
        try:
            yield
        except (MemoryError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and not any(w in str(error) for w in _NO_MEMORY):
                raise
            reason = (str(error) or "no memory").splitlines()[0]
            raise TrainingError(
                f"out of memory at step {self.state.global_step} ({reason}); {self._kept()} Take "
                "fewer pictures a batch and accumulate more batches a step, or start it on more "
                "processes with --strategy fsdp."
            ) from error

    def _kept(self) -> str:
        kept = last_checkpoint(Path(self.args.output_dir))
        return f"{kept} is kept." if kept else "No checkpoint had been written yet."

    def _load_best_model(self) -> None:
        """Put the best weights by validation into a model that every process now holds whole."""
        self.make_whole()
        self.model.load_adapter(self.state.best_model_checkpoint, self.model.active_adapters[0])

    def make_whole(self) -> None:
        """Hold the whole model on each process from now on; every process must call it."""
        if self._zero is not None:
            self._zero.make_whole(self.model_wrapped)
            self._zero = None
        elif self.is_distributed_loading_by_transformers:
            gather(self.model)


def _weights_of(model: nn.Module) -> dict[str, Tensor]:
    """Return what an adapter holds, gathered from all processes: all but the frozen base."""
    frozen = {name for name, _ in model.named_parameters()} - learned(model).keys()
    base = {name for name in frozen if "modules_to_save" not in name}
    state = model.state_dict()
    return {name: whole_of(value).cpu() for name, value in state.items() if name not in base}


def _reason(error: Exception) -> str:
    full = isinstance(error, OSError) and error.errno == errno.ENOSPC
    return "the disk is full" if full else str(error).splitlines()[0]
