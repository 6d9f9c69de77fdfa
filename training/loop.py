"""transformers' training loop with several losses, each logged apart, and a moving average."""

import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor, nn
from torch.utils.data import IterableDataset
from transformers import EarlyStoppingCallback, TrainerCallback, TrainingArguments

from morelli.model.checkpoint import save_adapter, write_list
from morelli.model.forgery_vlm import ForgeryVLM
from morelli.model.memory import keep_freed_memory
from morelli.training.adapters import Rates
from morelli.training.averaging import MovingAverage
from morelli.training.resuming import TrainingError, last_checkpoint, step_of
from morelli.training.run_folder import MetricsFile
from morelli.training.shared_trainer import SharedTrainer
from morelli.training.strategy import runs_in_bf16, strategy_settings

Terms = Callable[[ForgeryVLM, dict[str, Tensor]], dict[str, Tensor]]
"""Loss terms of one batch by name."""

Collate = Callable[[list[Any]], dict[str, Any]]
"""Joins what a data set yields to a batch."""


@dataclass(frozen=True)
class LoopConfig:
    """Options of the loop, the same for every stage.

    Attributes:
        steps: optimiser steps.
        pictures: pictures of a batch and process; they must be cut at one scale.
        accumulate: batches of a step.
        warmup: steps over which the learning rates rise; a cosine follows.
        seed: of weights and data; each seed is another endless stream of pictures.
        workers: processes that make pictures.
        log_steps: steps between two log lines.
        save_steps: steps between two resumable checkpoints, and two validations.
        patience: validations without a better loss after which training stops.
        report_to: "none", "tensorboard" or "trackio"; metrics.jsonl is written always.
        strategy: how several processes share the work: "ddp", "fsdp", "zero2" or "zero3".
        precision: of matrix products, "float32" or "bfloat16"; "auto" takes what is faster.
        recompute: compute what layers kept for their gradients a second time instead (gradient
            checkpointing): less memory, the same gradients, about a third more time.
    """

    steps: int = 1000
    pictures: int = 6
    accumulate: int = 1
    warmup: int = 30
    seed: int = 0
    workers: int = 1
    log_steps: int = 10
    save_steps: int = 50
    patience: int = 5
    report_to: str = "none"
    strategy: str = "ddp"
    precision: str = "auto"
    recompute: bool = False


@dataclass(frozen=True)
class Objective:
    """What a stage minimises: its terms and the weight of each."""

    terms: Terms
    weights: dict[str, float]


@dataclass(frozen=True)
class Feed:
    """The pictures of a run.

    Attributes:
        train: an endless stream of samples, or of what `collate` makes samples of.
        collate: joins them to a batch.
        validation: a finite stream that the best checkpoint is chosen by; None keeps the moving
            average of the last steps instead.
    """

    train: IterableDataset[Any]
    collate: Collate
    validation: IterableDataset[Any] | None = None


class _TermsTrainer(SharedTrainer):
    """transformers' loop over an `Objective`."""

    def __init__(self, objective: Objective, **settings: Any) -> None:
        super().__init__(**settings)
        # Else it expects losses that are divided by the tokens of the whole step already.
        self.model_accepts_loss_kwargs = False
        self.objective = objective
        self._seen: dict[bool, list[dict[str, float]]] = {True: [], False: []}

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Tensor], *_: Any, **__: Any
    ) -> Tensor:
        """Return the weighted sum of the terms of one batch.

        Raises:
            TrainingError: it is not a number.
        """
        terms: dict[str, Tensor] = model(**inputs)
        loss = torch.stack([self.objective.weights[n] * v for n, v in terms.items()]).sum()
        values = {name: float(value.detach()) for name, value in terms.items()}
        if not math.isfinite(float(loss.detach())):
            raise TrainingError(
                f"the loss is not a number at step {self.state.global_step} ({values}); go on from "
                f"the last checkpoint in {self.args.output_dir} with half the learning rates"
            )
        self._seen[self.model.training].append(values)
        return loss

    def prediction_step(
        self, model: nn.Module, inputs: dict[str, Tensor], *_: Any, **__: Any
    ) -> tuple[Tensor, None, None]:
        """Return the loss of one batch of validation."""
        inputs = self._prepare_inputs(inputs)
        with torch.no_grad(), self.compute_loss_context_manager():
            return self.compute_loss(model, inputs).detach(), None, None

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """Add the mean of each term since the last line."""
        validates = "eval_loss" in logs
        seen = self._seen[not validates]
        names = dict.fromkeys(name for row in seen for name in row)
        prefix = "eval_" if validates else ""
        means = {prefix + n: round(sum(row[n] for row in seen) / len(seen), 4) for n in names}
        seen.clear()
        super().log({**logs, **means}, *args, **kwargs)


