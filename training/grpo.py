"""Group-relative policy optimisation: TRL's loop with this model's mask and verdict in it.

The whole answer is sampled, verdict word included: it is drawn from the very logits the mapper
reads, so its reward trains the mapper. The mask is decoded from each answer's own `<seg>`.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence
from trl import GRPOConfig as TRLConfig
from trl import GRPOTrainer

from morelli.data_pipeline.maker import Pool
from morelli.data_pipeline.prompts import SYSTEM, question
from morelli.model.forgery_vlm import ForgeryVLM
from morelli.model.memory import keep_freed_memory
from morelli.training.adapters import Rates, freeze_encoders
from morelli.training.cases import Case, made_cases
from morelli.training.feature_cache import cache_features
from morelli.training.held_out import (
    before_training,
    held_out,
    reached,
    table_of,
    write_comparison,
)
from morelli.training.loop import forgery_vlm, forward_as
from morelli.training.quantised import quantise_language
from morelli.training.resuming import last_checkpoint
from morelli.training.rewards import REWARDS, RewardWeights, constant_share
from morelli.training.rewards.rollout import Rollout
from morelli.training.rollouts import RolloutReader, by_identity, write_answers
from morelli.training.run_folder import (
    CHECKPOINT,
    SETTINGS,
    Card,
    MetricsFile,
    save_checkpoint,
    write_settings,
)
from morelli.training.shared_prompt import Sampled, terms_of
from morelli.training.shared_trainer import SharedTrainer
from morelli.training.start import Start, start_from
from morelli.training.strategy import runs_in_bf16, strategy_settings

FIRST_SEED = 500_000_000
"""Of the pictures that are learned from; supervised training counts up from far below."""

HELD_OUT_SEED = 800_000_000
"""Of the pictures that are compared by; calibration pictures come from far above."""


@dataclass(frozen=True)
class PolicyConfig:
    """Options of the policy optimisation.

    Attributes:
        steps: optimiser steps.
        pictures: pictures of a batch and process, each with a group of answers.
        group: answers sampled for each picture.
        most_tokens: longest answer in tokens.
        temperature: at which answers are drawn; the mapper is trained as it is read at 1.
        accumulate: batches of a step.
        divergence: weight of the divergence from the start (beta); costs a second model pass.
        mask_weight: weight of the mask loss that is learned beside the rewards.
        low_rank_rate: learning rate of the language model's updates.
        full_rate: learning rate of the evidence, the prompt and the mask decoder.
        warmup: steps over which the learning rates rise.
        weights: of the rewards.
        seed: of what is drawn.
        workers: processes that make pictures ahead.
        log_steps: steps between two log lines.
        save_steps: steps between two resumable checkpoints.
        report_to: "none", "tensorboard" or "trackio".
        strategy: how several processes share the work: "ddp" or "zero2".
        precision: of matrix products, "float32" or "bfloat16"; "auto" takes what is faster.
        recompute: as in `loop.LoopConfig`.
    """

    steps: int = 200
    pictures: int = 4
    accumulate: int = 1
    group: int = 6
    most_tokens: int = 192
    temperature: float = 1.0
    divergence: float = 0.0
    mask_weight: float = 1.0
    low_rank_rate: float = 1e-4
    full_rate: float = 2e-4
    warmup: int = 5
    weights: RewardWeights = field(default_factory=RewardWeights)
    seed: int = 0
    workers: int = 1
    log_steps: int = 1
    save_steps: int = 25
    report_to: str = "none"
    strategy: str = "ddp"
    precision: str = "auto"
    recompute: bool = False

    @property
    def rewards(self) -> dict[str, float]:
        """The rewards that count, with their weights."""
        return {name: weight for name, weight in asdict(self.weights).items() if weight}


@dataclass(frozen=True)
class GRPOConfig:
    """Options of a run.

    Attributes:
        photos: folder of untouched photographs with a manifest.csv.
        generated: folder of generated pictures, likewise; None leaves `synthetic` out.
        out: the run's folder; a run found there is resumed.
        start: checkpoint that has learned to answer; None takes the one that ships.
        preset: a configuration to begin anew instead of a checkpoint.
        quantise: "4bit" rounds the language model's frozen weights (QLoRA), "none" does not.
        sides: sides of the made pictures in pixels.
        held_out: pictures from other sources that are answered before and after.
        policy: how it learns.
    """

    photos: Path
    generated: Path | None
    out: Path
    start: Path | None = None
    preset: str | None = None
    quantise: str = "none"
    sides: tuple[int, ...] = (256, 320, 384)
    held_out: int = 64
    policy: PolicyConfig = field(default_factory=PolicyConfig)


class ForgeryGRPOTrainer(SharedTrainer, GRPOTrainer):  # type: ignore[misc]
    """TRL's trainer over this model: a picture is read once for all its answers, mask included.

    TRL would read picture and question again for each answer, to write it, to reward it and to
    learn from it. Its advantages, loss, logging and loop are used as they are.
    """

    def __init__(self, reader: RolloutReader, mask_weight: float, **settings: Any) -> None:
        """Prepare, and cache what the encoders see.

        Args:
            reader: of the model that is trained; its encoders do not learn.
            mask_weight: of the mask loss.
            settings: TRL's own, and those of a `SharedTrainer`.
        """
        super().__init__(**settings)
        self.features = cache_features(reader.model, bf16=self.args.bf16)
        self._reader = reader
        self._mask_weight = mask_weight
        self._cases: list[Case] = []
        self._rollouts: list[Rollout] = []
        self._rows: list[int] = []
        self._mask_term = torch.zeros(())

    def _generate_and_score_completions(self, inputs: list[Any]) -> dict[str, Any]:
        self._cases = [row["case"] for row in inputs]
        self._rows = list(range(len(inputs)))
        outputs: dict[str, Any] = super()._generate_and_score_completions(inputs)
        # Numbers of rows, which TRL shuffles and splits with the rest.
        return {**outputs, "row": torch.arange(len(inputs), device=outputs["advantages"].device)}

    def _tokenize_prompts(self, prompts: Any) -> tuple[list[list[int]], None, dict[str, Any]]:
        return [self._reader.prompt(case) for case in self._cases], None, {}

    def _generate_single_turn(self, *_: Any, **__: Any) -> tuple[list[list[int]], None]:
        reader = self._reader
        reader.model.eval()
        with reader.writing():
            opened = {key: reader.open(case) for key, case in by_identity(self._cases).items()}
            written = write_answers(
                reader, self._cases, self.max_completion_length, self.temperature, opened
            )
            self._rollouts = reader.read(self._cases, written, opened)
        reader.model.train(self.model.training)
        return written, None

    def _calculate_rewards(
        self, inputs: list[Any], prompts: Any, completions: Any, completion_ids_list: Any
    ) -> Tensor:
        rows = [{**row, "rollout": r} for row, r in zip(inputs, self._rollouts, strict=True)]
        rewards: Tensor = super()._calculate_rewards(
            rows, prompts, completions, completion_ids_list
        )
        mode = "train" if self.model.training else "eval"
        grouped = rewards.reshape(-1, self.num_generations, rewards.shape[-1])
        shares = constant_share(grouped.double().cpu().numpy())
        for name, share in zip(self.reward_func_names, shares, strict=True):
            self._metrics[mode][f"rewards/{name}/constant_groups"].append(float(share))
        return rewards

    def _get_per_token_logps_and_entropies(
        self, model: Any, input_ids: Tensor, attention_mask: Tensor, logits_to_keep: int, **_: Any
    ) -> tuple[Tensor, Tensor, None]:
        lengths = attention_mask[:, -logits_to_keep:].sum(1).tolist()
        rows = zip(input_ids[:, -logits_to_keep:].tolist(), lengths, strict=True)
        answers = [tuple(row[:length]) for row, length in rows]
        groups: dict[int, list[int]] = {}
        for place, row in enumerate(self._rows):
            groups.setdefault(id(self._cases[row]), []).append(place)
        sampled = [
            Sampled(self._cases[self._rows[places[0]]], tuple(answers[place] for place in places))
            for places in groups.values()
        ]
        with self.accelerator.autocast(), forward_as(self._reader.model, self._terms):
            found, entropies, self._mask_term = model(sampled=sampled)
        order = torch.tensor([place for places in groups.values() for place in places]).argsort()
        wider = (0, logits_to_keep - found.shape[1])
        return functional.pad(found, wider)[order], functional.pad(entropies, wider)[order], None

    def _terms(self, sampled: Sequence[Sampled]) -> tuple[Tensor, Tensor, Tensor]:
        found = [terms_of(self._reader, one, self.temperature) for one in sampled]
        chances = [row for one in found for row in one.log_probabilities]
        entropies = [row for one in found for row in one.entropies]
        mask = torch.stack([one.mask for one in found]).mean()
        return pad_sequence(chances, True), pad_sequence(entropies, True), mask

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Tensor:
        self._rows = inputs["row"].tolist()
        loss: Tensor = super()._compute_loss(model, inputs)
        mode = "train" if self.model.training else "eval"
        self._metrics[mode]["mask_loss"].append(float(self._mask_term.detach()))
        # TRL's own loss is divided by the accumulation already.
        share = self.current_gradient_accumulation_steps if self.model.training else 1
        return loss + self._mask_weight * self._mask_term / share


def prompts_of(cases: Sequence[Case]) -> Dataset:
    """Return TRL's data set of a sequence of cases, each built when it is drawn."""

    def rows(batch: dict[str, list[int]]) -> dict[str, list[Any]]:
        drawn = [cases[index] for index in batch["index"]]
        return {"prompt": [_prompt(case) for case in drawn], "case": drawn}

    return Dataset.from_dict({"index": list(range(len(cases)))}).with_transform(rows)


