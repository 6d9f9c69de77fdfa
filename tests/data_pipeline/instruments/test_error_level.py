"""The error level instrument finds regions that change otherwise when saved again."""

import pytest
from made_pictures import REGION, blank, overlap, photograph, resaved, saved

from morelli.data_pipeline.instruments.error_level import measure_error_level


def pasted():
    """A photograph of low JPEG quality with a region that was never saved."""
    pixels = resaved(photograph(), 50).copy()
    pixels[REGION] = photograph("astronaut")[REGION]
    return pixels


def test_a_fresh_region_in_a_saved_picture_changes_more():
    reading = measure_error_level(saved(pasted()))
    assert reading.anomalous
    assert "stronger" in reading.statement
    assert overlap(reading) > 0.2


def test_a_saved_region_in_a_fresh_picture_changes_less():
    pixels = photograph().copy()
    pixels[REGION] = resaved(photograph("astronaut"), 50)[REGION]
    reading = measure_error_level(saved(pixels))
    assert reading.anomalous
    assert "weaker" in reading.statement
    assert overlap(reading) > 0.2


@pytest.mark.parametrize("name", ["coffee", "astronaut"])
@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("JPEG", {"quality": 92})])
def test_an_untouched_photograph_is_normal(name, kind, options):
    assert not measure_error_level(saved(photograph(name), kind, **options)).anomalous


@pytest.mark.parametrize(("pixels", "quality"), [(blank(), 95), (photograph(), 40)])
def test_it_cannot_tell_on_smooth_or_badly_saved_pictures(pixels, quality):
    reading = measure_error_level(saved(pixels, "JPEG", quality=quality))
    assert reading.value is None
    assert reading.reliability == 0
