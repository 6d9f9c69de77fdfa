"""The first stage: the encoders and the mask decoder learn to find altered pixels, no words yet."""

from dataclasses import dataclass, field
from pathlib import Path

import torch
from peft import PeftModel
from torch import Tensor
from torch.nn import functional

from morelli.data_pipeline.maker import Pool
from morelli.model.base_model import build_base_model
from morelli.model.forgery_vlm import ForgeryVLM
from morelli.model.presets import PRESETS
from morelli.model.views import RGB_CHANNELS
from morelli.training.adapters import Rates, adapt
from morelli.training.loop import LoopConfig, Objective, forgery_vlm, pictures_seen, train
from morelli.training.losses import mask_loss, verdict_loss
from morelli.training.tiles import SYNTHETIC, MadeTiles, TilePlan, collate_views
from morelli.training.warm_start import load_adapter, load_first_experiment

_ALTERED_SHARE = 0.01

WEIGHTS = {"mask_cross_entropy": 1.0, "mask_dice": 0.5, "tile": 0.3, "verdict": 0.3}


@dataclass(frozen=True)
class LocaliseConfig:
    """Options of the first stage.

    Attributes:
        photos: folder of untouched photographs with a manifest.csv.
        generated: folder of generated pictures, likewise; None leaves `synthetic` out.
        out: the run's folder; a run found there is resumed.
        preset: the model.
        start: an adapter folder to go on from, or the first experiment's weights (a file).
        towers: False trains only what sits on top of CLIP and the stem, at a third of the cost.
        tiles: tiles of each picture.
        overviews: share of batches whose pictures are also seen whole.
        coarser: share of batches cut at one scale more than their size asks for.
        sides: sides of the made pictures in pixels.
        maps_dropped: share of pictures whose maps are blanked.
        low_rank_rate: learning rate of CLIP's updates.
        full_rate: learning rate of the parts trained in full.
        loop: steps, batch, seed, logging.
    """

    photos: Path
    generated: Path | None
    out: Path
    preset: str = "embedded"
    start: Path | None = None
    towers: bool = True
    tiles: int = 2
    overviews: float = 0.3
    coarser: float = 0.15
    sides: tuple[int, ...] = (256, 384, 384, 448, 640, 896, 1152)
    maps_dropped: float = 1 / 3
    low_rank_rate: float = 1e-4
    full_rate: float = 6e-4
    loop: LoopConfig = field(default_factory=LoopConfig)


def localise_terms(model: ForgeryVLM, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the loss terms of one batch.

    Args:
        model: to be trained.
        batch: "pixel_values" (B, 1 + T, C, S, S), the overview valid or not, "truth"
            (B, T, h, w) share of altered pixels, "labels" (B,) class indices.
    """
    pixel_values, truth, labels = batch["pixel_values"], batch["truth"], batch["labels"]
    features = model.model.vision(pixel_values)
    logits = model.decode_masks(features, None)
    tiles = features.view > 0
    picture, view = features.picture[tiles], features.view[tiles]
    target = truth[picture, view - 1]
    validity = pixel_values[picture, view, RGB_CHANNELS + model.model.vision.num_maps]
    inside = functional.adaptive_max_pool2d(validity[:, None], target.shape[-2:])[:, 0] > 0
    real = labels[picture] != SYNTHETIC
    masks = mask_loss(logits, target, inside & real[:, None, None])
    pool = model.model.vision.evidence
    if pool is None:
        raise ValueError("the first stage needs evidence_width above 0: it trains the tile head")
    evidence = pool(features)
    altered = (target.flatten(1).mean(1) > _ALTERED_SHARE).float()
    altered_tiles = functional.binary_cross_entropy_with_logits(
        evidence.view_logits[tiles], altered, weight=real.float()
    )
    return {
        "mask_cross_entropy": masks.cross_entropy,
        "mask_dice": masks.dice,
        "tile": altered_tiles,
        "verdict": verdict_loss(evidence.verdict_logits, labels),
    }


def _freeze_towers(model: ForgeryVLM) -> None:
    vision = model.model.vision
    for part in (vision.semantic, vision.artifact.stem):
        if part is not None:
            part.requires_grad_(False)


def build(config: LocaliseConfig) -> PeftModel:
    """Build the adapted model that a run starts from."""
    torch.manual_seed(config.loop.seed)
    model = build_base_model(PRESETS[config.preset]())
    if config.start is not None and config.start.is_dir():
        adapted = load_adapter(model, config.start)
    else:
        adapted = adapt(model)
        if config.start is not None:
            load_first_experiment(forgery_vlm(adapted), config.start)
    if not config.towers:
        _freeze_towers(forgery_vlm(adapted))
    return adapted


def run(config: LocaliseConfig) -> Path:
    """Train, or go on with a run, and return the folder of the averaged adapter."""
    model = build(config)
    pool = Pool.from_folders(config.photos, config.generated, "train")
    plan = TilePlan(
        config.sides,
        config.tiles,
        config.overviews,
        config.loop.pictures,
        config.maps_dropped,
        config.loop.seed * 10_000_000 + pictures_seen(config.out, config.loop),
        config.coarser,
    )
    return train(
        model,
        Objective(localise_terms, WEIGHTS),
        MadeTiles(pool, forgery_vlm(model).config, plan),
        collate_views,
        Rates(config.low_rank_rate, config.full_rate),
        config.out,
        config.loop,
    )
