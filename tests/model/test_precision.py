import copy

import pytest
import torch
from torch import nn

from morelli.model import precision


@pytest.fixture(autouse=True)
def forget():
    precision.fastest_dtype.cache_clear()
    yield
    precision.fastest_dtype.cache_clear()


@pytest.mark.parametrize(
    ("half", "single", "expected"),
    [
        (1.0, 4.0, torch.bfloat16),  # matrix units
        (1.0, 1.6, torch.bfloat16),
        (1.0, 1.4, torch.float32),  # too little gained
        (100.0, 1.0, torch.float32),  # emulated
    ],
)
def test_bfloat16_is_chosen_only_where_it_is_half_as_fast_again(
    monkeypatch, half, single, expected
):
    seconds = {torch.bfloat16: half, torch.float32: single}
    monkeypatch.setattr(precision, "_seconds", seconds.__getitem__)
    assert precision.fastest_dtype() is expected


def test_the_machine_is_probed_once(monkeypatch):
    probes = []

    def probe(dtype):
        probes.append(dtype)
        return 1.0

    monkeypatch.setattr(precision, "_seconds", probe)
    assert precision.fastest_dtype() is precision.fastest_dtype()
    assert len(probes) == 2


def test_the_probe_of_this_machine_names_one_of_the_two():
    assert precision.fastest_dtype() in (torch.bfloat16, torch.float32)


@pytest.fixture
def layers():
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Linear(64, 48), nn.GELU(), nn.Linear(48, 32, bias=False))
    narrow = copy.deepcopy(plain)
    precision.narrow_single_rows(narrow)
    return plain, narrow


@torch.inference_mode()
def test_many_rows_are_multiplied_as_before(layers):
    plain, narrow = layers
    rows = torch.randn(2, 3, 64)
    torch.testing.assert_close(narrow(rows), plain(rows), rtol=0, atol=0)


@torch.inference_mode()
def test_a_single_row_is_rounded_to_bfloat16_and_no_further(layers):
    plain, narrow = layers
    row = torch.randn(1, 1, 64)
    expected, found = plain(row), narrow(row)
    assert found.dtype is torch.float32
    assert not torch.equal(found, expected)
    torch.testing.assert_close(found, expected, rtol=0, atol=0.02)


def test_gradients_of_a_single_row_are_those_of_the_plain_layer(layers):
    plain, narrow = layers
    row = torch.randn(1, 64)
    plain(row).sum().backward()
    narrow(row).sum().backward()
    for left, right in zip(narrow.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(left.grad, right.grad)


def test_narrow_layers_are_saved_as_plain_ones(layers):
    plain, narrow = layers
    assert set(narrow.state_dict()) == set(plain.state_dict())
