"""The metadata instrument finds what contradicts itself, and tells nobody where a picture was."""

import json
from io import BytesIO

import pytest
from made_pictures import blank, encoded, photograph, saved
from PIL import ExifTags, Image, JpegPresets, PngImagePlugin

from morelli.data_pipeline.images import picture_from_bytes
from morelli.data_pipeline.instruments.metadata import measure_metadata

XMP = '<x:xmpmeta><rdf:Description tiff:Make="{make}" xmp:CreatorTool="{tool}"/>{more}</x:xmpmeta>'
SOURCE = "<Iptc4xmpExt:DigitalSourceType>http://cv.iptc.org/x/{}</Iptc4xmpExt:DigitalSourceType>"


def exif_of(thumbnail=None, captured="2024:05:01 10:00:00", changed="2024:05:01 10:00:00"):
    """EXIF of a camera; a thumbnail is added by hand, since Pillow writes none."""
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Acme"
    exif[ExifTags.Base.Model] = "One"
    exif[ExifTags.Base.DateTime] = changed
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = captured
    exif.get_ifd(ExifTags.IFD.GPSInfo)[1] = "N"
    exif.get_ifd(ExifTags.IFD.GPSInfo)[2] = (48.0, 51.0, 29.0)
    if thumbnail is None:
        return exif.tobytes()
    stream = BytesIO()
    Image.fromarray(thumbnail).resize((160, 106)).save(stream, "JPEG")
    preview = stream.getvalue()
    block = exif.tobytes()
    body = bytearray(block[6:])
    little = body[:2] == b"II"
    order = "little" if little else "big"
    # The pointer to the next directory follows the entries of the first one.
    first = int.from_bytes(body[4:8], order)
    count = int.from_bytes(body[first : first + 2], order)
    at = first + 2 + 12 * count
    second = len(body)
    body[at : at + 4] = second.to_bytes(4, order)
    data_at = second + 2 + 2 * 12 + 4
    body += (2).to_bytes(2, order)
    for tag, value in ((513, data_at), (514, len(preview))):
        body += tag.to_bytes(2, order) + (4).to_bytes(2, order) + (1).to_bytes(4, order)
        body += value.to_bytes(4, order)
    body += (0).to_bytes(4, order) + preview
    return b"Exif\x00\x00" + bytes(body)


def with_exif(pixels, **options):
    return saved(pixels, "JPEG", quality=92, exif=exif_of(**options))


def test_a_thumbnail_of_another_picture_is_a_sign():
    other = photograph("astronaut")[:360, :540]
    reading = measure_metadata(with_exif(photograph(), thumbnail=other))
    assert reading.anomalous
    assert reading.value == 1
    assert "thumbnail" in reading.statement
    assert reading.reliability > 0.5


def test_a_thumbnail_of_the_same_picture_is_normal():
    reading = measure_metadata(with_exif(photograph(), thumbnail=photograph()))
    assert reading.details["thumbnail_likeness"] > 0.95
    assert not reading.anomalous


def test_the_thumbnail_of_a_cropped_picture_is_not_compared():
    reading = measure_metadata(with_exif(photograph()[:, :300], thumbnail=photograph()))
    assert reading.details["thumbnail_likeness"] is None
    assert not reading.anomalous


def test_a_picture_changed_before_it_was_taken_is_a_sign():
    reading = measure_metadata(with_exif(photograph(), captured="2024:06:01 10:00:00"))
    assert reading.anomalous
    assert "captured after" in reading.statement


def test_the_place_is_never_shown():
    reading = measure_metadata(with_exif(photograph()))
    assert reading.details["position"] == "stated, not shown"
    assert "48" not in json.dumps(reading.details)
    assert not reading.anomalous


@pytest.mark.parametrize("kind", ["trainedAlgorithmicMedia", "compositeSynthetic"])
def test_what_the_file_says_of_its_making_is_a_sign(kind):
    xmp = XMP.format(make="Acme", tool="", more=SOURCE.format(kind)).encode()
    reading = measure_metadata(saved(photograph(), "JPEG", quality=92, xmp=xmp))
    assert reading.anomalous
    assert reading.details["source_type"] == kind


def test_another_camera_in_xmp_is_a_sign_and_an_editor_is_none():
    exif = exif_of()
    for make, signs in (("Other", 1), ("Acme", 0)):
        xmp = XMP.format(make=make, tool="GIMP 2.10", more="").encode()
        reading = measure_metadata(saved(photograph(), "JPEG", quality=92, exif=exif, xmp=xmp))
        assert reading.value == signs
        assert reading.details["editor"] == "gimp"


def test_the_text_of_a_generator_is_a_sign():
    text = PngImagePlugin.PngInfo()
    text.add_text("parameters", "a photograph of a cat, Steps: 20")
    reading = measure_metadata(saved(blank(), pnginfo=text))
    assert reading.anomalous
    assert "Stable Diffusion" in reading.statement
    assert "cat" not in reading.statement


def test_tables_of_photoshop_are_named_but_are_no_sign():
    tables = JpegPresets.presets["high"]["quantization"]
    reading = measure_metadata(saved(photograph(), "JPEG", qtables=tables, exif=exif_of()))
    assert "Photoshop" in reading.details["written_by"]
    assert not reading.anomalous


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_file_without_metadata_tells_nothing(kind):
    reading = measure_metadata(saved(photograph(), kind))
    assert reading.value is None
    assert reading.reliability == 0


@pytest.mark.parametrize("cut", [12, 40, 90, 150])
def test_broken_metadata_is_survived(cut):
    exif = exif_of()
    data = encoded(photograph(), "JPEG", quality=92, exif=exif[:cut] + b"\xff" * (len(exif) - cut))
    assert measure_metadata(picture_from_bytes(data, "broken.jpg")).reliability <= 1
