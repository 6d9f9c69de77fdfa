import pytest

from morelli.serve import cli
from morelli.training import sft


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """Give the configuration that a command line leads to."""

    def configuration(*words):
        seen = []
        monkeypatch.setattr(sft, "run", lambda config: seen.append(config) or tmp_path)
        assert cli.main(["train", "sft", "--data", "my.jsonl", "--out", "run", *words]) == cli.DONE
        return seen[0]

    return configuration


def test_without_flags_work_is_shared_by_ddp_and_weights_are_whole(asked):
    config = asked()
    assert (config.loop.strategy, config.quantise, config.preset) == ("ddp", "none", None)


def test_flags_beat_a_file_and_settings_beat_flags(asked, tmp_path):
    file = tmp_path / "some.toml"
    file.write_text('quantise = "4bit"\n[loop]\nstrategy = "zero2"\nsteps = 7\n')
    read = asked("--config", str(file))
    assert (read.loop.strategy, read.quantise, read.loop.steps) == ("zero2", "4bit", 7)
    flagged = asked("--config", str(file), "--strategy", "fsdp", "--quantise", "none")
    assert (flagged.loop.strategy, flagged.quantise) == ("fsdp", "none")
    assert asked("--strategy", "fsdp", "loop.strategy=zero3").loop.strategy == "zero3"
