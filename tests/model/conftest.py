"""A tiny random checkpoint, and pictures drawn for it."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from morelli.data_pipeline.images import Picture, picture_from_bytes
from morelli.model.checkpoint import Checkpoint
from morelli.model.tiny_checkpoint import make_tiny_checkpoint

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
    return make_tiny_checkpoint()


@pytest.fixture(scope="session")
def draw() -> Draw:
    """Return the function that draws a picture of a given size."""
    return _draw
