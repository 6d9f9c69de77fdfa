"""Fine-tune on one's own labelled pictures: check, split, learn, choose, calibrate, compare."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from morelli.data_pipeline.schema import CLASSES, Verdict
from morelli.eval.calibrate import Reading
from morelli.eval.calibrate import fit as fit_calibrator
from morelli.eval.pixel_metrics import PixelCounts
from morelli.model.calibration import Calibrator, map_peak
from morelli.training.adapters import Rates, freeze_encoders
from morelli.training.cases import Case, Cases, sample_cases
from morelli.training.feature_cache import cache_features
from morelli.training.held_out import (
    before_training,
    held_out,
    reached,
    table_of,
    write_comparison,
)
from morelli.training.instruct import WEIGHTS, InstructTerms
from morelli.training.loop import Feed, LoopConfig, Objective, fit, forgery_vlm, pictures_seen
from morelli.training.own_data import Lessons, Numbers, read_samples, split
from morelli.training.quantised import quantise_language
from morelli.training.rollouts import RolloutReader, sample_answers
from morelli.training.run_folder import CHECKPOINT, SETTINGS, Card, save_checkpoint, write_settings
from morelli.training.start import Start, start_from
from morelli.training.strategy import runs_in_bf16

SAMPLES = "samples"

_LEAST_TO_CALIBRATE = 10
"""Authentic pictures, and manipulated ones, that a calibrator can be fitted on."""

_SHOWN = 8
_TITLE, _GAP = 20, 4
"""Pixels above and beside each panel of a sample."""

_ALTERED = (40, 40, 230)


@dataclass(frozen=True)
class SFTConfig:
    """Options of a fine-tune.

    Attributes:
        data: manifest of labelled pictures, JSON lines.
        out: the run's folder; a run found there is resumed.
        start: checkpoint to go on from; None takes the one that ships.
        preset: a configuration to begin anew instead of a checkpoint.
        quantise: "4bit" rounds the language model's frozen weights (QLoRA), "none" does not.
        validation: share of the samples that the best checkpoint is chosen by.
        test: share of the samples that are answered before and after.
        readings_dropped: share of pictures with blanked maps and missing readings.
        inconclusive: share of the teacher's answers that open with "inconclusive".
        most_tokens: longest answer in tokens, in the comparison.
        low_rank_rate: learning rate of the language model's updates.
        full_rate: learning rate of the evidence, the prompt and the mask decoder.
        loop: steps, batch, seed, logging.
    """

    data: Path
    out: Path
    start: Path | None = None
    preset: str | None = None
    quantise: str = "none"
    validation: float = 0.15
    test: float = 0.15
    readings_dropped: float = 1 / 3
    inconclusive: float = 0.05
    most_tokens: int = 192
    low_rank_rate: float = 2e-4
    full_rate: float = 1e-4
    loop: LoopConfig = field(
        default_factory=lambda: LoopConfig(
            steps=200, pictures=1, accumulate=8, warmup=10, workers=0, log_steps=5, save_steps=25
        )
    )


def run(config: SFTConfig) -> Path:
    """Fine-tune, or go on with a run, and return the folder of the run.

    The run holds config.json, metrics.jsonl, curves.png, evaluation.json, samples/ and checkpoint/.

    Raises:
        DataError: rows that cannot be trained on.
        TrainingError: the loss is not a number.
    """
    parts = split(read_samples(config.data), config.validation, config.test)
    bf16 = runs_in_bf16(config.loop.precision)
    begun = start_from(
        config.start, config.preset, config.loop.seed,
        lambda model: quantise_language(model, config.quantise, config.loop.strategy, bf16),
    )  # fmt: skip
    write_settings(config, config.out)
    names = begun.processor.config.map_names
    train, validation, test = (
        sample_cases(part, names) for part in (parts.train, parts.validation, parts.test)
    )
    freeze_encoders(forgery_vlm(begun.model))
    cache = cache_features(forgery_vlm(begun.model), bf16=bf16)
    reader = RolloutReader(forgery_vlm(begun.model), begun.processor, begun.calibrator, bf16)
    before = before_training(reader, test, config.most_tokens, config.out)
    if config.loop.strategy == "zero3":
        # Its processes gather weights together, so all must run the encoders equally often.
        cache.close()
    if not learn(begun, train, validation, config):
        return config.out
    sources = [sample.source or sample.id for sample in parts.validation]
    calibrator = calibrate(begun, validation, sources)
    reader = RolloutReader(forgery_vlm(begun.model), begun.processor, calibrator, bf16)
    after = held_out(reader, test, config.most_tokens)
    write_comparison(config.out, before, after)
    write_pictures(reader, test, config)
    cache.close()
    origin = config.start or config.preset or "the checkpoint that ships"
    counts = f"{len(train)} pictures, {len(validation)} to choose by, {len(test)} to compare by"
    card = Card(
        config.out.name,
        f"{config.loop.steps} steps",
        f"Fine-tuned from {origin} for at most {config.loop.steps} steps.",
        f"Its own data: {counts}, split by source.",
        table_of(before, after),
        (config.out / SETTINGS).read_text().strip(),
    )
    save_checkpoint(
        begun.model, begun.processor, calibrator, config.out / CHECKPOINT, card, reached(after)
    )
    return config.out


def learn(begun: Start, train: Cases, validation: Cases, config: SFTConfig) -> bool:
    """Train with the best weights by validation kept; return whether this process writes.

    Args:
        begun: its encoders do not learn.
        train: cases to learn from.
        validation: cases to choose by.
        config: options.
    """
    lessons = Lessons(
        train, validation, begun.processor, config.loop.seed, config.readings_dropped,
        config.inconclusive,
    )  # fmt: skip
    seen = pictures_seen(config.out, config.loop)
    feed = Feed(Numbers(seen), lessons, Numbers(-len(validation), len(validation)))
    objective = Objective(InstructTerms(begun.processor.verdict_ids), WEIGHTS)
    rates = Rates(config.low_rank_rate, config.full_rate)
    return fit(begun.model, objective, feed, rates, config.out, config.loop)


def calibrate(begun: Start, validation: Cases, sources: Sequence[str]) -> Calibrator:
    """Fit a calibrator on the validation pictures; with too few of a kind there is none.

    Args:
        begun: trained.
        validation: cases that nothing was trained on.
        sources: of the cases; folds do not cut them.
    """
    labels = [CLASSES.index(case.truth.verdict) for case in validation]
    if min(labels.count(0), len(labels) - labels.count(0)) < _LEAST_TO_CALIBRATE:
        return begun.calibrator.outdated()
    reader = RolloutReader(forgery_vlm(begun.model).eval(), begun.processor, Calibrator())
    readings = [
        _reading(reader, case, index, source)
        for index, (case, source) in enumerate(zip(validation, sources, strict=True))
    ]
    return fit_calibrator(readings, f"{len(labels)} validation pictures of its own data").calibrator


def _reading(reader: RolloutReader, case: Case, index: int, source: str) -> Reading:
    (seen,) = reader.read([case], [reader.processor.verdict_prefix(Verdict.TAMPERED)])
    mask = case.truth.mask
    pixels = None
    if mask is not None and mask.any():
        pixels = PixelCounts.of(seen.map, mask)
    logits = np.log(seen.probability + 1e-12)
    label = CLASSES.index(case.truth.verdict)
    return Reading(index, logits, map_peak(seen.map), label, source, pixels)


def write_pictures(reader: RolloutReader, test: Cases, config: SFTConfig) -> None:
    """Write a few test pictures, each beside its true mask and its map, with the answer as text."""
    folder = config.out / SAMPLES
    folder.mkdir(exist_ok=True)
    for index in range(min(_SHOWN, len(test))):
        case = test[index]
        (answer,) = sample_answers(reader, [case], config.most_tokens)
        panels = {"picture": case.pixels[..., ::-1], "truly altered": _painted(case),
                  "suspected": _grey(answer.map)}  # fmt: skip
        titled = [_titled(name, panel) for name, panel in panels.items()]
        cv2.imwrite(str(folder / f"{index:02d}.png"), np.hstack(titled))
        said = f"{case.name}\ntruth: {case.truth.verdict}\n\n{answer.text}\n"
        (folder / f"{index:02d}.txt").write_text(said)


def _titled(name: str, panel: Any) -> Any:
    framed = cv2.copyMakeBorder(
        panel, _TITLE, 0, 0, _GAP, cv2.BORDER_CONSTANT, value=(255, 255, 255)
    )  # fmt: skip
    return cv2.putText(framed, name, (2, _TITLE - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.45, 0, 1)


def _painted(case: Case) -> Any:
    painted = case.pixels[..., ::-1].copy()
    if case.truth.mask is not None:
        painted[case.truth.mask] = painted[case.truth.mask] // 2 + np.array(_ALTERED) // 2
    return painted.astype(np.uint8)


def _grey(soft: Any) -> Any:
    return np.repeat(np.rint(soft * 255).astype(np.uint8)[..., None], 3, axis=2)
