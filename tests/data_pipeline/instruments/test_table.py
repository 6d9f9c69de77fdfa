"""What holds for every instrument of the table, whatever it measures."""

import json

import cv2
import numpy as np
import pytest
from made_pictures import REGION, blank, photograph, resaved, saved
from PIL import Image

from morelli.data_pipeline.answer import parse, render
from morelli.data_pipeline.instruments import FACTS, INSTRUMENTS, measure
from morelli.data_pipeline.instruments.ranges import expected_range
from morelli.data_pipeline.places import WHOLE
from morelli.data_pipeline.schema import Answer, Claim, Polarity, Status, Verdict
from morelli.data_pipeline.verifier import cannot_tell, verify


def forged():
    pixels = resaved(photograph(), 80).copy()
    pixels[REGION] = photograph("astronaut")[REGION]
    return pixels


PICTURES = {
    "a photograph": saved(photograph(), "JPEG", quality=95),
    "a forgery": saved(forged()),
    "a blank picture": saved(blank()),
    "a strip": saved(np.tile(photograph()[:80], (1, 2, 1))),
}


@pytest.fixture(scope="module", params=PICTURES)
def read(request):
    picture = PICTURES[request.param]
    return picture, measure(picture)


def test_every_reading_is_complete_and_in_the_frame_of_the_image(read):
    picture, readings = read
    assert [reading.instrument for reading in readings] == list(INSTRUMENTS)
    for reading in readings:
        if reading.instrument in FACTS:
            assert not reading.anomalous
        else:
            assert reading.expected == expected_range(reading.instrument)
        assert reading.statement.endswith(".")
        json.dumps(reading.as_json(None), allow_nan=False)
        if reading.map is not None:
            assert reading.map.shape == (picture.height, picture.width)
            assert reading.map.dtype == np.float32
            assert 0 <= reading.map.min() <= reading.map.max() <= 1
        if reading.box is not None:
            assert reading.anomalous
            assert reading.box.x1 <= picture.width
            assert reading.box.y1 <= picture.height


def test_an_anomaly_with_a_map_shows_in_it_and_an_ordinary_reading_has_no_box(read):
    for reading in read[1]:
        if reading.map is None or cannot_tell(reading):
            continue
        if reading.anomalous:
            assert (reading.map >= reading.map_threshold).any()
        else:
            assert reading.box is None


def test_the_verifier_confirms_what_each_instrument_reads_and_contradicts_its_opposite(read):
    picture, readings = read
    by_name = {reading.instrument: reading for reading in readings}
    for reading in readings:
        for polarity in Polarity:
            claim = Claim(reading.instrument, polarity, WHOLE, "This is what was read.")
            answer = Answer(Verdict.AUTHENTIC, (claim,))
            assert parse(render(answer), set(by_name)) == answer
            status, _ = verify(claim, by_name, picture.height, picture.width)
            true = reading.anomalous == (polarity is Polarity.ANOMALOUS)
            told = Status.CONFIRMED if true else Status.CONTRADICTED
            assert status is (Status.UNVERIFIED if cannot_tell(reading) else told)


def test_only_the_named_instruments_are_read():
    readings = measure(PICTURES["a blank picture"], ("spectrum", "noise"))
    assert [reading.instrument for reading in readings] == ["noise", "spectrum"]


def test_the_same_bytes_give_the_same_readings_with_any_number_of_threads():
    threads = cv2.getNumThreads()
    read_by = []
    for count in (1, 4):
        cv2.setNumThreads(count)
        read_by.append(measure(PICTURES["a forgery"]))
    cv2.setNumThreads(threads)
    for one, other in zip(*read_by, strict=True):
        assert one.value == other.value
        assert one.statement == other.statement
        if one.map is not None:
            assert np.array_equal(one.map, other.map)


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("name", ["error-level", "sharpness", "aberration", "resampling"])
def test_maps_follow_the_orientation_that_exif_states(name, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = photograph()[:352, :512]
    turned = saved(stored, "JPEG", quality=97, exif=exif)
    plain = saved(stored, "JPEG", quality=97)
    (expected,), (found,) = measure(plain, (name,)), measure(turned, (name,))
    assert found.value == expected.value
    assert np.array_equal(found.map, turned.upright(expected.map))
