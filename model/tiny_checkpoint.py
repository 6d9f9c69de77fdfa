"""A checkpoint of the `tiny` preset with random weights: its verdicts mean nothing.

For tests and the servers they start, and to measure what has nothing to do with the weights.
"""

import numpy as np
import torch

from morelli.model.calibration import Calibrator
from morelli.model.checkpoint import Checkpoint
from morelli.model.forgery_vlm import ForgeryVLM
from morelli.model.presets import tiny
from morelli.model.processing import ForgeryProcessor, tiny_tokenizer


def make_tiny_checkpoint() -> Checkpoint:
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
