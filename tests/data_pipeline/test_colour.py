from io import BytesIO
from typing import Any

import cv2
import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray
from PIL import Image, ImageCms

from morelli.data_pipeline.images import Picture, picture_from_bytes

PHOTO: NDArray[np.uint8] = skimage.data.astronaut()[100:196, 150:278]
GREY: NDArray[np.uint8] = PHOTO[..., 1]


def opened(image: Image.Image | NDArray[Any], kind: str = "PNG", **options: Any) -> Picture:
    """Send an image through a file of one format and the door."""
    buffer = BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(buffer, kind, **options)
    return picture_from_bytes(buffer.getvalue(), "some picture")


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "CMYK", "I;16", "F"])
def test_every_stored_mode_opens_to_what_a_viewer_shows(mode: str) -> None:
    rgb = Image.fromarray(PHOTO)
    shown = rgb.convert("L" if mode in ("LA", "I;16", "F") else mode).convert("RGB")
    stored = rgb.convert("L").convert(mode) if mode == "LA" else rgb.convert(mode.split(";")[0])
    if mode == "I;16":
        stored = Image.fromarray(GREY.astype(np.uint16) << 8)
        shown = Image.fromarray(GREY).convert("RGB")
    if mode == "F":
        stored = Image.fromarray(GREY.astype(np.float32) / 255)
        shown = Image.fromarray(GREY).convert("RGB")
    kind = "TIFF" if mode in ("CMYK", "F") else "PNG"
    np.testing.assert_allclose(opened(stored, kind).pixels, np.asarray(shown), atol=2)


def test_a_lab_tiff_opens_in_the_colours_it_measures() -> None:
    profiles = [ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")]
    transform = ImageCms.buildTransform(*profiles, "RGB", "LAB")
    picture = opened(transform.apply(Image.fromarray(PHOTO)), "TIFF")
    assert np.abs(picture.pixels.astype(int) - PHOTO).mean() < 3


def test_wide_integers_are_spread_over_their_own_range() -> None:
    samples = GREY.astype(np.int32) * 1000 - 50_000
    picture = opened(samples, "TIFF")
    assert (picture.pixels.min(), picture.pixels.max()) == (0, 255)
    assert any("spread over 8 bits" in note for note in picture.notes)


def test_a_cmyk_jpeg_is_not_shown_as_its_negative() -> None:
    picture = opened(Image.fromarray(PHOTO).convert("CMYK"), "JPEG", quality=95)
    assert np.abs(picture.pixels.astype(int) - PHOTO).mean() < 6
    assert "CMYK converted to sRGB without a profile" in picture.notes


@pytest.mark.parametrize("extension", [".png", ".tiff"])
def test_sixteen_bit_colour_keeps_its_high_bytes_and_says_so(extension: str) -> None:
    low_bits = np.random.default_rng(0).integers(0, 256, PHOTO.shape).astype(np.uint16)
    samples = (PHOTO[..., ::-1].astype(np.uint16) << 8) + low_bits
    _, data = cv2.imencode(extension, samples)
    picture = picture_from_bytes(data.tobytes(), "photo")
    np.testing.assert_array_equal(picture.pixels, PHOTO)
    assert "16-bit samples reduced to 8" in picture.notes


def test_transparency_is_laid_on_white_whatever_colour_hides_beneath() -> None:
    alpha = np.full((96, 128, 1), 255, np.uint8)
    alpha[:48] = 0
    picture = opened(np.concatenate([PHOTO, alpha], axis=2))
    assert (picture.pixels[:48] == 255).all()
    np.testing.assert_array_equal(picture.pixels[48:], PHOTO[48:])
    assert "transparency laid on white" in picture.notes


@pytest.mark.parametrize("transparency", [0, b"\x00\xff"])
def test_a_transparent_palette_entry_becomes_white(transparency: int | bytes) -> None:
    stored = Image.fromarray(np.repeat([[0, 1]], 64, 0).repeat(64, 1).astype(np.uint8), "P")
    stored.putpalette([10, 20, 30, 200, 100, 50])
    pixels = opened(stored, "PNG", transparency=transparency).pixels
    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert pixels[0, -1].tolist() == [200, 100, 50]


def test_alpha_that_hides_nothing_changes_nothing_and_needs_no_note() -> None:
    picture = opened(Image.fromarray(PHOTO).convert("RGBA"))
    np.testing.assert_array_equal(picture.pixels, PHOTO)
    assert picture.notes == ()


def srgb_profile() -> bytes:
    """Return the bytes of an sRGB profile."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def test_colours_are_converted_by_their_profile() -> None:
    swapped = srgb_profile().replace(b"rXYZ", b"????").replace(b"bXYZ", b"rXYZ")
    picture = opened(PHOTO, icc_profile=swapped.replace(b"????", b"bXYZ"))
    np.testing.assert_allclose(picture.pixels, PHOTO[..., ::-1], atol=2)
    assert any(note.startswith("colours converted from") for note in picture.notes)


def test_a_picture_that_is_srgb_already_keeps_its_very_samples() -> None:
    picture = opened(PHOTO, icc_profile=srgb_profile())
    np.testing.assert_array_equal(picture.pixels, PHOTO)
    assert picture.notes == ()


def test_a_broken_profile_is_a_note_and_not_a_refusal() -> None:
    picture = opened(PHOTO, icc_profile=b"nonsense" * 40)
    np.testing.assert_array_equal(picture.pixels, PHOTO)
    assert picture.notes == ("the colour profile is broken and was ignored",)


def test_a_profile_of_another_colour_space_is_ignored_with_a_note() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    picture = opened(PHOTO, icc_profile=profile)
    np.testing.assert_array_equal(picture.pixels, PHOTO)
    assert any("does not fit RGB samples" in note for note in picture.notes)
