"""The ghost instrument finds regions that were saved at another quality, and only those."""

import numpy as np
import pytest
from made_pictures import REGION, blank, photograph, region_mask, resaved, saved
from PIL import Image, JpegPresets

from morelli.data_pipeline.images import turn_upright
from morelli.data_pipeline.instruments.jpeg_ghosts import measure_jpeg_ghosts
from morelli.data_pipeline.instruments.stored import standard_table, writer_of


def pasted(quality: int):
    """A photograph with a region of a JPEG of some quality, on the grid of the picture."""
    pixels = photograph().copy()
    pixels[REGION] = resaved(photograph("astronaut"), quality)[REGION]
    return pixels


@pytest.mark.parametrize("quality", [60, 75])
def test_a_region_saved_before_is_found_with_its_quality(quality):
    reading = measure_jpeg_ghosts(saved(pasted(quality)))
    assert reading.anomalous
    assert reading.reliability > 0.5
    assert abs(reading.details["ghost_quality"] - quality) <= 3
    found = reading.map >= reading.map_threshold
    assert (found & region_mask(found.shape)).sum() == found.sum()


@pytest.mark.parametrize("quality", [60, 75])
def test_it_shows_through_another_save(quality):
    reading = measure_jpeg_ghosts(saved(pasted(quality), "JPEG", quality=95))
    clean = measure_jpeg_ghosts(saved(photograph(), "JPEG", quality=95))
    assert reading.value > 2 * clean.value
    assert reading.map[REGION].mean() > 4 * reading.map.mean()


@pytest.mark.parametrize("name", ["coffee", "astronaut"])
@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("JPEG", {"quality": 92})])
def test_an_untouched_photograph_is_normal(name, kind, options):
    assert not measure_jpeg_ghosts(saved(photograph(name), kind, **options)).anomalous


def test_a_save_that_the_whole_picture_went_through_is_no_ghost():
    once = measure_jpeg_ghosts(saved(pasted(60)))
    twice = measure_jpeg_ghosts(saved(resaved(photograph(), 60)))
    assert twice.value < once.value / 2


@pytest.mark.parametrize(("pixels", "quality"), [(blank(), 90), (photograph(), 50)])
def test_it_cannot_tell_on_smooth_or_badly_saved_pictures(pixels, quality):
    reading = measure_jpeg_ghosts(saved(pixels, "JPEG", quality=quality))
    assert reading.value is None
    assert reading.reliability == 0


def test_a_large_picture_is_read_on_a_lattice_to_the_same_end():
    pixels = np.tile(photograph()[:352, :528], (6, 4, 1))
    large = np.s_[480:1056, 800:1504]
    pixels[large] = resaved(pixels, 60)[large]
    reading = measure_jpeg_ghosts(saved(pixels, "BMP"))
    assert reading.anomalous
    assert reading.map is not None
    assert reading.map.shape == (2112, 2112)
    inside = reading.map[large].mean()
    assert inside > 3 * reading.map.mean()


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_the_map_lies_in_the_upright_frame(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = pasted(60)[:352, :528]
    picture = saved(stored, "JPEG", quality=95, exif=exif)
    reading = measure_jpeg_ghosts(picture)
    truth = np.zeros(stored.shape[:2], np.float32)
    truth[REGION] = 1
    inside = turn_upright(truth, orientation) > 0
    assert reading.map is not None
    assert reading.map.shape == (picture.height, picture.width)
    assert reading.map[inside].mean() > 4 * reading.map[~inside].mean()


def test_tables_are_matched_to_the_software_that_writes_them():
    assert writer_of(standard_table(83)) == "the IJG library at quality 83"
    photoshop = np.array(JpegPresets.presets["web_high"]["quantization"][0]).reshape(8, 8)
    assert "Photoshop (Save for Web, high)" in str(writer_of(photoshop))
    assert writer_of(standard_table(80) + np.eye(8, dtype=np.int64)) is None
