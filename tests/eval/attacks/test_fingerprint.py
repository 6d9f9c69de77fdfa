import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from morelli.eval.attacks.fingerprint import clean_spectrum, rebuild


@pytest.fixture
def photograph() -> NDArray[np.uint8]:
    """Return (120, 160, 3) pixels whose amplitudes fall with frequency, as photographs' do."""
    rng = np.random.default_rng(0)
    radius = np.hypot(np.fft.fftfreq(120)[:, None], np.fft.rfftfreq(160)[None])
    planes = [
        np.fft.irfft2(np.fft.rfft2(rng.normal(0, 1, (120, 160))) / (radius + 0.02), s=(120, 160))
        for _ in range(3)
    ]
    image = np.stack(planes, -1)
    return np.clip(128 + 35 * image / image.std(), 0, 255).astype(np.uint8)


def peak(pixels: NDArray[np.uint8]) -> float:
    """Return the amplitude of a wave of four pixels, over that of the frequencies beside it."""
    spectrum = np.abs(np.fft.rfft2(pixels[..., 1].astype(float)))
    return float(spectrum[30, 40] / np.median(spectrum[28:33, 38:43]))


def loss(pixels: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    return float(np.square(pixels.astype(float) - other).mean())


def test_a_peak_that_a_generator_left_is_taken_out_and_the_picture_stays(
    photograph: NDArray[np.uint8],
) -> None:
    y, x = np.mgrid[:120, :160]
    wave = 12 * np.cos(np.pi * (x + y) / 2)
    marked = np.clip(photograph + wave[..., None], 0, 255).astype(np.uint8)
    cleaned = clean_spectrum(marked, 3)
    assert peak(marked) > 10 * peak(photograph)
    assert peak(cleaned) < peak(marked) / 3
    assert loss(cleaned, photograph) < loss(marked, photograph) / 2


def test_fewer_deviations_and_fewer_components_change_more(photograph: NDArray[np.uint8]) -> None:
    cleaned = [loss(clean_spectrum(photograph, kept), photograph) for kept in (10, 3, 2, 1)]
    assert cleaned == sorted(cleaned)
    assert cleaned[0] < 0.1
    rebuilt = [loss(rebuild(photograph, kept), photograph) for kept in (64, 32, 16, 8, 1)]
    assert rebuilt == sorted(rebuilt)
    assert rebuilt[0] == 0


def test_what_is_rebuilt_has_lost_its_grain_and_has_no_grid(
    photograph: NDArray[np.uint8],
) -> None:
    smooth = cv2.GaussianBlur(photograph, (0, 0), 3)
    grain = np.random.default_rng(1).normal(0, 6, smooth.shape)
    grainy = np.clip(smooth + grain, 0, 255).astype(np.uint8)
    rebuilt = rebuild(grainy, 12)
    assert loss(rebuilt, smooth) < loss(grainy, smooth) / 2
    steps = np.abs(np.diff(rebuilt.astype(float), axis=1)).mean((0, 2))[8:-8]
    # averaged by their place in blocks of eight, no column stands out
    columns = [steps[start::8].mean() for start in range(8)]
    assert max(columns) / min(columns) < 1.25
