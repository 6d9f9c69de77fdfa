import cv2
import numpy as np
import pytest

from morelli.data_pipeline.maker.fit_writing import fitted
from morelli.data_pipeline.maker.fonts import PILLOW, set_line
from morelli.data_pipeline.maker.strokes import edge_blur, letters_of, paper_grain, strokes_of
from morelli.data_pipeline.maker.writing import (
    SCALES,
    Writer,
    density,
    draw_writer,
    series,
    writers,
)


@pytest.mark.parametrize("name", SCALES)
def test_a_scale_returns_what_it_was_given(name: str) -> None:
    scale = SCALES[name]
    for share in (0.0, 0.31, 1.0):
        assert scale.to_share(scale.from_share(share)) == pytest.approx(share)
    assert scale.from_share(0) == pytest.approx(scale.low)
    assert scale.from_share(1) == pytest.approx(scale.high)


def test_a_series_has_the_mean_and_spread_of_what_it_was_fitted_to() -> None:
    rng = np.random.default_rng(0)
    shares = np.clip(rng.normal(0.4, 0.12, 4000), 0, 1)
    values = density(series(shares.tolist()))
    grid = np.linspace(0, 1, len(values))
    mean = float((grid * values).mean() / values.mean())
    spread = float(np.sqrt(((grid - mean) ** 2 * values).mean() / values.mean()))
    assert values.min() >= 0
    assert mean == pytest.approx(0.4, abs=0.01)
    # The values' own spread and the width that each is spread by.
    assert spread == pytest.approx(np.hypot(0.12, 0.06), abs=0.01)


def test_draws_follow_the_individual_and_now_and_then_the_population() -> None:
    own = {"offset": series([0.2] * 9)}
    population = {"offset": series([0.8] * 9)}
    writer = Writer(0, own, population)
    rng = np.random.default_rng(0)
    shares = [SCALES["offset"].to_share(writer.draw(rng, "offset")) for _ in range(600)]
    assert 0.68 < np.mean([share < 0.5 for share in shares]) < 0.82
    assert np.median([share for share in shares if share < 0.5]) == pytest.approx(0.2, abs=0.03)


def test_every_individual_that_ships_can_be_drawn_from_within_the_scales() -> None:
    rng = np.random.default_rng(0)
    assert len(writers()) >= 10
    for _ in range(40):
        writer = draw_writer(rng)
        for name, scale in SCALES.items():
            assert scale.low <= writer.draw(rng, name) <= scale.high


def test_a_photograph_with_much_writing_counts_as_one_with_little() -> None:
    much, little = {"offset": [0.1] * 500}, {"offset": [-0.1]}
    everything = {name: [SCALES[name].from_share(0.5)] for name in SCALES}
    fits = fitted([{**everything, **much}, {**everything, **little}])
    values = density(fits["population"]["offset"])  # type: ignore[index]
    below, above = values[: len(values) // 2], values[len(values) // 2 :]
    assert below.sum() == pytest.approx(above.sum(), rel=0.03)


def _line(blur: float, grain: float) -> np.ndarray:
    page = np.full((60, 320, 3), 220, np.float32)
    strokes = set_line("HELINTHE", PILLOW, 34)
    height, width = strokes.shape
    page[12 : 12 + height, 20 : 20 + width] -= 180 * strokes[..., None]
    page = cv2.GaussianBlur(page, (0, 0), blur) if blur else page
    noise = np.random.default_rng(0).standard_normal((60, 320, 1))
    return np.clip(np.rint(page + grain * noise), 0, 255).astype(np.uint8)


def test_ink_and_paper_are_told_apart_whichever_is_darker() -> None:
    for view in (_line(0.6, 1), 255 - _line(0.6, 1)):
        strokes = strokes_of(view)
        assert strokes is not None
        assert strokes.contrast == pytest.approx(180, abs=25)
        assert len(letters_of(strokes)) == 8
    assert strokes_of(np.full((20, 60, 3), 90, np.uint8)) is None


@pytest.mark.parametrize("blur", [0.8, 1.4, 2.0])
def test_the_blur_of_edges_is_measured(blur: float) -> None:
    view = _line(blur, 0)
    strokes = strokes_of(view)
    assert strokes is not None
    # Strokes of a few pixels do not reach their full contrast once they are blurred.
    assert edge_blur(view, strokes.contrast) == pytest.approx(blur, rel=0.3)


def test_the_grain_of_bare_paper_is_measured() -> None:
    for grain in (1.0, 4.0):
        view = _line(0.6, grain)
        strokes = strokes_of(view)
        assert strokes is not None
        assert paper_grain(view, strokes) == pytest.approx(grain, rel=0.15)