def _prompt(case: Case) -> list[dict[str, str]]:
    asked = question(case.measurements, case.truth.height, case.truth.width)
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": asked}]


def _reward_function(name: str) -> Callable[..., list[float | None]]:
    def function(rollout: list[Rollout], case: list[Case], **_: Any) -> list[float | None]:
        return [REWARDS[name](r, c.truth) for r, c in zip(rollout, case, strict=True)]

    function.__name__ = name
    return function


def trainer_of(
    start: Start, cases: Sequence[Case], out: Path, config: PolicyConfig
) -> ForgeryGRPOTrainer:
    """Join a model, pictures and options to a trainer; the encoders are frozen and cached.

    Args:
        start: the model; only its language part, evidence and mask decoder learn.
        cases: to learn from.
        out: folder of the run.
        config: options.

    Raises:
        ValueError: a setting that does not exist, or a strategy that this cannot run under.
    """
    if config.strategy in ("fsdp", "zero3"):
        # Answers differ in length: a process that is done would leave the others waiting for it.
        raise ValueError(
            f"{config.strategy} cannot sample answers yet; take --strategy ddp or zero2"
        )
    out.mkdir(parents=True, exist_ok=True)
    model = forgery_vlm(start.model)
    freeze_encoders(model)
    _freeze_idle_heads(model)
    return ForgeryGRPOTrainer(
        RolloutReader(model, start.processor, start.calibrator, runs_in_bf16(config.precision)),
        config.mask_weight,
        strategy=config.strategy,
        optimizer_of=Rates(config.low_rank_rate, config.full_rate, decay=0.0).optimizer,
        model=start.model,
        reward_funcs=[_reward_function(name) for name in config.rewards],
        args=_arguments(out, config),
        train_dataset=prompts_of(cases),
        processing_class=start.processor,
        callbacks=[MetricsFile(out)],
    )


