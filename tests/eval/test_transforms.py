from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from morelli.data_pipeline.images import Picture, picture_from_bytes
from morelli.eval.transforms import FAMILIES, Transform

MILDEST = {"jpeg": 95, "webp": 95, "resize": 0.75, "blur": 3, "noise": 3, "screenshot": 150,
           "social": 90, "chain": 2, "crop": 0.75}  # fmt: skip


@pytest.fixture
def picture() -> Picture:
    pixels = np.full((160, 200, 3), 120, np.uint8)
    pixels[100:150, 20:90] = (200, 60, 60)
    pixels[:80] += np.random.default_rng(0).integers(0, 30, (80, 200, 3), np.uint8)
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return picture_from_bytes(stream.getvalue(), "made.png")


@pytest.fixture
def mask() -> np.ndarray:
    made = np.zeros((160, 200), bool)
    made[100:150, 20:90] = True
    return made


@pytest.mark.parametrize("family", list(FAMILIES))
def test_the_mask_stays_on_what_was_altered(
    family: str, picture: Picture, mask: np.ndarray
) -> None:
    strength = max(FAMILIES[family].range[0], MILDEST[family])
    changed, moved = Transform(family, strength).apply(picture, mask)
    assert moved is not None
    assert moved.shape == (changed.height, changed.width)
    red = changed.pixels[..., 0].astype(int) - changed.pixels[..., 1] > 60
    assert (red & moved).sum() / (red | moved).sum() > 0.8


@pytest.mark.parametrize("family", list(FAMILIES))
def test_every_strength_of_the_protocol_works_and_repeats(family: str, picture: Picture) -> None:
    for transform in Transform.read([family]):
        one, nothing = transform.apply(picture, None)
        assert one.data == transform.apply(picture, None)[0].data
        assert nothing is None
        assert Transform.of_name(transform.name) == transform


def test_a_crop_never_loses_the_altered_part(picture: Picture) -> None:
    for corner in ((0, 0), (0, 199), (159, 0), (159, 199), (80, 100)):
        mask = np.zeros((160, 200), bool)
        mask[corner] = True
        moved = Transform("crop", 0.5).apply(picture, mask)[1]
        assert moved is not None
        assert moved.sum() == 1


def test_nothing_gets_smaller_than_what_is_examined(picture: Picture) -> None:
    changed, _ = Transform("resize", 0.1).apply(picture, None)
    assert min(changed.height, changed.width) == 64


@pytest.mark.parametrize("word", ["jpg", "jpeg:0", "jpeg:fine", "blur:nan", "crop:0.2"])
def test_what_is_no_transform_is_refused_by_name(word: str) -> None:
    with pytest.raises(ValueError, match=word.partition(":")[0]):
        Transform.read([word])


def test_names_of_other_versions_are_no_transforms() -> None:
    assert Transform.of_name("as is") is None
    assert Transform.of_name("JPEG") is None
    assert Transform.of_name("JPEG 200") is None
