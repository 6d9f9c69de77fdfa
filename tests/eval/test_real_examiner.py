"""The examiner itself, with random weights, goes through an evaluation from end to end."""

from pathlib import Path

import numpy as np
import pytest
import torch

from morelli.eval.evaluate import Selection, write_scores
from morelli.eval.predict import predict
from morelli.model.calibration import Calibrator
from morelli.model.checkpoint import Checkpoint
from morelli.model.examiner import Examiner
from morelli.model.forgery_vlm import ForgeryVLM
from morelli.model.presets import tiny
from morelli.model.processing import ForgeryProcessor, tiny_tokenizer


@pytest.fixture
def random_examiner() -> Examiner:
    torch.manual_seed(0)
    config = tiny()
    scores = tuple(np.linspace(0, 1, 200).round(4).tolist())
    calibrator = Calibrator(scores=scores, manipulated=tuple(int(s > 0.5) for s in scores))
    processor = ForgeryProcessor(config, tiny_tokenizer(config))
    model = ForgeryVLM(config).eval()
    return Examiner(Checkpoint(model, processor, calibrator, "tiny", "0", "0" * 64, {}))


def test_what_it_says_is_read_back_and_scored(
    random_examiner: Examiner, forgeries: Path, tmp_path: Path
) -> None:
    cases = Selection(["manifest"], forgeries, sources=["more"]).cases()
    predict(random_examiner, "0" * 64, cases, tmp_path, words=True)
    (one,) = write_scores(tmp_path, {})["sets"]
    assert one["n"] == {"authentic": 1, "tampered": 1, "synthetic": 0}
    for part in ("image", "calibration", "pixel", "false_alarm_area", "text"):
        assert one[part]
