import math

import pytest

from morelli.eval.bounds import Peaks
from morelli.training import benchmark


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_benchmark_tells_what_the_trainer_costs_and_encodes_each_picture_once(
    small, monkeypatch
):
    peaks = Peaks(1e9, 4e9, 1e9)
    monkeypatch.setattr(benchmark, "measure_peaks", lambda: peaks)
    found = {one.name: one for one in benchmark.measure(small.start(), steps=4, repeats=1)}
    for precision in ("float32", "bfloat16"):
        bare, trainer = (found[f"{precision}: {name}"].value for name in ("bare", "trainer"))
        over = found[f"{precision}: trainer over bare"]
        assert bare > 0
        assert trainer > 0
        assert over.goal == "at most 15"
    assert found["float32: peak of matrix products"].value == 1
    assert found["bfloat16: peak of matrix products"].value == 4
    assert math.isfinite(found["bfloat16 over float32, end to end"].value)
    assert found["encoder runs, 4 pictures seen twice"].value == 4
