import io

import numpy as np
import pytest
import skimage.data
from PIL import Image

from morelli.data_pipeline.maker.history import (
    Step,
    apply_steps,
    decode,
    draw_format,
    draw_jpeg,
    draw_steps,
    draw_way,
    encode,
    size_before,
)


def test_every_drawn_history_leaves_at_least_the_planned_size_and_keeps_the_mask_in_step() -> None:
    for seed in range(60):
        steps = draw_steps(np.random.default_rng(seed))
        height, width = size_before(steps, 97, 130)
        pixels = np.full((height, width, 3), 128, np.uint8)
        done, alpha = apply_steps(pixels, np.ones((height, width), np.float32), steps)
        assert done.shape[0] >= 97
        assert done.shape[1] >= 130
        assert alpha.shape == done.shape[:2]
        assert alpha.min() >= 0.99


def test_a_mask_follows_its_object_through_resizes_and_crops() -> None:
    pixels = np.zeros((200, 240, 3), np.uint8)
    pixels[60:120, 80:160] = 255
    alpha = (pixels[..., 0] > 0).astype(np.float32)
    steps = [
        Step("crop", {"margin": [7, 3, 11, 5]}),
        Step("resize", {"factor": 0.63, "filter": "area"}),
        Step("crop", {"margin": [2, 0, 1, 9]}),
        Step("resize", {"factor": 1.4, "filter": "linear"}),
    ]
    done, moved = apply_steps(pixels, alpha, steps)
    disagree = (done[..., 0] >= 128) != (moved >= 0.5)
    assert disagree.mean() < 0.01


def test_no_step_and_a_png_leave_every_pixel_as_it_was() -> None:
    pixels = skimage.data.coffee()
    done, _ = apply_steps(pixels, np.zeros(pixels.shape[:2], np.float32), [])
    assert np.array_equal(decode(encode(done, Step("PNG", {}))), pixels)


@pytest.mark.parametrize("subsampling", ["4:2:0", "4:4:4"])
def test_a_lower_quality_makes_a_smaller_jpeg(subsampling: str) -> None:
    pixels = skimage.data.chelsea()
    files = [
        encode(pixels, Step("JPEG", {"quality": quality, "subsampling": subsampling}))
        for quality in (50, 75, 95)
    ]
    assert len(files[0]) < len(files[1]) < len(files[2])


def test_formats_are_mostly_jpeg_and_sometimes_the_others() -> None:
    rng = np.random.default_rng(0)
    names = [draw_format(rng).name for _ in range(400)]
    assert names.count("JPEG") > 280
    assert min(names.count("PNG"), names.count("WEBP")) > 10


def test_every_way_leaves_at_least_the_planned_size() -> None:
    for seed in range(60):
        steps, file = draw_way(np.random.default_rng(seed), [])
        height, width = size_before(steps, 97, 130)
        pixels = np.full((height, width, 3), 128, np.uint8)
        done, _ = apply_steps(pixels, np.ones((height, width), np.float32), steps)
        assert min(done.shape[0] - 97, done.shape[1] - 130) >= 0
        assert decode(encode(done, file)).shape == done.shape


def test_tables_of_a_real_file_are_taken_over_as_they_are() -> None:
    tables = (tuple(range(1, 65)), tuple(range(64, 0, -1)))
    drawn = [draw_jpeg(np.random.default_rng(seed), [tables]) for seed in range(40)]
    real = next(parameters for parameters in drawn if "qtables" in parameters)
    data = encode(skimage.data.coffee(), Step("JPEG", real))
    with Image.open(io.BytesIO(data)) as image:
        assert [tuple(image.quantization[number]) for number in (0, 1)] == list(tables)
