"""A tiny random checkpoint, and pictures drawn for it."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
import torch

from morelli.data_pipeline.images import Picture, picture_from_bytes
from morelli.model.calibration import Calibrator
from morelli.model.checkpoint import Checkpoint
from morelli.model.forgery_vlm import ForgeryVLM
from morelli.model.presets import tiny
from morelli.model.processing import ForgeryProcessor, tiny_tokenizer

Draw = Callable[..., Picture]
"""(height, width, seed=0) -> a picture."""


def _draw(height: int, width: int, seed: int = 0) -> Picture:
    """Return a grainy gradient with a disc, as a JPEG of quality 90."""
    rng = np.random.default_rng(seed)
    ramp = np.linspace(60, 180, width, dtype=np.float32)[None, :, None]
    pixels = np.clip(ramp + rng.normal(0, 6, (height, width, 3)), 0, 255).astype(np.uint8)
    cv2.circle(pixels, (width // 3, height // 2), min(height, width) // 6, (30, 90, 200), -1)
    data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
    return picture_from_bytes(data, f"drawn-{seed}.jpg")


@pytest.fixture(scope="session")
def tiny_checkpoint() -> Checkpoint:
    """Return a checkpoint with random weights and a calibrator that can decide."""
    torch.manual_seed(0)
    config = tiny()
    model = ForgeryVLM(config).eval()
    scores = tuple(np.linspace(0, 1, 200).round(4).tolist())
    calibrator = Calibrator(
        temperature=0.05, scores=scores, manipulated=tuple(int(s > 0.5) for s in scores)
    )
    return Checkpoint(
        model=model,
        processor=ForgeryProcessor(config, tiny_tokenizer(config)),
        calibrator=calibrator,
        name="tiny",
        version="0",
        sha256="0" * 64,
        validation={},
    )


@pytest.fixture(scope="session")
def draw() -> Draw:
    """Return the function that draws a picture of a given size."""
    return _draw
