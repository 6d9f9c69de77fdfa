from types import SimpleNamespace

import pytest
import torch
from torch import nn

from morelli.training.averaging import MovingAverage


@pytest.fixture
def model():
    model = nn.Linear(2, 1)
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    model.bias.requires_grad_(False)
    return model


def step(average, model, number):
    average.on_step_end(None, SimpleNamespace(global_step=number), None, model=model)


def test_the_first_steps_count_most_so_that_the_start_is_soon_forgotten(model):
    average = MovingAverage(model, decay=0.995)
    nn.init.ones_(model.weight)
    step(average, model, 1)
    # kept share (1 + 1) / (10 + 1)
    torch.testing.assert_close(average.weights["weight"], torch.full((1, 2), 9 / 11))


def test_in_the_long_run_the_decay_is_the_stated_one(model):
    average = MovingAverage(model, decay=0.5)
    nn.init.ones_(model.weight)
    step(average, model, 1000)
    torch.testing.assert_close(average.weights["weight"], torch.full((1, 2), 0.5))
    step(average, model, 1001)
    torch.testing.assert_close(average.weights["weight"], torch.full((1, 2), 0.75))


def test_the_average_of_weights_that_stand_still_is_those_weights(model):
    nn.init.constant_(model.weight, 0.3)
    average = MovingAverage(model)
    for number in range(1, 20):
        step(average, model, number)
    torch.testing.assert_close(average.weights["weight"], model.weight.detach())


def test_only_what_learns_is_followed(model):
    assert set(MovingAverage(model).weights) == {"weight"}


def test_copying_puts_the_average_in_the_model_and_leaves_the_frozen_alone(model):
    average = MovingAverage(model)
    nn.init.ones_(model.weight)
    nn.init.ones_(model.bias)
    average.copy_to(model)
    assert not model.weight.any()
    assert model.bias.item() == 1
    assert model.weight.requires_grad


def test_a_resumed_run_goes_on_with_the_average_it_saved(model, tmp_path):
    arguments = SimpleNamespace(output_dir=str(tmp_path))
    state = SimpleNamespace(global_step=7)
    (tmp_path / "checkpoint-7").mkdir()
    average = MovingAverage(model)
    nn.init.ones_(model.weight)
    step(average, model, 7)
    average.on_save(arguments, state, None)
    resumed = MovingAverage(model)
    resumed.on_train_begin(arguments, state, None)
    torch.testing.assert_close(resumed.weights, average.weights)


def test_a_fresh_run_starts_from_the_present_weights(model, tmp_path):
    average = MovingAverage(model)
    average.on_train_begin(
        SimpleNamespace(output_dir=str(tmp_path)), SimpleNamespace(global_step=0), None
    )
    assert not average.weights["weight"].any()
