"""transformers' training loop with several losses, each logged apart, and a moving average."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor, nn
from torch.utils.data import IterableDataset
from transformers import Trainer, TrainingArguments

from morelli.model.checkpoint import save_adapter, write_list
from morelli.model.forgery_vlm import ForgeryVLM
from morelli.model.precision import fastest_dtype
from morelli.training.averaging import MovingAverage

Terms = Callable[[ForgeryVLM, dict[str, Tensor]], dict[str, Tensor]]
"""Loss terms of one batch by name."""


@dataclass(frozen=True)
class LoopConfig:
    """Options of the loop, the same for every stage.

    Attributes:
        steps: optimiser steps.
        pictures: pictures a step.
        warmup: steps over which the learning rates rise; a cosine follows.
        seed: of weights and data; each seed is another endless stream of pictures.
        workers: processes that make pictures.
        log_steps: steps between two log lines.
        save_steps: steps between two resumable checkpoints.
    """

    steps: int = 1000
    pictures: int = 6
    warmup: int = 30
    seed: int = 0
    workers: int = 1
    log_steps: int = 10
    save_steps: int = 50


@dataclass(frozen=True)
class Objective:
    """What a stage minimises: its terms and the weight of each."""

    terms: Terms
    weights: dict[str, float]


class _TermsTrainer(Trainer):  # type: ignore[misc]
    """transformers' loop over an `Objective`."""

    def __init__(self, objective: Objective, **settings: Any) -> None:
        super().__init__(**settings)
        self.objective = objective
        self._sums: dict[str, float] = {}
        self._count = 0

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Tensor], *_: Any, **__: Any
    ) -> Tensor:
        """Return the weighted sum of the terms of one batch."""
        terms = self.objective.terms(forgery_vlm(model), inputs)
        for name, value in terms.items():
            self._sums[name] = self._sums.get(name, 0.0) + float(value.detach())
        self._count += 1
        weighted = [self.objective.weights[name] * value for name, value in terms.items()]
        return torch.stack(weighted).sum()

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """Add the mean of each term since the last line."""
        means = {name: round(value / self._count, 4) for name, value in self._sums.items()}
        self._sums, self._count = {}, 0
        super().log({**logs, **means}, *args, **kwargs)


def forgery_vlm(model: nn.Module) -> ForgeryVLM:
    """Return the ForgeryVLM inside PEFT's wrapper."""
    inner = model.base_model.model if isinstance(model, PeftModel) else model
    assert isinstance(inner, ForgeryVLM)
    return inner


def pictures_seen(out: Path, options: LoopConfig) -> int:
    """Return how many pictures a run has used up, so that a resumed one does not see them again."""
    steps = [int(path.name.rpartition("-")[2]) for path in out.glob("checkpoint-*")]
    return max(steps, default=0) * options.pictures


def train(
    model: PeftModel,
    objective: Objective,
    data: IterableDataset[dict[str, Tensor]],
    collate: Callable[[list[dict[str, Tensor]]], dict[str, Any]],
    groups: Iterable[dict[str, object]],
    out: Path,
    options: LoopConfig,
) -> Path:
    """Train, or go on with the run found in `out`; return the averaged adapter, a checkpoint.

    Args:
        model: adapted; only what has `requires_grad` learns.
        objective: what is minimised.
        data: an endless stream of samples.
        collate: joins samples to a batch.
        groups: parameters with their learning rates.
        out: folder of the run.
        options: of the loop.
    """
    arguments = TrainingArguments(
        output_dir=str(out), max_steps=options.steps, use_cpu=not torch.cuda.is_available(),
        per_device_train_batch_size=options.pictures, dataloader_num_workers=options.workers,
        dataloader_prefetch_factor=4 if options.workers else None,
        bf16=fastest_dtype() == torch.bfloat16, lr_scheduler_type="cosine",
        warmup_steps=options.warmup, max_grad_norm=1.0, logging_steps=options.log_steps,
        save_steps=options.save_steps, save_total_limit=1, remove_unused_columns=False,
        report_to=[], seed=options.seed, ignore_data_skip=True,
    )  # fmt: skip
    average = MovingAverage(model)
    optimiser = torch.optim.AdamW(list(groups), weight_decay=0.02)
    trainer = _TermsTrainer(
        objective, model=model, args=arguments, data_collator=collate, callbacks=[average],
        train_dataset=data, optimizers=(optimiser, None),
    )  # fmt: skip
    resumes = out.is_dir() and any(out.glob("checkpoint-*"))
    trainer.train(resume_from_checkpoint=resumes or None)
    average.copy_to(model)
    folder = out / "adapter"
    save_adapter(model, forgery_vlm(model).config, folder)
    write_list(folder, out.name, f"{options.steps} steps", {})
    return folder
