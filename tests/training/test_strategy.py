"""Two processes against one, over gloo: the same losses, and checkpoints that go from one strategy
to another. DeepSpeed's need its package, which comes with the extra packages for training."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file
from transformers import TrainingArguments

from morelli.training.run_folder import read_metrics
from morelli.training.strategy import STRATEGIES, strategy_settings

SCRIPT = Path(__file__).parent / "share_work.py"
ZEROS = ("zero2", "zero3") if find_spec("deepspeed") else ()
SHARED = ("ddp", "fsdp", *ZEROS)
TWO = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_strategy_is_written_as_it_is_used(name, tmp_path):
    settings = strategy_settings(name, tmp_path)
    assert json.loads((tmp_path / "strategy.json").read_text()) == settings


def test_transformers_accepts_the_settings_of_ddp(tmp_path):
    arguments = TrainingArguments(str(tmp_path), use_cpu=True, **strategy_settings("ddp", tmp_path))
    assert arguments.ddp_find_unused_parameters


def test_an_unknown_strategy_is_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match="no such strategy 'zero9'"):
        strategy_settings("zero9", tmp_path)


def launch(manifest, jobs, *torchrun, dies=False):
    command = [sys.executable, *torchrun, str(SCRIPT), str(manifest), json.dumps(jobs)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (found.returncode != 0) is dies, found.stderr[-5000:]


@pytest.fixture(scope="module")
def runs(small, tmp_path_factory):
    """Runs of four steps on the same pictures: alone and shared out, straight and interrupted."""
    folder = tmp_path_factory.mktemp("runs")
    manifest = small.write_manifest(folder, 12)

    def job(name, strategy, accumulate, **more):
        return {"out": str(folder / name), "strategy": strategy, "accumulate": accumulate, **more}

    stopped = str(folder / "alone-stopped")
    launch(manifest, [job("alone", "ddp", 4), job("alone-stopped", "ddp", 4, stop=3)])
    for name in ("ddp", "fsdp"):
        shared = [job(f"{name}-stopped", name, 2, stop=3)]
        shared += [job(f"{name}-from-alone", name, 2, copy=stopped), job(name, name, 2, kill=3)]
        launch(manifest, shared, *TWO, dies=True)
        launch(manifest, shared[-1:], *TWO)  # the same command once more
    for name in ZEROS:
        shared = [job(name, name, 2), job(f"{name}-from-alone", name, 2, copy=stopped)]
        launch(manifest, [*shared, job(f"{name}-stopped", name, 2, stop=3)], *TWO)
    back = [job(f"alone-from-{n}", "ddp", 4, copy=str(folder / f"{n}-stopped")) for n in SHARED]
    launch(manifest, back)
    return folder


def losses(folder):
    return [row["loss"] for row in read_metrics(folder / "metrics.jsonl") if "words" in row]


@pytest.mark.parametrize("name", SHARED)
def test_two_processes_lose_what_one_loses_on_the_same_pictures(name, runs):
    alone = losses(runs / "alone")
    assert len(alone) == 4
    assert max(alone) - min(alone) > 0.01  # it learns, or any loss would do
    np.testing.assert_allclose(losses(runs / name), alone, atol=1e-3)


@pytest.mark.parametrize("name", SHARED)
def test_a_checkpoint_of_one_process_is_gone_on_with_by_two(name, runs):
    np.testing.assert_allclose(
        losses(runs / f"{name}-from-alone"), losses(runs / "alone"), atol=1e-3
    )


@pytest.mark.parametrize("name", SHARED)
def test_a_checkpoint_of_two_processes_is_gone_on_with_by_one(name, runs):
    assert not (runs / f"{name}-stopped" / "done").exists()
    np.testing.assert_allclose(
        losses(runs / f"alone-from-{name}"), losses(runs / "alone"), atol=1e-3
    )


@pytest.mark.parametrize("name", ["ddp", "fsdp"])
def test_a_run_of_which_a_process_was_killed_goes_on(name, runs):
    assert (runs / name / "killed").exists()
    rows = [row["step"] for row in read_metrics(runs / name / "metrics.jsonl") if "words" in row]
    assert rows == [1, 2, 3, 4]


@pytest.mark.parametrize("name", SHARED)
def test_shared_out_weights_are_saved_whole(name, runs):
    alone = load_file(runs / "alone" / "checkpoint" / "model.safetensors")
    shared = load_file(runs / name / "checkpoint" / "model.safetensors")
    assert alone.keys() == shared.keys()
    for key, value in alone.items():
        np.testing.assert_allclose(shared[key], value, atol=2e-3, err_msg=key)
