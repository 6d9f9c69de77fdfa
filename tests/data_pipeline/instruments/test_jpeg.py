"""The JPEG instrument finds regions that lack the picture's earlier save, and only those."""

from io import BytesIO

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage import data

from morelli.data_pipeline.images import Picture, picture_from_bytes
from morelli.data_pipeline.instruments.jpeg import measure_jpeg
from morelli.data_pipeline.instruments.stored import nearest_quality, standard_table

REGION = np.s_[120:264, 200:376]


def encoded(pixels, kind="PNG", **options) -> bytes:
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, kind, **options)
    return stream.getvalue()


def opened(data_: bytes) -> Picture:
    return picture_from_bytes(data_, "made")


def decoded(data_: bytes):
    return np.asarray(Image.open(BytesIO(data_)).convert("RGB"))


def resampled(pixels):
    """Scale a photograph, so that no save that it may have gone through can be read."""
    return cv2.resize(pixels, None, fx=0.9, fy=0.9, interpolation=cv2.INTER_AREA)


def once_saved(quality: int):
    return decoded(encoded(resampled(data.coffee()), "JPEG", quality=quality))


def pasted(quality: int):
    """A photograph saved as JPEG, with a region of another one that never was."""
    pixels = once_saved(quality).copy()
    pixels[REGION] = resampled(data.astronaut())[REGION]
    return pixels


@pytest.mark.parametrize("quality", [1, 30, 50, 75, 88, 95, 100])
def test_tables_are_those_that_the_library_writes(quality):
    image = Image.open(BytesIO(encoded(data.coffee()[:64, :64], "JPEG", quality=quality)))
    table = np.array(image.quantization[0]).reshape(8, 8)
    assert np.array_equal(table, standard_table(quality))
    assert nearest_quality(table) == (quality, True)


def test_a_table_of_no_quality_is_not_called_standard():
    quality, standard = nearest_quality(standard_table(80) + np.eye(8, dtype=np.int64))
    assert not standard
    assert abs(quality - 80) <= 1


def test_the_steps_of_the_earlier_save_are_read_from_a_lossless_copy():
    steps = measure_jpeg(opened(encoded(once_saved(70)))).details["earlier_steps"]
    table = standard_table(70)
    assert len(steps) == 10
    assert all(step == table[row, column] for row, column, step, _ in steps)


@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("JPEG", {"quality": 92})])
def test_a_pasted_region_is_found(kind, options):
    reading = measure_jpeg(opened(encoded(pasted(75), kind, **options)))
    assert reading.anomalous
    assert reading.reliability > 0.5
    assert reading.map is not None
    found = reading.map >= reading.map_threshold
    truth = np.zeros(found.shape, bool)
    truth[REGION] = True
    assert (found & truth).sum() / (found | truth).sum() > 0.6
    assert reading.box is not None
    assert np.abs(np.array(reading.box.as_list()) - [200, 120, 376, 264]).max() <= 32


def test_the_grid_of_a_cropped_lossless_copy_is_found():
    reading = measure_jpeg(opened(encoded(pasted(75)[3:, 6:])))
    assert reading.details["grid"] == [2, 5]
    assert reading.anomalous
    assert reading.map is not None
    assert reading.map[117:261, 194:370].mean() > 3 * reading.map.mean()


@pytest.mark.parametrize(("first", "last"), [(70, 90), (75, 95), (85, 92), (90, 75)])
def test_an_untouched_photograph_saved_twice_is_normal(first, last):
    reading = measure_jpeg(opened(encoded(once_saved(first), "JPEG", quality=last)))
    assert not reading.anomalous


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_picture_without_an_earlier_save_cannot_be_measured(kind):
    reading = measure_jpeg(opened(encoded(resampled(data.coffee()), kind)))
    assert reading.value is None
    assert reading.reliability == 0


def test_a_blank_picture_cannot_be_measured():
    assert measure_jpeg(opened(encoded(np.full((96, 96, 3), 200, np.uint8)))).value is None


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_map_lies_in_the_upright_frame(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = pasted(75)[: 45 * 8]
    picture = opened(encoded(stored, "JPEG", quality=92, exif=exif))
    truth = np.zeros(stored.shape[:2], np.float32)
    truth[REGION] = 1
    reading = measure_jpeg(picture)
    assert reading.map is not None
    assert reading.map.shape == (picture.height, picture.width)
    inside = picture.upright(truth) > 0
    assert reading.map[inside].mean() > 10 * reading.map[~inside].mean()


def test_the_same_bytes_give_the_same_bits_with_any_number_of_threads():
    picture = opened(encoded(pasted(75), "JPEG", quality=92))
    threads = cv2.getNumThreads()
    readings = []
    for count in (1, 4):
        cv2.setNumThreads(count)
        readings.append(measure_jpeg(picture))
    cv2.setNumThreads(threads)
    assert readings[0].value == readings[1].value
    assert np.array_equal(readings[0].map, readings[1].map)
