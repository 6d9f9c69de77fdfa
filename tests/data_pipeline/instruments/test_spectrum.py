"""The spectrum instrument finds the regular peaks of up-sampling."""

import numpy as np
import pytest
from made_pictures import blank, photograph, saved
from skimage import data

from morelli.data_pipeline.instruments.spectrum import measure_spectrum


def upsampled(period: int):
    """Noise with a faint pattern that repeats every few pixels, as deconvolution leaves it."""
    rng = np.random.default_rng(1)
    gray = 128 + 4 * rng.standard_normal((512, 512))
    rows, columns = np.mgrid[:512, :512]
    gray += 3 * np.cos(2 * np.pi * rows / period) * np.cos(2 * np.pi * columns / period)
    return np.clip(np.rint(gray), 0, 255).astype(np.uint8)[..., None].repeat(3, 2)


@pytest.mark.parametrize("period", [4, 8])
def test_a_pattern_of_up_sampling_is_found_at_its_frequency(period):
    reading = measure_spectrum(saved(upsampled(period)))
    assert reading.anomalous
    assert np.abs(reading.details["cycles_per_pixel"]) == pytest.approx(1 / period)
    assert reading.map is None


@pytest.mark.parametrize("name", ["coffee", "astronaut"])
@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("JPEG", {"quality": 92})])
def test_an_untouched_photograph_is_normal(name, kind, options):
    assert not measure_spectrum(saved(getattr(data, name)(), kind, **options)).anomalous


@pytest.mark.parametrize(
    ("pixels", "quality"), [(blank(), 95), (photograph(), 40), (photograph()[:150, :150], 95)]
)
def test_it_cannot_tell_on_blank_small_or_badly_saved_pictures(pixels, quality):
    reading = measure_spectrum(saved(pixels, "JPEG", quality=quality))
    assert reading.value is None
    assert reading.reliability == 0
