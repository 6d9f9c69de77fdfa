import pickle
import random
import resource
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
import skimage.data
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile

from morelli.data_pipeline.images import (
    ImageError,
    Limits,
    Picture,
    open_picture,
    picture_from_bytes,
    read_mask,
    write_map,
    write_mask,
)

PHOTO: NDArray[np.uint8] = skimage.data.astronaut()[100:196, 150:278]

STORED_BY = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""How a camera that writes each EXIF orientation has turned the upright picture."""


def encoded(image: Image.Image | NDArray[Any], kind: str, **options: Any) -> bytes:
    """Return the bytes of an image file of one format."""
    buffer = BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    if kind == "HEIF":
        file = pillow_heif.from_pillow(image)
        # HEIF keeps its rotation outside EXIF; the encoder writes it from what stands here.
        file.info["exif"] = options.pop("exif", None)
        file.save(buffer, **options)
    else:
        image.save(buffer, kind, **options)
    return buffer.getvalue()


def opened(image: Image.Image | NDArray[Any], kind: str = "PNG", **options: Any) -> Picture:
    """Send an image through a file of one format and the door."""
    return picture_from_bytes(encoded(image, kind, **options), "some picture")


def refusal(data: bytes, name: str = "some.jpg", **limits: int) -> ImageError:
    """Return the error with which bytes are refused."""
    with pytest.raises(ImageError) as caught:
        picture_from_bytes(data, name, Limits(**limits))
    return caught.value


def chunk(name: bytes, body: bytes) -> bytes:
    """Return one chunk of a PNG file."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def huge_png(side: int) -> bytes:
    """Return a small PNG file that declares a square picture of any size."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + body


def turned(orientation: int, kind: str, **options: Any) -> bytes:
    """Return the photograph as stored by a camera held in one of the eight ways."""
    image = Image.fromarray(PHOTO)
    if orientation != 1:
        image = image.transpose(STORED_BY[orientation])
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return encoded(image, kind, exif=exif.tobytes(), **options)


FILES = {
    "JPEG": encoded(PHOTO, "JPEG"),
    "JPEG progressive": encoded(PHOTO, "JPEG", progressive=True),
    "PNG": encoded(PHOTO, "PNG"),
    "WEBP": encoded(PHOTO, "WEBP"),
    "WEBP lossless": encoded(PHOTO, "WEBP", lossless=True),
    "TIFF": encoded(PHOTO, "TIFF"),
    "BMP": encoded(PHOTO, "BMP"),
    "GIF": encoded(PHOTO, "GIF"),
    "HEIF": encoded(PHOTO, "HEIF", quality=90),
    "AVIF": encoded(PHOTO, "AVIF", quality=90),
}


@pytest.mark.parametrize("kind", FILES)
def test_each_format_on_the_list_opens_near_the_photograph_and_keeps_its_bytes(kind: str) -> None:
    picture = picture_from_bytes(FILES[kind], "photo")
    assert picture.format == kind.split()[0]
    assert (picture.height, picture.width, picture.pixels.dtype) == (96, 128, np.uint8)
    assert np.abs(picture.pixels.astype(int) - PHOTO).mean() < 12
    assert picture.data == FILES[kind]
    assert len(picture.sha256) == 64
    assert picture.pixels.flags.writeable
    assert picture.notes == ()


@pytest.mark.parametrize("kind", FILES)
def test_a_file_cut_anywhere_is_refused_or_opens_to_the_very_same_pixels(kind: str) -> None:
    data = FILES[kind]
    whole = picture_from_bytes(data, "photo").pixels
    for length in range(20, len(data), max(len(data) // 40, 1)):
        try:
            pixels = picture_from_bytes(data[:length], "photo").pixels
        except ImageError:
            continue
        np.testing.assert_array_equal(pixels, whole)


@pytest.mark.parametrize("kind", FILES)
def test_a_file_cut_in_half_is_called_truncated(kind: str) -> None:
    error = refusal(FILES[kind][: len(FILES[kind]) // 2])
    assert error.code == "truncated"
    assert "some.jpg" in str(error)


@pytest.mark.parametrize("kind", FILES)
def test_a_file_cut_in_half_is_refused_where_a_library_made_pillow_patient(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    assert refusal(FILES[kind][: len(FILES[kind]) // 2]).code == "truncated"
    assert ImageFile.LOAD_TRUNCATED_IMAGES


@pytest.mark.parametrize("kind", FILES)
def test_no_damaged_file_raises_anything_but_an_image_error(kind: str) -> None:
    chance = random.Random(kind)
    for _ in range(60):
        data = bytearray(FILES[kind])
        for _ in range(chance.choice((1, 3, 9))):
            data[chance.randrange(chance.choice((32, 300, len(data))))] = chance.randrange(256)
        with suppress(ImageError):
            picture_from_bytes(bytes(data), "photo")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("options", [("PNG", {}), ("TIFF", {}), ("WEBP", {"lossless": True})])
def test_the_eight_orientations_of_one_picture_open_to_equal_pixels(
    orientation: int, options: tuple[str, dict[str, Any]]
) -> None:
    picture = picture_from_bytes(turned(orientation, options[0], **options[1]), "photo")
    np.testing.assert_array_equal(picture.pixels, PHOTO)
    assert picture.orientation == orientation
    assert any("EXIF orientation" in note for note in picture.notes) == (orientation != 1)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_upright_carries_an_array_of_the_stored_frame_onto_the_pixels(orientation: int) -> None:
    stored = PHOTO
    if orientation != 1:
        stored = np.asarray(Image.fromarray(PHOTO).transpose(STORED_BY[orientation]))
    picture = picture_from_bytes(turned(orientation, "PNG"), "photo")
    np.testing.assert_array_equal(picture.upright(stored), picture.pixels)
    np.testing.assert_array_equal(picture.upright(stored[..., 0]), picture.pixels[..., 0])


@pytest.mark.parametrize("kind", ["JPEG", "AVIF", "HEIF"])
def test_lossy_formats_are_turned_once(kind: str) -> None:
    picture = picture_from_bytes(turned(6, kind, quality=95), "photo")
    assert picture.pixels.shape == PHOTO.shape
    assert np.abs(picture.pixels.astype(int) - PHOTO).mean() < 12


@pytest.mark.parametrize("value", [0, 9, 700])
def test_an_undefined_orientation_counts_as_upright(value: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = value
    picture = opened(PHOTO, "PNG", exif=exif)
    assert picture.orientation == 1
    np.testing.assert_array_equal(picture.pixels, PHOTO)


def test_a_picture_with_broken_exif_still_opens_and_says_so() -> None:
    picture = opened(PHOTO, "PNG", exif=b"Exif\0\0 no directory here")
    np.testing.assert_array_equal(picture.pixels, PHOTO)
    assert "EXIF could not be read" in picture.notes


@pytest.mark.parametrize(
    ("kind", "note"),
    [
        ("GIF", "first of several frames"),
        ("TIFF", "first of several frames"),
        ("PNG", "first of 3 frames"),
        ("WEBP", "first of 3 frames"),
        ("MPO", "first of several pictures in one file (MPO)"),
    ],
)
def test_only_the_first_of_several_frames_is_opened_and_the_notes_say_so(
    kind: str, note: str
) -> None:
    later = [Image.fromarray(PHOTO[::-1]), Image.fromarray(PHOTO[:, ::-1])]
    data = encoded(PHOTO, kind, save_all=True, append_images=later)
    picture = picture_from_bytes(data, "photo")
    assert np.abs(picture.pixels.astype(int) - PHOTO).mean() < 12
    assert note in picture.notes
    assert picture.format == ("JPEG" if kind == "MPO" else kind)


@pytest.mark.parametrize(
    "content",
    [
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n",
        b"%PDF-1.7\n1 0 obj\n",
        b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>',
        b"<svg width='100' height='100'></svg>",
        b"8BPS\0\1" + bytes(60),
        b"II*\0\x10\0\0\0CR\2\0" + bytes(60),
        b"\0\0\0\x18ftypisom\0\0\2\0isommp42",
        b"\0\0\0\x0cJXL \r\n\x87\n",
    ],
)
def test_formats_that_run_programs_or_hold_other_things_are_refused_by_content(
    content: bytes,
) -> None:
    assert refusal(content).code == "unsupported_format"


@pytest.mark.parametrize("content", [b"plain text", b"BMW is a car, not a bitmap", b"\0", b"\xff"])
def test_a_text_file_named_jpg_is_no_image(content: bytes) -> None:
    assert refusal(content).code == "not_an_image"


def test_a_raw_file_is_refused_although_its_preview_could_be_opened() -> None:
    preview = {ExifTags.Base.NewSubfileType: 1}
    assert refusal(encoded(PHOTO, "TIFF", tiffinfo=preview)).code == "unsupported_format"


def test_a_name_that_says_another_format_is_a_note() -> None:
    picture = picture_from_bytes(FILES["PNG"] + FILES["JPEG"], "holiday.JPG")
    assert picture.format == "PNG"
    assert picture.notes == ("the name says JPEG, the content is PNG",)


def test_a_forty_thousand_pixel_png_is_refused_without_allocating_it() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    error = refusal(huge_png(40_000), "bomb.png")
    assert error.code == "too_many_pixels"
    assert "--max-pixels" in error.message
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def test_a_compressed_text_chunk_that_swells_is_refused() -> None:
    text = chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(20_000_000)))
    assert refusal(FILES["PNG"][:33] + text + FILES["PNG"][33:]).code == "corrupt"


@pytest.mark.parametrize(("height", "width"), [(63, 640), (640, 63), (1, 1)])
def test_a_side_below_64_pixels_is_too_small(height: int, width: int) -> None:
    data = encoded(np.zeros((height, width, 3), np.uint8), "PNG")
    assert refusal(data).code == "too_small"


def test_a_long_strip_is_fine_as_long_as_both_sides_have_64_pixels() -> None:
    assert opened(np.zeros((64, 9000), np.uint8)).pixels.shape == (64, 9000, 3)


def test_limits_are_met_exactly_and_not_exceeded() -> None:
    data = FILES["PNG"]
    picture_from_bytes(data, "photo", Limits(max_pixels=96 * 128, max_bytes=len(data)))
    assert refusal(data, max_pixels=96 * 128 - 1).code == "too_many_pixels"
    assert refusal(data, max_bytes=len(data) - 1).code == "too_many_bytes"


@pytest.mark.parametrize("pixels", [0, 200_000_001])
def test_a_pixel_limit_that_protects_nothing_is_refused(pixels: int) -> None:
    with pytest.raises(ValueError, match="max_pixels"):
        Limits(max_pixels=pixels)


def test_a_file_is_opened_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(FILES["PNG"])
    picture = open_picture(path)
    assert picture.path == str(path)
    np.testing.assert_array_equal(picture.pixels, PHOTO)


def test_what_is_not_a_readable_file_is_refused_by_its_code(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    with (tmp_path / "large.jpg").open("wb") as sparse:
        sparse.truncate(100_000_001)
    expected = {
        "absent.jpg": "missing",
        "empty.jpg/below.jpg": "missing",
        "nul\0.jpg": "missing",
        "": "not_a_file",
        "empty.jpg": "empty",
        "loop.jpg": "unreadable",
        "large.jpg": "too_many_bytes",
    }
    for name, code in expected.items():
        with pytest.raises(ImageError) as caught:
            open_picture(tmp_path / name)
        assert caught.value.code == code, name


def test_an_error_is_one_line_that_names_the_file_even_if_the_name_has_two() -> None:
    error = refusal(b"text", "two\nlines.jpg")
    assert str(error) == error.message
    assert error.message.startswith(r"'two\nlines.jpg': ")
    assert "\n" not in error.message


def test_an_error_survives_the_way_back_from_a_worker_process() -> None:
    error = refusal(b"text")
    back = pickle.loads(pickle.dumps(error))
    assert (back.code, back.message) == (error.code, error.message)


def test_opening_in_threads_leaks_no_warning_and_leaves_global_state_alone() -> None:
    before = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters))
    known = set(Image.OPEN)
    odd = encoded(Image.fromarray(PHOTO).quantize(), "PNG", transparency=b"\0\7")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda data: picture_from_bytes(data, "p"), [*FILES.values(), odd] * 3))
    after = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters))
    assert after == before
    assert set(Image.OPEN) - known <= {"HEIF"}


def test_a_mask_comes_back_as_it_was_written(tmp_path: Path) -> None:
    mask = np.random.default_rng(0).random((70, 90)) > 0.5
    write_mask(mask, tmp_path / "mask.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png", 70, 90), mask)
    with pytest.raises(ValueError, match="mask is 90 x 70 pixels but its picture 70 x 90"):
        read_mask(tmp_path / "mask.png", 90, 70)


def test_a_map_keeps_its_values_to_half_a_level(tmp_path: Path) -> None:
    heat = np.linspace(-0.1, 1.1, 64 * 64, dtype=np.float32).reshape(64, 64)
    write_map(heat, tmp_path / "map.png")
    levels = np.asarray(Image.open(tmp_path / "map.png"))
    assert levels.dtype == np.uint8
    np.testing.assert_allclose(levels / 255, heat.clip(0, 1), atol=0.5 / 255 + 1e-6)


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mask.png"
    write_mask(np.zeros((64, 64), bool), path)
    whole = path.read_bytes()

    def no_space(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", no_space)
    with pytest.raises(OSError, match="No space"):
        write_mask(np.ones((64, 64), bool), path)
    assert path.read_bytes() == whole
    assert list(tmp_path.iterdir()) == [path]
