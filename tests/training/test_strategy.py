import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from transformers import TrainingArguments

from morelli.training.run_folder import read_metrics
from morelli.training.strategy import STRATEGIES, strategy_settings

FINE_TUNE = """
import sys
from pathlib import Path
from morelli.training.loop import LoopConfig
from morelli.training.sft import SFTConfig, run

manifest, out, accumulate = sys.argv[1:]
loop = LoopConfig(steps=3, pictures=1, accumulate=int(accumulate), warmup=1, workers=0,
                  log_steps=1, save_steps=10)
run(SFTConfig(Path(manifest), Path(out), preset="tiny", validation=0.2, test=0.2, most_tokens=4,
              loop=loop))
"""


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


def losses(command, manifest, out, accumulate):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    arguments = [str(manifest), str(out), str(accumulate)]
    found = subprocess.run(
        [sys.executable, *command, *arguments], env=environment, capture_output=True, text=True,
        check=False, timeout=500,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr[-3000:]
    return [row["loss"] for row in read_metrics(Path(out) / "metrics.jsonl") if "words" in row]


def test_two_processes_lose_what_one_loses_on_the_same_pictures(small, tmp_path):
    manifest = small.write_manifest(tmp_path, 12)
    script = tmp_path / "fine_tune.py"
    script.write_text(FINE_TUNE)
    alone = losses([str(script)], manifest, tmp_path / "one", 4)
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    shared = losses([*launch, str(script)], manifest, tmp_path / "two", 2)
    assert len(alone) == 3
    np.testing.assert_allclose(shared, alone, atol=1e-3)
