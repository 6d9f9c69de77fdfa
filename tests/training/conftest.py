"""A tiny model that can learn, and small measured pictures with their truth."""

import json
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from morelli.data_pipeline.images import write_mask
from morelli.data_pipeline.schema import Measurement, Verdict
from morelli.model.calibration import Calibrator
from morelli.model.forgery_vlm import ForgeryVLM
from morelli.model.presets import tiny
from morelli.model.processing import ForgeryProcessor, tiny_tokenizer
from morelli.training.adapters import adapt
from morelli.training.cases import Case
from morelli.training.rewards import Truth
from morelli.training.start import Start

SIDE = 64


def case(seed, verdict=None, side=SIDE):
    """Return a smooth picture with an even grain reading; a tampered one has a noisy square."""
    rng = np.random.default_rng(seed)
    verdict = verdict or (Verdict.AUTHENTIC, Verdict.TAMPERED)[seed % 2]
    ramp = np.linspace(40 + 5 * (seed % 16), 180, side)[None, :, None]
    pixels = np.broadcast_to(ramp, (side, side, 3)).copy()
    mask = np.zeros((side, side), bool)
    if verdict is Verdict.TAMPERED:
        x, y = rng.integers(0, side - 28, 2)
        mask[y : y + 28, x : x + 28] = True
    pixels += mask[..., None] * rng.normal(0, 40, pixels.shape)
    heat = np.zeros((side, side), np.float32)
    noise = Measurement("noise", 1.0, "times", (0.0, 2.0), 0.9, "The grain is even.", heat)
    truth = Truth(verdict, mask, {"noise": noise}, side, side)
    return Case(f"case-{seed}", np.clip(pixels, 0, 255).astype(np.uint8), (noise,), truth)


def fresh_start():
    """Return a random model whose language part learns in full.

    Updates of low rank steer a model that can speak; they cannot teach a random one to.
    """
    torch.manual_seed(0)
    config = tiny()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = adapt(ForgeryVLM(config))
    model.get_base_model().model.language_model.requires_grad_(True)
    return Start(model, ForgeryProcessor(config, tiny_tokenizer(config)), Calibrator())


def teach_text(start, pairs, steps, rate=1e-2):
    """Fit the model to (case, answer behind the stem) pairs, words only."""
    processor, end = start.processor, start.processor.tokenizer.eos_token_id
    rows = []
    for one, answer in pairs:
        height, width = one.truth.height, one.truth.width
        prompt = processor.encode(processor.prompt(one.measurements, height, width))
        rows.append((prompt, [*processor.encode(answer), end]))
    ids = pad_sequence([torch.tensor(p + a) for p, a in rows], batch_first=True)
    labels = pad_sequence(
        [torch.tensor([-100] * len(p) + a) for p, a in rows], batch_first=True, padding_value=-100
    )
    views = processor.stack([one for one, _ in pairs])
    model = start.model.get_base_model().train()
    with torch.no_grad():
        features = model.model.vision.eval()(views)
    learned = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(learned, lr=rate)
    for _ in range(steps):
        logits = model(input_ids=ids, features=features).logits
        loss = functional.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return float(loss.detach())


def write_manifest(folder, count, side=SIDE):
    """Write small pictures with masks and a manifest of them; return its path."""
    rows = []
    for seed in range(count):
        one = case(seed, side=side)
        Image.fromarray(one.pixels).save(folder / f"{seed}.png")
        write_mask(one.truth.mask, folder / f"{seed}-mask.png")
        rows.append({"id": f"p{seed}", "image": f"{seed}.png", "mask": f"{seed}-mask.png",
                     "verdict": str(one.truth.verdict), "source": f"camera {seed}"})  # fmt: skip
    manifest = folder / "manifest.jsonl"
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return manifest


@pytest.fixture(scope="session")
def small():
    """Give what makes small cases and a small model."""
    return SimpleNamespace(
        case=case, start=fresh_start, teach=teach_text, write_manifest=write_manifest
    )