def _arguments(out: Path, config: PolicyConfig) -> TRLConfig:
    return TRLConfig(
        output_dir=str(out), max_steps=config.steps, use_cpu=not torch.cuda.is_available(),
        per_device_train_batch_size=config.pictures * config.group,
        num_generations=config.group, steps_per_generation=1,
        gradient_accumulation_steps=config.accumulate,
        max_completion_length=config.most_tokens, temperature=config.temperature,
        beta=config.divergence, loss_type="grpo", reward_weights=list(config.rewards.values()),
        multi_objective_aggregation="normalize_then_sum",
        activation_checkpointing=config.recompute,
        lr_scheduler_type="constant_with_warmup",
        warmup_steps=config.warmup, max_grad_norm=1.0, seed=config.seed,
        logging_steps=config.log_steps, save_steps=config.save_steps, save_total_limit=1,
        report_to=[config.report_to], remove_unused_columns=False,
        dataloader_num_workers=config.workers,
        **strategy_settings(config.strategy, out, runs_in_bf16(config.precision)),
    )  # fmt: skip


def _freeze_idle_heads(model: ForgeryVLM) -> None:
    """Let the readings that no reward and no loss looks at learn nothing."""
    pool = model.model.vision.evidence
    if pool is not None:
        for head in (pool.verdict, pool.altered):
            head.requires_grad_(False)


