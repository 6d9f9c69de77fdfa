"""The grid instrument finds regions whose JPEG grid is out of step, and only those."""

import pytest
from made_pictures import REGION, blank, overlap, photograph, resaved, saved

from morelli.data_pipeline.instruments.jpeg_grid import measure_jpeg_grid


def pasted(down: int, across: int):
    """A photograph with a region of a JPEG, moved against its grid."""
    pixels = photograph().copy()
    rows, columns = REGION
    donor = resaved(photograph("astronaut"), 75)
    pixels[REGION] = donor[rows.start - down : rows.stop - down, columns.start - across :][
        :, : columns.stop - columns.start
    ]
    return pixels


@pytest.mark.parametrize(("down", "across"), [(3, 6), (5, 2), (1, 4)])
def test_a_region_with_a_grid_of_its_own_is_found_with_its_offset(down, across):
    reading = measure_jpeg_grid(saved(pasted(down, across)))
    assert reading.anomalous
    assert reading.reliability > 0.5
    assert overlap(reading) > 0.25
    assert reading.details["other_grid"] == [across, down]


def test_it_shows_through_a_last_save_of_high_quality():
    found, clean = (
        measure_jpeg_grid(saved(pixels, "JPEG", quality=97))
        for pixels in (pasted(3, 6), photograph())
    )
    assert found.value > 1.5 * clean.value


@pytest.mark.parametrize("name", ["coffee", "astronaut"])
@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("JPEG", {"quality": 95})])
def test_an_untouched_photograph_is_normal(name, kind, options):
    assert not measure_jpeg_grid(saved(photograph(name), kind, **options)).anomalous


def test_the_grid_of_a_cropped_copy_is_the_pictures_own():
    reading = measure_jpeg_grid(saved(resaved(photograph(), 75)[3:, 6:]))
    assert reading.details["grid"] == [2, 5]
    assert not reading.anomalous


@pytest.mark.parametrize("pixels", [blank(), photograph()])
def test_it_cannot_tell_on_blank_or_badly_saved_pictures(pixels):
    reading = measure_jpeg_grid(saved(pixels, "JPEG", quality=60))
    assert reading.value is None
    assert reading.reliability == 0
