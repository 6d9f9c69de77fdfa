from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from morelli.eval.curves import Curves, at_levels, highest, mean_curve


def test_curves_come_back_as_they_were_written_whoever_wrote_beside() -> None:
    kept, drawn = Curves(), np.random.default_rng(0).random((50, 256))
    with ThreadPoolExecutor(4) as pool:
        places = list(pool.map(kept.add, drawn))
    for place, curve in zip(places, drawn, strict=True):
        np.testing.assert_array_equal(place.read(), curve.astype(np.float32))


def test_figures_do_not_depend_on_how_many_curves_are_read_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept, drawn = Curves(), np.random.default_rng(1).random((7, 256)).astype(np.float32)
    places = [kept.add(curve) for curve in drawn.astype(float)]
    levels = np.arange(7) * 30
    for count in (3, 1_000):
        monkeypatch.setattr("morelli.eval.curves._AT_A_TIME", count)
        np.testing.assert_allclose(mean_curve(places), drawn.mean(0, dtype=float), atol=1e-12)
        np.testing.assert_array_equal(at_levels(places, levels), drawn[np.arange(7), levels])
        np.testing.assert_array_equal(at_levels(places, 5), drawn[:, 5])
        np.testing.assert_array_equal(highest(places), drawn.max(1))
