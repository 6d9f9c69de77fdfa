"""What scoring keeps of a prediction, however large its maps."""

import gc
import tracemalloc
from pathlib import Path

from morelli.eval.scoring import readings_of, score
from morelli.eval.scoring_speed import write_predictions

COUNT = 120


def kept(path: Path) -> float:
    """Return bytes that are kept of each prediction in a file."""
    tracemalloc.start()
    try:
        readings = [reading for _, reading in readings_of(path)]
        gc.collect()
        return tracemalloc.get_traced_memory()[0] / len(readings)
    finally:
        tracemalloc.stop()


def test_a_prediction_leaves_little_behind_whatever_the_size_of_its_map(tmp_path: Path) -> None:
    sizes = {}
    for side in (48, 192):
        (tmp_path / str(side)).mkdir()
        path = write_predictions(tmp_path / str(side), COUNT, side)
        score(path)  # what is imported and compiled once stays out of the count
        sizes[side] = kept(path)
    # its words take a third of that; the curves of its maps would be another kilobyte each
    assert max(sizes.values()) < 3_000
    assert abs(sizes[192] - sizes[48]) < 300