def forgery_vlm(model: nn.Module) -> ForgeryVLM:
    """Return the ForgeryVLM inside PEFT's wrapper."""
    inner = model.base_model.model if isinstance(model, PeftModel) else model
    assert isinstance(inner, ForgeryVLM)
    return inner


@contextmanager
def forward_as(model: ForgeryVLM, work: Callable[..., Any]) -> Iterator[None]:
    """Let a forward pass do other work for a while, such as to return the loss terms.

    Wrappers that share the work among processes see only what goes through `forward`: parameters
    used behind their back would not be kept in step.
    """
    before = model.__dict__.get("forward")
    model.__dict__["forward"] = work  # found before the class's own
    try:
        yield
    finally:
        del model.__dict__["forward"]
        if before is not None:
            model.__dict__["forward"] = before


def pictures_seen(out: Path, options: LoopConfig) -> int:
    """Return how many pictures a run has used up, so that a resumed one does not see them again."""
    processes = int(os.environ.get("WORLD_SIZE", "1"))  # torchrun's
    checkpoint = last_checkpoint(out)
    steps = step_of(checkpoint) if checkpoint else 0
    return steps * options.pictures * options.accumulate * processes


def _arguments(out: Path, options: LoopConfig, validates: bool) -> TrainingArguments:
    validation = {
        "eval_strategy": "steps", "eval_steps": options.save_steps, "load_best_model_at_end": True,
        "metric_for_best_model": "eval_loss", "greater_is_better": False,
        "per_device_eval_batch_size": options.pictures,
    }  # fmt: skip
    return TrainingArguments(
        output_dir=str(out), max_steps=options.steps, use_cpu=not torch.cuda.is_available(),
        per_device_train_batch_size=options.pictures, dataloader_num_workers=options.workers,
        gradient_accumulation_steps=options.accumulate,
        dataloader_prefetch_factor=4 if options.workers else None,
        lr_scheduler_type="cosine",
        warmup_steps=options.warmup, max_grad_norm=1.0, logging_steps=options.log_steps,
        save_steps=options.save_steps, save_total_limit=1, remove_unused_columns=False,
        report_to=[options.report_to], seed=options.seed, ignore_data_skip=True,
        activation_checkpointing=options.recompute,
        # Each process takes its share of the stream; scattering one batch needs equal lengths.
        accelerator_config={"dispatch_batches": False},
        **(validation if validates else {}),
        **strategy_settings(options.strategy, out, runs_in_bf16(options.precision)),
    )  # fmt: skip


def fit(
    model: PeftModel,
    objective: Objective,
    feed: Feed,
    rates: Rates,
    out: Path,
    options: LoopConfig,
) -> bool:
    """Train, or go on with the run found in `out`.

    The model is left with the best weights by validation, or else with the moving average.

    Args:
        model: adapted; only what has `requires_grad` learns.
        objective: what is minimised.
        feed: pictures.
        rates: of learning.
        out: folder of the run.
        options: of the loop.

    Returns:
        Whether this process is the one that writes.

    Raises:
        TrainingError: the loss is not a number, or the memory or the disk does not suffice.
    """
    keep_freed_memory()
    out.mkdir(parents=True, exist_ok=True)
    average = MovingAverage(model) if feed.validation is None else None
    if average is not None and options.strategy.startswith("zero"):
        raise TrainingError(
            f"{options.strategy} keeps no weights that a moving average could follow; "
            "take --strategy ddp or fsdp for this stage"
        )
    callbacks: list[TrainerCallback] = [MetricsFile(out)]
    callbacks.append(average or EarlyStoppingCallback(options.patience))
    trainer = _TermsTrainer(
        objective, strategy=options.strategy, optimizer_of=rates.optimizer, model=model,
        args=_arguments(out, options, average is None), data_collator=feed.collate,
        callbacks=callbacks, train_dataset=feed.train, eval_dataset=feed.validation,
    )  # fmt: skip
    found = last_checkpoint(out)
    inner = forgery_vlm(model)
    with forward_as(inner, lambda **batch: objective.terms(inner, batch)):
        trainer.train(resume_from_checkpoint=str(found) if found else None)
    trainer.make_whole()
    if average is not None:
        average.copy_to(model)
    return bool(trainer.is_world_process_zero())


def train(
    model: PeftModel,
    objective: Objective,
    data: IterableDataset[dict[str, Tensor]],
    collate: Collate,
    rates: Rates,
    out: Path,
    options: LoopConfig,
) -> Path:
    """Train on a stream, as `fit` does, and return the averaged adapter, a checkpoint."""
    writes = fit(model, objective, Feed(data, collate), rates, out, options)
    folder = out / "adapter"
    if writes:
        save_adapter(model, forgery_vlm(model).config, folder)
        write_list(folder, out.name, f"{options.steps} steps", {})
    return folder
