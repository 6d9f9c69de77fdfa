import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from morelli.data_pipeline.converters import rows
from morelli.data_pipeline.images import ImageError, open_picture, read_mask
from morelli.data_pipeline.maker import Order, Pool, make, write
from morelli.data_pipeline.maker.shards import FORMATS
from morelli.data_pipeline.maker.write import write_samples
from morelli.data_pipeline.manifest import rows_of

SIDE = 96


def _files(folder: Path) -> dict[str, bytes]:
    """Every file of a set by its path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("form", FORMATS)
def test_a_manifest_names_every_picture_and_mask_wherever_they_are_kept(
    form: str, pool: Pool, tmp_path: Path
) -> None:
    written = write_samples(pool, tmp_path, Order(5, 5, SIDE, format=form, batch=2))
    assert (written.count, written.failures) == (5, ())
    found = [row for _, row in rows_of(written.manifest)]
    for seed, row in zip(range(5, 10), found, strict=True):
        made = make(pool, seed, SIDE)
        picture = open_picture(row.sample.image)
        assert picture.data == made.data
        assert row.sample.mask is not None
        assert np.array_equal(read_mask(row.sample.mask, SIDE, SIDE), made.mask)
        assert row.sample.verdict == made.verdict
        assert row.extra["parameters"] == made.parameters


@pytest.mark.parametrize("form", FORMATS)
def test_a_stopped_set_goes_on_and_ends_as_if_it_had_not_been_stopped(
    form: str, pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = Order(0, 6, SIDE, format=form, batch=2)
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    write_samples(pool, whole, order)

    def killed(pool: Pool, seed: int, *rest: object) -> object:
        if seed == 3:
            raise KeyboardInterrupt
        return make(pool, seed, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(write, "make", killed)
    with pytest.raises(KeyboardInterrupt):
        write_samples(pool, stopped, order)
    assert not (stopped / "manifest.jsonl").exists()
    (stopped / "rows" / ".000001.jsonl.77-7.part").write_text("half of a ro")
    made: list[int] = []
    monkeypatch.setattr(
        write, "make", lambda pool, seed, *rest: made.append(seed) or make(pool, seed, *rest)
    )
    write_samples(pool, stopped, order)
    assert made == [2, 3, 4, 5]
    assert _files(stopped) == _files(whole)


def test_any_number_of_workers_makes_the_same_set(pool: Pool, tmp_path: Path) -> None:
    order = Order(0, 5, SIDE, format="webdataset", batch=2)
    write_samples(pool, tmp_path / "one", order)
    told: list[int] = []
    write_samples(pool, tmp_path / "two", order, workers=2, advance=told.append)
    assert sorted(told) == [1, 2, 2]
    assert _files(tmp_path / "two") == _files(tmp_path / "one")


def test_a_folder_that_was_begun_otherwise_is_refused(pool: Pool, tmp_path: Path) -> None:
    write_samples(pool, tmp_path, Order(0, 2, SIDE))
    with pytest.raises(ValueError, match="was begun with count 2, not 3"):
        write_samples(pool, tmp_path, Order(0, 3, SIDE))
    with pytest.raises(ValueError, match="pool"):
        write_samples(Pool(pool.photographs[1:], pool.generated), tmp_path, Order(0, 2, SIDE))


def test_a_picture_that_cannot_be_made_is_named_and_the_rest_is_there(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(pool: Pool, seed: int, *rest: object) -> object:
        if seed == 1:
            raise OSError("rocket.png: cannot be read")
        return make(pool, seed, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(write, "make", broken)
    written = write_samples(pool, tmp_path, Order(0, 3, SIDE, batch=3))
    assert written.failures == ("rocket.png: cannot be read",)
    assert [row.sample.id for _, row in rows_of(written.manifest)] == ["00000000", "00000002"]


def test_an_order_that_cannot_be_fulfilled_is_refused_before_anything_is_written(
    pool: Pool, tmp_path: Path
) -> None:
    for order in (Order(0, 1, kind="collage"), Order(0, 1, format="zip")):
        with pytest.raises(ValueError, match=r"no (such kind|format)"):
            write_samples(pool, tmp_path / "set", order)
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize("form", FORMATS)
def test_copies_are_kept_with_what_they_were_copied_from(
    form: str, pool: Pool, tmp_path: Path
) -> None:
    written = write_samples(pool, tmp_path, Order(0, 2, SIDE, "copy_move", format=form))
    for seed, (_, row) in enumerate(rows_of(written.manifest)):
        made = make(pool, seed, SIDE, "copy_move")
        assert made.origin is not None
        assert not (made.origin & made.mask).any()
        assert row.sample.origin is not None
        assert np.array_equal(read_mask(row.sample.origin, SIDE, SIDE), made.origin)


def test_tar_shards_are_webdatasets_a_key_for_each_picture(pool: Pool, tmp_path: Path) -> None:
    write_samples(pool, tmp_path, Order(0, 2, SIDE, format="webdataset"))
    with tarfile.open(tmp_path / "shards/000000.tar") as archive:
        names = archive.getnames()
        record = json.load(archive.extractfile("00000000.json"))  # type: ignore[arg-type]
    keys = [name.partition(".")[0] for name in names]
    assert keys == ["00000000"] * 3 + ["00000001"] * 3
    assert record["verdict"] == make(pool, 0, SIDE).verdict


def test_parquet_shards_are_read_as_any_other_parquet(pool: Pool, tmp_path: Path) -> None:
    write_samples(pool, tmp_path / "set", Order(0, 3, SIDE, format="parquet"))
    for seed, row in enumerate(rows("parquet", tmp_path / "set/shards", tmp_path / "work")):
        made = make(pool, seed, SIDE)
        assert row.sample.image.read_bytes() == made.data
        assert row.sample.verdict == made.verdict
        assert row.extra["parameters"]["seed"] == seed


def test_a_name_that_a_shard_does_not_hold_is_missing(pool: Pool, tmp_path: Path) -> None:
    write_samples(pool, tmp_path, Order(0, 1, SIDE, format="webdataset"))
    shard = tmp_path / "shards/000000.tar"
    with pytest.raises(ImageError, match="no such file"):
        open_picture(shard / "00000007.jpg")
    shard.write_bytes(shard.read_bytes()[:700])
    with pytest.raises(ImageError, match=r"no whole tar archive|no such file"):
        open_picture(shard / "00000000.json")
