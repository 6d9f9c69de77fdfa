import time
from pathlib import Path

import numpy as np
import pytest

from morelli.eval import stage_memory
from morelli.eval.stage_memory import Watch, measure_memory

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="this system does not tell what a process holds"
)


def test_memory_goes_to_the_stage_in_which_it_was_held() -> None:
    with Watch() as watch:
        start = time.perf_counter()
        time.sleep(0.05)
        first = time.perf_counter() - start
        held = np.ones(100_000_000, np.uint8)
        time.sleep(0.05)
        second = time.perf_counter() - start - first
    assert held.all()
    peaks = watch.peaks(start, {"before": first, "holding": second})
    assert 0.08 < peaks["holding"] - peaks["before"] < 0.3


def test_a_stage_too_short_to_be_read_has_what_was_held_next() -> None:
    watch = Watch()
    watch.readings = [(0.0, 1.0), (1.0, 2.0), (2.0, 5.0)]
    assert watch.peaks(0.0, {"long": 0.9, "short": 0.05, "last": 2.0}) == {
        "long": 1.0, "short": 2.0, "last": 5.0}  # fmt: skip


def test_where_nobody_counts_memory_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage_memory, "_HELD", tmp_path / "none")
    assert measure_memory(None, []) is None


def test_a_checkpoint_that_is_none_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="is no checkpoint"):
        measure_memory(tmp_path, [])
