from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from morelli.data_pipeline.images import Picture, picture_from_bytes
from morelli.eval.baselines import BASELINES, error_level, noise_map, recompressed


def picture_of(pixels: np.ndarray, quality: int | None = None) -> Picture:
    stream = BytesIO()
    image = Image.fromarray(pixels)
    if quality is None:
        image.save(stream, "PNG")
    else:
        image.save(stream, "JPEG", quality=quality)
    return picture_from_bytes(stream.getvalue(), "made")


@pytest.fixture
def grainy() -> np.ndarray:
    return np.random.default_rng(0).integers(60, 200, (128, 192, 3), np.uint8)


@pytest.mark.parametrize("name", list(BASELINES))
def test_every_baseline_gives_a_map_of_the_picture_from_0_to_1(
    name: str, grainy: np.ndarray
) -> None:
    heat = BASELINES[name](picture_of(grainy))
    assert heat.shape == (128, 192)
    assert heat.dtype == np.float32
    assert heat.min() >= 0
    assert heat.max() <= 1


def test_what_was_never_compressed_changes_more_than_what_was(grainy: np.ndarray) -> None:
    once = picture_of(grainy, 90).pixels.copy()
    once[32:96, 64:128] = grainy[32:96, 64:128]
    heat = error_level(picture_of(once))
    assert heat[48:80, 80:112].mean() > 2 * heat[:, :48].mean()


def test_a_picture_without_noise_has_an_empty_noise_map() -> None:
    assert not noise_map(picture_of(np.full((128, 128, 3), 255, np.uint8))).any()


def test_saving_again_keeps_the_size_and_changes_the_pixels(grainy: np.ndarray) -> None:
    saved = recompressed(picture_of(grainy), 90)
    assert saved.format == "JPEG"
    assert saved.pixels.shape == grainy.shape
    assert (saved.pixels != grainy).any()
