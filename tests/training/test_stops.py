"""What ends a run early says what to do, and the last whole checkpoint stays."""

import errno

import pytest
import torch
from peft import PeftModel

from morelli.training import sft
from morelli.training.loop import LoopConfig
from morelli.training.resuming import TrainingError, last_checkpoint
from morelli.training.run_folder import read_metrics
from morelli.training.sft import SFTConfig, run

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture
def settings(small, tmp_path):
    """Give a run of four steps, with a checkpoint after two."""
    loop = LoopConfig(
        steps=4, pictures=1, accumulate=1, warmup=1, workers=0, log_steps=1, save_steps=2,
        precision="float32",
    )  # fmt: skip
    return SFTConfig(
        small.write_manifest(tmp_path, 6), tmp_path / "run", preset="tiny", validation=0.2,
        test=0.2, most_tokens=4, loop=loop,
    )  # fmt: skip


def test_memory_that_does_not_suffice(settings, monkeypatch):
    plain = sft.InstructTerms.__call__
    calls = []

    def hungry(terms, model, batch):
        calls.append(model.training)
        if sum(calls) > 2:  # the third batch that is learned from
            torch.empty(2**60)
        return plain(terms, model, batch)

    monkeypatch.setattr(sft.InstructTerms, "__call__", hungry)
    with pytest.raises(TrainingError) as error:
        run(settings)
    assert "out of memory at step 2" in str(error.value)
    assert f"{settings.out / 'checkpoint-2'} is kept." in str(error.value)
    assert "fewer pictures a batch" in str(error.value)
    assert last_checkpoint(settings.out).name == "checkpoint-2"


def test_a_full_disk_leaves_no_half_checkpoint_and_the_run_goes_on_when_there_is_room(
    settings, monkeypatch
):
    plain = PeftModel.save_pretrained

    def full(model, folder, *args, **kwargs):
        plain(model, folder, *args, **kwargs)
        if "checkpoint-4" in str(folder):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(PeftModel, "save_pretrained", full)
    with pytest.raises(TrainingError, match="the disk is full") as error:
        run(settings)
    assert f"{settings.out / 'checkpoint-2'} is kept." in str(error.value)
    assert "Make room and run the same command again." in str(error.value)
    assert not (settings.out / "checkpoint-4").exists()

    monkeypatch.setattr(PeftModel, "save_pretrained", plain)
    run(settings)
    rows = [r["step"] for r in read_metrics(settings.out / "metrics.jsonl") if "words" in r]
    assert rows == [1, 2, 3, 4]


def test_a_checkpoint_that_was_not_written_to_its_end_is_passed_over(settings):
    run(settings)
    broken = settings.out / "checkpoint-9"
    broken.mkdir()
    (broken / "adapter_model.safetensors").touch()
    assert last_checkpoint(settings.out).name == "checkpoint-4"


def test_there_is_none_in_a_new_run(tmp_path):
    assert last_checkpoint(tmp_path) is None
