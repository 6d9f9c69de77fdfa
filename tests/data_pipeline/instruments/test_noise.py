"""The noise instrument finds regions whose noise is not that of the picture, and only those."""

from io import BytesIO

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage import data

from morelli.data_pipeline.images import Picture, picture_from_bytes
from morelli.data_pipeline.instruments.noise import measure_noise

REGION = np.s_[128:256, 192:352]


def saved(pixels, kind="PNG", **options) -> Picture:
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, kind, **options)
    return picture_from_bytes(stream.getvalue(), f"made.{kind.lower()}")


def noisy(outside: float, inside: float) -> Picture:
    """A smooth picture whose noise has one standard deviation in REGION, another outside."""
    height, width = 384, 512
    rows, columns = np.mgrid[:height, :width]
    light = 120 + 40 * np.sin(columns / 90) * np.cos(rows / 70)
    sigma = np.full((height, width), outside)
    sigma[REGION] = inside
    grey = light + sigma * np.random.default_rng(3).standard_normal((height, width))
    return saved(np.clip(np.rint(grey), 0, 255).astype(np.uint8)[..., None].repeat(3, 2))


@pytest.mark.parametrize(("inside", "direction"), [(6.0, "more"), (0.67, "less")])
def test_a_region_with_another_noise_level_is_found_with_its_ratio(inside, direction):
    reading = measure_noise(noisy(2.0, inside))
    assert reading.anomalous
    assert reading.details["direction"] == direction
    assert reading.value == pytest.approx(max(inside / 2, 2 / inside), rel=0.3)
    assert reading.map is not None
    assert reading.map[REGION].mean() > 0.5
    outside = np.ones(reading.map.shape, bool)
    outside[96:288, 160:384] = False
    assert reading.map[outside].max() < reading.map_threshold


def test_the_box_lies_around_the_region():
    box = measure_noise(noisy(2.0, 6.0)).box
    assert box is not None
    assert np.abs(np.array(box.as_list()) - [192, 128, 352, 256]).max() <= 48


def test_noise_that_is_the_same_everywhere_is_normal():
    reading = measure_noise(noisy(2.0, 2.0))
    assert not reading.anomalous
    assert reading.reliability > 0.8
    assert reading.details["noise_level"] == pytest.approx(2.0, rel=0.1)


@pytest.mark.parametrize("name", ["astronaut", "coffee"])
def test_an_untouched_photograph_is_normal(name):
    assert not measure_noise(saved(getattr(data, name)(), "JPEG", quality=92)).anomalous


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_picture_without_noise_cannot_be_measured(level):
    reading = measure_noise(saved(np.full((128, 128, 3), level, np.uint8)))
    assert reading.value is None
    assert reading.reliability == 0
    assert reading.map is None


def test_an_anomaly_means_that_a_large_enough_region_of_the_map_is_above_its_threshold():
    for inside in (2.0, 2.6, 3.4, 6.0):
        reading = measure_noise(noisy(2.0, inside))
        assert reading.map is not None
        above = cv2.connectedComponentsWithStats(
            (reading.map >= reading.map_threshold).astype(np.uint8), connectivity=4
        )[2][1:, cv2.CC_STAT_AREA]
        assert reading.anomalous == bool((above >= 24 * 16 * 16).any())


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_the_map_of_a_turned_file_is_that_of_its_upright_pixels(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = saved(data.chelsea(), "JPEG", quality=95, exif=exif)
    upright = saved(turned.pixels)
    assert np.array_equal(measure_noise(turned).map, measure_noise(upright).map)


def test_the_same_bytes_give_the_same_bits_with_any_number_of_threads():
    picture = saved(data.coffee(), "JPEG", quality=90)
    threads = cv2.getNumThreads()
    readings = []
    for count in (1, 4):
        cv2.setNumThreads(count)
        readings.append(measure_noise(picture))
    cv2.setNumThreads(threads)
    assert readings[0].value == readings[1].value
    assert np.array_equal(readings[0].map, readings[1].map)


def test_the_map_has_the_picture_s_size_even_where_blocks_do_not_fit():
    reading = measure_noise(saved(data.chelsea()[:281, :333]))
    assert reading.map is not None
    assert reading.map.shape == (281, 333)
    assert reading.map.dtype == np.float32
