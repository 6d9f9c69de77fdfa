import pytest
import torch

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
