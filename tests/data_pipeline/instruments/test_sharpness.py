"""The sharpness instrument tells by how much the edges of a region are sharper or softer.

Depth of field makes photographs differ as much as pastes do, so that few exceed its range.
"""

import cv2
import numpy as np
import pytest
from made_pictures import REGION, blank, saved
from skimage import data

from morelli.data_pipeline.instruments.sharpness import measure_sharpness


def drawing(inside: float, outside: float):
    """Random lines, blurred by one standard deviation in REGION and by another outside."""
    rng = np.random.default_rng(0)
    lines = np.full((384, 512), 230, np.uint8)
    for _ in range(260):
        ends = rng.integers(0, (512, 384), (2, 2))
        cv2.line(lines, ends[0].tolist(), ends[1].tolist(), int(rng.integers(20, 200)), 3)
    soft = cv2.GaussianBlur(lines, (0, 0), outside)
    soft[REGION] = cv2.GaussianBlur(lines, (0, 0), inside)[REGION]
    return soft[..., None].repeat(3, 2)


@pytest.mark.parametrize(
    ("inside", "outside", "word"), [(4.0, 0.3, "softer"), (0.3, 4.0, "sharper")]
)
def test_a_region_of_another_sharpness_stands_out_with_its_direction(inside, outside, word):
    reading = measure_sharpness(saved(drawing(inside, outside)))
    assert word in reading.statement
    assert reading.value > 1.3 * measure_sharpness(saved(drawing(1.0, 1.0))).value
    inside_mean = reading.map[REGION].mean()
    assert inside_mean > 3 * reading.map[:96].mean()


def test_even_sharpness_is_normal():
    reading = measure_sharpness(saved(drawing(1.0, 1.0)))
    assert not reading.anomalous
    assert reading.value < 1.2
    assert reading.reliability > 0.8


@pytest.mark.parametrize("name", ["coffee", "astronaut"])
def test_an_untouched_photograph_is_normal(name):
    assert not measure_sharpness(saved(getattr(data, name)(), "JPEG", quality=92)).anomalous


def test_it_cannot_tell_without_edges():
    reading = measure_sharpness(saved(blank()))
    assert reading.value is None
    assert reading.reliability == 0