def train(trainer: ForgeryGRPOTrainer, out: Path) -> None:
    """Train, or go on with the run found in `out`; the process keeps the memory that it frees."""
    keep_freed_memory()
    found = last_checkpoint(out)
    trainer.train(resume_from_checkpoint=str(found) if found else None)
    trainer.make_whole()


def run(config: GRPOConfig) -> Path:
    """Train by reward, or go on with a run, and return its folder.

    The run holds config.json, metrics.jsonl, curves.png, evaluation.json and checkpoint/. Rewards
    change what the mapper's numbers mean, so the checkpoint decides nothing until
    `morelli eval calibrate` has fitted it anew.

    Raises:
        OSError: a picture cannot be read.
        ValueError: a setting that does not exist, or no pictures to learn from.
    """
    policy = config.policy
    begun = start_from(
        config.start, config.preset, policy.seed,
        lambda model: quantise_language(
            model, config.quantise, policy.strategy, runs_in_bf16(policy.precision)
        ),
    )  # fmt: skip
    write_settings(config, config.out)
    names = begun.processor.config.map_names
    train_pool = Pool.from_folders(config.photos, config.generated, "train")
    fresh_pool = Pool.from_folders(config.photos, config.generated, "validation")
    first = FIRST_SEED + 10_000_000 * config.policy.seed
    count = config.policy.steps * config.policy.accumulate * config.policy.pictures
    cases = made_cases(train_pool, range(first, first + count), config.sides, names)
    fresh = range(HELD_OUT_SEED, HELD_OUT_SEED + config.held_out)
    held = made_cases(fresh_pool, fresh, config.sides, names)
    trainer = trainer_of(begun, cases, config.out, config.policy)
    reader = RolloutReader(
        forgery_vlm(begun.model), begun.processor, begun.calibrator, runs_in_bf16(policy.precision)
    )
    before = before_training(reader, held, config.policy.most_tokens, config.out)
    train(trainer, config.out)
    if not trainer.is_world_process_zero():
        return config.out
    after = held_out(reader, held, config.policy.most_tokens)
    write_comparison(config.out, before, after)
    trainer.features.close()
    card = Card(
        config.out.name,
        f"{config.policy.steps} steps",
        f"Trained by reward for {config.policy.steps} steps from "
        f"{config.start or config.preset or 'the checkpoint that ships'}.",
        f"Its data: {count} forgeries, generated and untouched pictures, made from "
        f"{config.photos.name}; compared on {len(held)} others from sources of their own.",
        table_of(before, after),
        (config.out / SETTINGS).read_text().strip(),
    )
    save_checkpoint(
        begun.model, begun.processor, begun.calibrator.outdated(), config.out / CHECKPOINT, card,
        reached(after),
    )  # fmt: skip
    return config.out
