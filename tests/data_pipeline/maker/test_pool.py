import csv
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image
from PIL.ExifTags import IFD, Base

from morelli.data_pipeline.maker.pool import Pool, Source, part_of

COLUMNS = [
    "path", "source", "camera", "label", "generator", "width", "height", "processing", "software",
]  # fmt: skip


def _manifest(folder: Path, rows: list[dict[str, str]]) -> Path:
    folder.mkdir()
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        writer.writerows({"width": "400", "height": "300", **row} for row in rows)
    return folder


def _folders(tmp_path: Path) -> tuple[Path, Path]:
    cameras = [
        {"path": f"camera_native_crops/{n}.jpg", "camera": f"Maker {n % 40}"} for n in range(120)
    ]
    loose = [{"path": f"walls/{n}.jpg", "source": f"package {n % 20}"} for n in range(60)]
    photos = _manifest(tmp_path / "photos", cameras + loose)
    generated = _manifest(
        tmp_path / "generated",
        [
            {"path": f"a/{n}.png", "source": f"site {n % 30}", "label": label, "generator": name}
            for n, (label, name) in enumerate(
                [("synthetic", "StyleGAN"), ("real", "none"), ("synthetic", "GHOST (face swap)")]
                * 30
            )
        ],
    )
    return photos, generated


def test_no_camera_or_source_is_in_both_parts_and_nothing_is_lost(tmp_path: Path) -> None:
    photos, generated = _folders(tmp_path)
    train = Pool.from_folders(photos, generated, "train")
    validation = Pool.from_folders(photos, generated, "validation")
    for left, right in (
        (train.photographs, validation.photographs),
        (train.generated, validation.generated),
    ):
        assert not {one.key for one in left} & {one.key for one in right}
    assert len(train.photographs) + len(validation.photographs) == 120 + 60 + 30
    assert len(train.generated) + len(validation.generated) == 30


def test_real_rows_are_photographs_and_edits_of_photographs_are_left_out(tmp_path: Path) -> None:
    photos, generated = _folders(tmp_path)
    pools = [Pool.from_folders(photos, generated, part) for part in ("train", "validation")]
    hosts = {one.name for pool in pools for one in pool.photographs}
    made = {one.name for pool in pools for one in pool.generated}
    assert "generated/a/1.png" in hosts
    assert "generated/a/0.png" in made
    assert not {"generated/a/2.png"} & (hosts | made)


def test_a_file_is_native_if_its_camera_noted_its_size_and_nobody_edited_it(tmp_path: Path) -> None:
    rows = []
    for name, size, noted, more in (
        ("as written", (640, 480), (640, 480), {}),
        ("shrunk", (640, 480), (1280, 960), {}),
        ("shrunk and noted", (600, 391), (600, 391), {}),
        ("edited", (640, 480), (640, 480), {"software": "Adobe Photoshop 7.0"}),
        ("resized here", (640, 480), (640, 480), {"processing": "resized q95"}),
        ("no camera", (640, 480), (640, 480), {"camera": "", "source": "Maker"}),
    ):
        row = {"path": f"{name}.jpg", "camera": "Maker", "processing": "original bytes", **more}
        rows.append(row | {"width": str(size[0]), "height": str(size[1])})
        exif = Image.Exif()
        exif.get_ifd(IFD.Exif).update(
            {Base.ExifImageWidth: noted[0], Base.ExifImageHeight: noted[1]}
        )
        (tmp_path / "made").mkdir(exist_ok=True)
        Image.new("RGB", size).save(tmp_path / "made" / f"{name}.jpg", exif=exif)
    rows.append({"path": "gone.jpg", "camera": "Maker", "processing": "original bytes"})
    photos = _manifest(tmp_path / "photos", rows)
    for path in (tmp_path / "made").iterdir():
        path.rename(photos / path.name)
    pool = Pool.from_folders(photos, None, part_of("maker"))
    assert [one.path.stem for one in pool.photographs if one.native] == ["as written"]


def test_about_a_seventh_of_all_keys_is_for_validation() -> None:
    share = np.mean([part_of(f"camera {n}") == "validation" for n in range(2000)])
    assert 0.12 < share < 0.18


def test_a_pool_without_photographs_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one photograph"):
        Pool([], [])


def test_the_cache_stays_within_its_bound_and_gives_the_same_pixels(tmp_path: Path) -> None:
    sources = []
    for name in ("coffee", "chelsea", "rocket"):
        Image.fromarray(getattr(skimage.data, name)()).save(tmp_path / f"{name}.png")
        sources.append(Source(tmp_path / f"{name}.png", name, name, 300, 1.0))
    pool = Pool(sources, [], cache_bytes=900_000)
    first = pool.read(sources[0]).copy()
    for source in sources:
        pool.read(source)
    assert len(pool._decoded) == 1
    assert np.array_equal(pool.read(sources[0]), first)
    assert np.array_equal(first, skimage.data.coffee())


def test_a_picture_above_twelve_megapixels_is_cropped_and_not_scaled(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (3200, 4800, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "large.bmp")
    source = Source(tmp_path / "large.bmp", "large", "large", 3200, 1.0)
    read = Pool([source], []).read(source)
    assert read.shape[0] * read.shape[1] <= 12_000_000
    top, left = (3200 - read.shape[0]) // 32 * 16, (4800 - read.shape[1]) // 32 * 16
    assert np.array_equal(read, pixels[top : top + read.shape[0], left : left + read.shape[1]])


def test_a_file_that_is_no_image_is_named(tmp_path: Path) -> None:
    path = tmp_path / "note.jpg"
    path.write_text("not an image")
    source = Source(path, "note", "note", 300, 1.0)
    with pytest.raises(OSError, match=r"note\.jpg"):
        Pool([source], []).read(source)


def test_an_object_is_cut_out_alike_every_time(tmp_path: Path) -> None:
    Image.fromarray(skimage.data.coffee()).save(tmp_path / "coffee.png")
    source = Source(tmp_path / "coffee.png", "coffee", "coffee", 400, 1.0)
    one, other = Pool([source], []), Pool([source], [])
    other.cutout(source, 1)
    for variant in range(4):
        view, mask = one.cutout(source, variant)
        again, same = other.cutout(source, variant)
        assert np.array_equal(view, again)
        assert np.array_equal(mask, same)
        assert 0.05 < mask.mean() < 0.8
