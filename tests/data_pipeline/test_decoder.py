import re
import resource
import threading
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from morelli.data_pipeline.decoder import Bounds, Decoder
from morelli.data_pipeline.images import ImageError, Limits, Picture, picture_from_bytes
from morelli.data_pipeline.instruments import measure
from morelli.data_pipeline.schema import Measurement

HOSTILE = [str(Path(__file__).with_name("hostile_child.py"))]
SHORT = Bounds(1.0, 0.0, 300_000_000, 0)


def jpeg(height: int = 96, width: int = 128, seed: int = 0) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8)
    return cv2.imencode(".jpg", cv2.GaussianBlur(noise, (0, 0), 2))[1].tobytes()


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    with Decoder(2) as decoder:
        yield decoder


@pytest.fixture(scope="module")
def hostile() -> Iterator[Decoder]:
    with Decoder(1, opening=SHORT, program=HOSTILE) as decoder:
        yield decoder


def refusal(decoder: Decoder, name: str, data: bytes = b"\xff\xd8\xff") -> ImageError:
    with pytest.raises(ImageError) as caught:
        decoder.open(data, name)
    assert str(caught.value).startswith(f"{name}: ")
    assert "\n" not in str(caught.value)
    return caught.value


def assert_alike(left: Any, right: Any) -> None:
    for field in fields(left):
        one, other = getattr(left, field.name), getattr(right, field.name)
        if isinstance(one, np.ndarray):
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other)
        else:
            assert one == other, field.name


def test_a_picture_comes_back_as_it_is_opened_here(decoder: Decoder) -> None:
    data = jpeg()
    for name in ("photo.jpg", "lying.png", "a\udcffb.jpg"):
        assert_alike(decoder.open(data, name), picture_from_bytes(data, name))


def test_measurements_come_back_as_they_are_read_here(decoder: Decoder) -> None:
    picture = decoder.open(jpeg(), "photo.jpg")
    decoder.open(jpeg(seed=1), "other.jpg")
    decoder.open(jpeg(seed=2), "another.jpg")  # by now no child holds the first one
    read = decoder.measure(picture)
    assert [item.instrument for item in read] == [item.instrument for item in measure(picture)]
    for found, expected in zip(read, measure(picture), strict=True):
        assert isinstance(found, Measurement)
        assert_alike(found, expected)


def test_what_the_door_refuses_is_refused_with_its_code_and_words(decoder: Decoder) -> None:
    small = cv2.imencode(".png", np.zeros((10, 10, 3), np.uint8))[1].tobytes()
    for data in (b"", b"no picture", small, jpeg()[:300]):
        with pytest.raises(ImageError) as here:
            picture_from_bytes(data, "x.jpg")
        found = refusal(decoder, "x.jpg", data)
        assert (found.code, found.message) == (here.value.code, here.value.message)
    with pytest.raises(ImageError, match="above the limit of 10"):
        decoder.open(jpeg(), "x.jpg", Limits(max_bytes=10))
    with pytest.raises(ImageError, match="above the limit of 5,000"):
        decoder.open(jpeg(), "x.jpg", Limits(max_pixels=5_000))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("abort.jpg", "ended with SIGABRT"),
        ("sleep.jpg", "took longer than 4 s"),
        ("spin.jpg", "ended with SIGXCPU|took longer than 4 s"),
        ("exit.jpg", "ended with status 0"),
        ("raise.jpg", "AssertionError: a decoder's own check"),
        ("garbage.jpg", "JSONDecodeError"),
    ],
)
def test_a_decoder_that_misbehaves_costs_its_child_and_one_file(
    hostile: Decoder, name: str, reason: str
) -> None:
    error = refusal(hostile, name)
    assert error.code == "decoder_failed"
    assert re.search(reason, error.message)
    assert hostile.open(jpeg(), "good.jpg").width == 128


def test_a_decoder_that_eats_memory_is_stopped_before_the_machine_runs_out(
    hostile: Decoder,
) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    error = refusal(hostile, "memory.jpg")
    assert error.code == "decoder_failed"
    assert "memory" in error.message
    assert hostile.open(jpeg(), "good.jpg").width == 128
    held = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert held - before < 1_500_000  # kilobytes


def test_a_picture_may_be_changed_where_it_has_come_to(decoder: Decoder) -> None:
    picture = decoder.open(jpeg(), "photo.jpg")
    before = picture.pixels.copy()
    picture.pixels[:] = 0
    assert not picture.pixels.any()
    np.testing.assert_array_equal(decoder.open(jpeg(), "photo.jpg").pixels, before)


def test_several_threads_get_each_their_own_picture(decoder: Decoder) -> None:
    found: dict[int, Picture] = {}

    def work(seed: int) -> None:
        for _ in range(3):
            found[seed] = decoder.open(jpeg(64 + seed, seed=seed), f"{seed}.jpg")
            assert decoder.measure(found[seed])

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {seed: picture.height for seed, picture in found.items()} == {
        seed: 64 + seed for seed in range(4)
    }


def test_a_child_that_died_while_idle_is_replaced() -> None:
    with Decoder(1) as decoder:
        decoder.open(jpeg(), "photo.jpg")
        (child,) = decoder._children
        child._process.kill()
        child._process.wait()
        refusal(decoder, "photo.jpg", jpeg())
        assert decoder.open(jpeg(), "photo.jpg").width == 128


def test_the_children_end_with_the_decoder() -> None:
    with Decoder(2) as decoder:
        processes = [child._process for child in decoder._children]
    assert all(process.poll() is not None for process in processes)
