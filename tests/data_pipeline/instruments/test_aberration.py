"""The aberration instrument finds regions whose colour fringes are not those of the lens."""

import cv2
import numpy as np
import pytest
from made_pictures import REGION, blank, overlap, saved
from skimage import data

from morelli.data_pipeline.instruments.aberration import measure_aberration


def through_a_lens(scale: float):
    """A picture without colours of its own whose red is larger than its green."""
    gray = data.coffee()[..., 1].copy()
    height, width = gray.shape
    about = cv2.getRotationMatrix2D((width / 2, height / 2), 0, scale)
    red = cv2.warpAffine(gray, about, (width, height), flags=cv2.INTER_CUBIC, borderMode=4)
    return np.stack([red, gray, gray], -1)


def test_a_region_with_displaced_red_is_found():
    pixels = through_a_lens(1.001)
    pixels[REGION][..., 0] = np.roll(pixels[..., 0], 2, axis=1)[REGION]
    reading = measure_aberration(saved(pixels))
    assert reading.anomalous
    assert overlap(reading) > 0.3
    # Least squares on gradients fall short of large displacements, and never beyond.
    assert 0.5 < reading.value <= 2


@pytest.mark.parametrize("scale", [1.0, 1.002, 0.998])
def test_the_fringes_of_one_lens_are_normal(scale):
    reading = measure_aberration(saved(through_a_lens(scale)))
    assert not reading.anomalous


@pytest.mark.parametrize("name", ["coffee", "astronaut"])
def test_an_untouched_photograph_is_normal(name):
    assert not measure_aberration(saved(getattr(data, name)(), "JPEG", quality=95)).anomalous


@pytest.mark.parametrize(
    ("pixels", "quality"),
    [(blank(), 95), (data.coffee(), 60), (data.coffee()[..., :1].repeat(3, 2), 95)],
)
def test_it_cannot_tell_without_edges_colours_or_quality(pixels, quality):
    reading = measure_aberration(saved(pixels, "JPEG", quality=quality))
    assert reading.value is None
    assert reading.reliability == 0
