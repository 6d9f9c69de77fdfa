import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray

from morelli.data_pipeline.maker import Pool
from morelli.data_pipeline.maker.history import resize
from morelli.data_pipeline.maker.upsampling import _STEPS, upsample

SMALL = np.asarray(skimage.data.chelsea()[:100, 100:220]).astype(np.float32)


def _replicas(pixels: NDArray[np.floating]) -> float:
    """Return how much more power there is at half the sampling rate than just below it."""
    grey = pixels.mean(axis=2)
    power = np.abs(np.fft.fft2(grey - grey.mean())) ** 2
    rows, columns = power.shape[0] // 2, power.shape[1] // 2
    peaks = power[rows, 0] + power[0, columns] + power[rows, columns]
    near = power[rows - 4 : rows, 0].mean() + power[0, columns - 4 : columns].mean()
    return float(peaks / (near + power[rows - 4 : rows, columns - 4 : columns].mean()))


@pytest.mark.parametrize("name", _STEPS)
def test_a_step_doubles_a_picture_and_keeps_its_brightness(name: str) -> None:
    for seed in range(4):
        large = _STEPS[name](SMALL, np.random.default_rng(seed), 0.01)
        assert large.shape == (200, 240, 3)
        assert large.dtype == np.float32
        assert np.allclose(large.mean((0, 1)), SMALL.mean((0, 1)), rtol=0.05)
        again = resize(np.clip(large, 0, 255).astype(np.uint8), 100, 120, "area")
        assert np.abs(again - SMALL).mean() < 6


@pytest.mark.parametrize("name", ["transposed", "shuffled"])
def test_steps_whose_phases_differ_leave_replicas_that_plain_enlarging_does_not(name: str) -> None:
    plain = resize(SMALL.astype(np.uint8), 200, 240, "cubic").astype(np.float32)
    for seed in range(4):
        large = _STEPS[name](SMALL, np.random.default_rng(seed), 0.02)
        assert _replicas(large) > 3 * _replicas(plain)


def test_a_chain_of_plain_interpolation_alone_is_never_made(pool: Pool) -> None:
    canvas = np.asarray(skimage.data.coffee()[:90, :111])
    for seed in range(40):
        made, drawn = upsample(canvas, pool, np.random.default_rng(seed))
        assert made.shape == canvas.shape
        assert set(drawn["steps"]) != {"bilinear"} or drawn["sharpened"] is not None
