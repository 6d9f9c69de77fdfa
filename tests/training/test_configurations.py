from pathlib import Path

import pytest

import morelli.training
from morelli.data_pipeline.config import configure
from morelli.model.plan import STRATEGIES as PLANNED
from morelli.serve import train_command
from morelli.training.quantised import QUANTISED
from morelli.training.sft import SFTConfig
from morelli.training.strategy import PRECISIONS, STRATEGIES

FILES = sorted((Path(next(iter(morelli.training.__path__))) / "configurations").glob("*.toml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_ready_configuration_names_what_there_is(file):
    config = configure(SFTConfig(Path("my.jsonl"), Path("run")), file)
    assert config.loop.strategy in STRATEGIES
    assert config.loop.precision in PRECISIONS
    assert config.quantise in QUANTISED
    assert f"--config training/configurations/{file.name}" in file.read_text()


def test_there_is_one_for_one_eight_and_sixty_four_gpus():
    assert {file.stem for file in FILES} == {"one_gpu", "eight_gpus", "sixty_four_gpus"}


def test_names_that_are_repeated_for_speed_are_those_of_their_tables():
    assert tuple(STRATEGIES) == train_command.STRATEGIES == PLANNED
