"""Loggers that a setting turns on; their packages come with the extra packages for training."""

import pytest

from morelli.training.adapters import freeze_encoders
from morelli.training.cases import Cases
from morelli.training.loop import LoopConfig
from morelli.training.sft import SFTConfig, learn

pytestmark = pytest.mark.filterwarnings("ignore")


def trained(small, folder, report_to):
    begun = small.start()
    freeze_encoders(begun.model.get_base_model())
    cases = Cases(small.case, 2)
    loop = LoopConfig(
        steps=2, pictures=1, warmup=1, workers=0, log_steps=1, save_steps=2, report_to=report_to,
        precision="float32",
    )  # fmt: skip
    assert learn(begun, cases, cases, SFTConfig(folder, folder, loop=loop))


def test_tensorboard_is_told_every_loss(small, tmp_path, monkeypatch):
    pytest.importorskip("tensorboard", reason="comes with the extra packages for training")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", str(tmp_path / "board"))
    trained(small, tmp_path, "tensorboard")
    (events,) = tmp_path.glob("board/**/events.out.*")
    board = EventAccumulator(str(events))
    board.Reload()
    tags = board.Tags()["scalars"]
    for name in ("train/words", "train/mask_dice", "eval/words"):
        assert name in tags
