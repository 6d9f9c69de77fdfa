"""The resampling instrument finds enlarged regions by their period."""

import cv2
import pytest
from made_pictures import REGION, blank, photograph, region_mask, saved
from skimage import data

from morelli.data_pipeline.instruments.resampling import measure_resampling


def pasted(factor: float):
    """A photograph with a region of another one, enlarged."""
    pixels = data.astronaut().copy()
    rows, columns = (part.stop - part.start for part in REGION)
    donor = data.coffee()[100 : 100 + round(rows / factor), 100 : 100 + round(columns / factor)]
    pixels[REGION] = cv2.resize(donor, (columns, rows), interpolation=cv2.INTER_CUBIC)
    return pixels


def test_an_enlarged_region_is_found_with_its_period():
    reading = measure_resampling(saved(pasted(1.5)))
    assert reading.anomalous
    assert reading.map is not None
    strongest = reading.map == reading.map.max()
    assert (strongest & region_mask(strongest.shape)).sum() > 0.5 * strongest.sum()
    assert reading.details["period_pixels"] == pytest.approx(3.0, rel=0.05)


@pytest.mark.parametrize("factor", [1.25, 1.3])
def test_other_enlargements_stand_out(factor):
    clean = measure_resampling(saved(data.astronaut()))
    assert measure_resampling(saved(pasted(factor))).value > 1.3 * clean.value


@pytest.mark.parametrize("name", ["coffee", "astronaut"])
@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("JPEG", {"quality": 95})])
def test_an_untouched_photograph_is_normal(name, kind, options):
    assert not measure_resampling(saved(getattr(data, name)(), kind, **options)).anomalous


def test_a_picture_enlarged_as_a_whole_is_normal():
    whole = cv2.resize(data.coffee(), None, fx=1.5, fy=1.5, interpolation=cv2.INTER_CUBIC)
    assert measure_resampling(saved(whole)).value < measure_resampling(saved(pasted(1.5))).value


@pytest.mark.parametrize(
    ("pixels", "quality"), [(blank(), 97), (photograph(), 70), (photograph()[:140, :160], 97)]
)
def test_it_cannot_tell_on_blank_small_or_badly_saved_pictures(pixels, quality):
    reading = measure_resampling(saved(pixels, "JPEG", quality=quality))
    assert reading.value is None
    assert reading.reliability == 0
