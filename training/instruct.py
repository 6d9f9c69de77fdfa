"""The second stage: words, verdict and mask together, on what the encoders already see."""

from dataclasses import dataclass, field
from pathlib import Path

import torch
from peft import PeftModel
from torch import Tensor, nn
from torch.nn import functional

from morelli.data_pipeline.maker import Pool
from morelli.model.base_model import build_base_model
from morelli.model.base_weights import base_weights_dir
from morelli.model.cpm import verdict_logits
from morelli.model.forgery_vlm import ForgeryVLM, seg_state
from morelli.model.presets import PRESETS
from morelli.model.processing import ForgeryProcessor, load_tokenizer
from morelli.training.adapters import Rates, freeze_encoders
from morelli.training.conversations import (
    IGNORED,
    UNKNOWN,
    LessonPlan,
    MadeConversations,
    collate,
)
from morelli.training.loop import LoopConfig, Objective, forgery_vlm, pictures_seen, train
from morelli.training.losses import mask_loss, verdict_loss
from morelli.training.tiles import SYNTHETIC
from morelli.training.warm_start import load_adapter

WEIGHTS = {
    "words": 1.0,
    "verdict": 0.5,
    "evidence": 0.2,
    "mask_cross_entropy": 0.5,
    "mask_dice": 0.25,
}


@dataclass(frozen=True)
class InstructConfig:
    """Options of the second stage.

    Attributes:
        photos: folder of untouched photographs with a manifest.csv.
        generated: folder of generated pictures, likewise; None leaves `synthetic` out.
        out: the run's folder; a run found there is resumed.
        start: the first stage's adapter, or a checkpoint that answers already.
        new_prompt: begin the prompt of the mask anew, as the first stage needs it; false goes on
            with the one of a checkpoint that answers already.
        preset: the model.
        sides: sides of the made pictures in pixels.
        readings_dropped: share of pictures with blanked maps and missing or replaced readings.
        inconclusive: share of answers that open with "inconclusive".
        follow_ups: share of the batches whose answers are followed by one to three questions, in
            the layout of a chat; such a batch takes about twice as long.
        low_rank_rate: learning rate of the language model's updates.
        full_rate: learning rate of the evidence, the prompt and the mask decoder.
        loop: steps, batch, seed, logging.
    """

    photos: Path
    generated: Path | None
    out: Path
    start: Path
    new_prompt: bool = True
    preset: str = "embedded"
    sides: tuple[int, ...] = (224, 320, 384, 432)
    readings_dropped: float = 1 / 3
    inconclusive: float = 0.07
    follow_ups: float = 0.5
    low_rank_rate: float = 8e-4
    full_rate: float = 3e-4
    loop: LoopConfig = field(default_factory=LoopConfig)


class InstructTerms:
    """The loss terms of one batch of conversations."""

    def __init__(self, verdict_ids: list[int]) -> None:
        self.verdict_ids = verdict_ids

    def __call__(self, model: ForgeryVLM, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return words, verdict (from the mapper), evidence and mask terms."""
        vision = model.model.vision.eval()
        with torch.no_grad():
            features = vision(batch["pixel_values"])
        output = model.model(
            input_ids=batch["input_ids"],
            attention_mask=batch["attention_mask"],
            features=features,
            use_cache=False,
        )
        hidden, labels = output.last_hidden_state, batch["labels"]
        learned = batch["answer"][:, 1:] != IGNORED
        words = functional.cross_entropy(
            model.lm_head(hidden[:, :-1][learned]).float(), batch["answer"][:, 1:][learned]
        )
        stems = hidden[torch.arange(len(hidden)), batch["stem"]]
        verdicts = verdict_logits(
            model.lm_head(stems), self.verdict_ids, model.config.verdict_temperature
        )
        state = seg_state(hidden, batch["input_ids"], model.config.seg_token_id)
        logits = model.decode_masks(features, state)
        tiles = features.view > 0
        picture, tile = features.picture[tiles], features.view[tiles] - 1
        real = labels[picture] != SYNTHETIC
        target = batch["truth"][picture, tile]
        known = real[:, None, None] & (target != UNKNOWN)
        masks = mask_loss(logits, target.clamp(min=0), known)
        return {
            "words": words,
            "verdict": verdict_loss(verdicts, labels),
            "evidence": verdict_loss(output.evidence.verdict_logits, labels),
            "mask_cross_entropy": masks.cross_entropy,
            "mask_dice": masks.dice,
        }


def build(config: InstructConfig) -> PeftModel:
    """Load what to start from; a new `<seg>` prompt starts as the one learned without words."""
    torch.manual_seed(config.loop.seed)
    adapted = load_adapter(build_base_model(PRESETS[config.preset]()), config.start)
    model = forgery_vlm(adapted)
    if config.new_prompt:
        for parameter in model.seg_prompt.project[-1].parameters():
            nn.init.zeros_(parameter)
    freeze_encoders(model)
    return adapted


def run(config: InstructConfig) -> Path:
    """Train, or go on with a run, and return the folder of the averaged adapter."""
    adapted = build(config)
    model_config = forgery_vlm(adapted).config
    tokenizer = load_tokenizer(base_weights_dir((model_config.base or {})["text"]), model_config)
    processor = ForgeryProcessor(model_config, tokenizer)
    pool = Pool.from_folders(config.photos, config.generated, "train")
    plan = LessonPlan(
        config.sides,
        config.loop.pictures,
        config.readings_dropped,
        config.inconclusive,
        config.follow_ups,
        config.loop.seed * 10_000_000 + pictures_seen(config.out, config.loop),
    )
    return train(
        adapted,
        Objective(InstructTerms(processor.verdict_ids), WEIGHTS),
        MadeConversations(pool, processor, plan),
        collate,
        Rates(config.low_rank_rate, config.full_rate),
        config.out,
        config.loop,
    )
