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
    precision.narrow_linears(narrow)
    return plain, narrow


@torch.inference_mode()
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(1, 1, 64), (2, 3, 64)])
def test_narrow_layers_answer_as_plain_ones_but_for_rounding(layers, monkeypatch, dtype, shape):
    monkeypatch.setattr(precision, "fastest_dtype", lambda: dtype)
    plain, narrow = layers
    rows = torch.randn(*shape)
    expected, found = plain(rows), narrow(rows)
    assert found.dtype is torch.float32
    assert not torch.equal(found, expected)
    torch.testing.assert_close(found, expected, rtol=0, atol=0.02)


@torch.inference_mode()
def test_without_matrix_units_only_the_weights_are_rounded(layers, monkeypatch):
    monkeypatch.setattr(precision, "fastest_dtype", lambda: torch.float32)
    plain, narrow = layers
    for layer in plain:
        if isinstance(layer, nn.Linear):
            layer.weight.copy_(layer.weight.bfloat16().float())
    rows = torch.randn(2, 3, 64)
    torch.testing.assert_close(narrow(rows), plain(rows), rtol=0, atol=0)


@torch.inference_mode()
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_last_token_of_a_text_does_not_depend_on_other_texts(layers, monkeypatch, dtype):
    monkeypatch.setattr(precision, "fastest_dtype", lambda: dtype)
    _, narrow = layers
    rows = torch.randn(5, 1, 64)
    alone = torch.cat([narrow(row[None]) for row in rows])
    torch.testing.assert_close(narrow(rows), alone, rtol=1e-5, atol=1e-6)


def test_narrow_layers_hold_half_the_bytes_under_the_same_names(layers):
    plain, narrow = layers
    assert set(narrow.state_dict()) == set(plain.state_dict())
    for name, weight in narrow.state_dict().items():
        half = 2 if name.endswith("weight") else 4
        assert weight.element_size() == half
