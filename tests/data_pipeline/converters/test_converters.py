from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from morelli.data_pipeline.converters import (
    CONVERTERS,
    DATA_SETS,
    FORMATS,
    WRITERS,
    LayoutError,
    Skipped,
    items,
    rows,
    samples,
)
from morelli.data_pipeline.images import read_mask
from morelli.data_pipeline.manifest import rows_of, write_rows
from morelli.data_pipeline.schema import Verdict


def test_every_converter_has_a_tree(trees: Any) -> None:
    assert set(trees) == set(DATA_SETS)


def test_a_published_layout_is_read_whole(published: Any, tmp_path: Path) -> None:
    name, tree = published.name, published.tree
    skipped: list[Skipped] = []
    found = list(samples(name, tmp_path / "set", tmp_path / "work", skipped.append))
    assert skipped == []
    assert {sample.id: str(sample.verdict) for sample in found} == tree.verdicts
    assert {sample.id for sample in found if sample.mask} == tree.masked
    assert len({sample.source for sample in found}) == tree.sources
    assert all(sample.source.startswith(f"{name}:") for sample in found)
    assert all(sample.kind is None for sample in found if sample.verdict is Verdict.AUTHENTIC)
    assert all(sample.image.is_file() for sample in found)


def test_masks_say_which_pixels_are_altered(published: Any, tmp_path: Path) -> None:
    name, mask = published.name, published.tree.mask
    for sample in samples(name, tmp_path / "set", tmp_path / "work"):
        if sample.mask:
            stored = read_mask(sample.mask, *mask.shape)
            # Columbia publishes its masks as JPEG.
            assert (stored != mask).mean() <= (0.03 if name == "columbia" else 0.0)
            assert set(np.unique(np.asarray(Image.open(sample.mask)))) <= {0, 255}


def test_coverage_tells_a_copy_from_what_it_was_copied_from(trees: Any, tmp_path: Path) -> None:
    tree = trees["coverage"](tmp_path)
    found = {one.id: one for one in samples("coverage", tmp_path, tmp_path / "work")}
    assert found["1"].origin is None
    assert found["1t"].origin is not None
    assert np.array_equal(read_mask(found["1t"].origin, *tree.mask.shape), ~tree.mask)


def test_a_data_set_survives_the_manifest(published: Any, tmp_path: Path) -> None:
    name = published.name
    before = list(rows(name, tmp_path / "set", tmp_path / "work"))
    assert write_rows(before, tmp_path / "work" / "manifest.jsonl") == len(before)
    after = list(rows_of(tmp_path / "work" / "manifest.jsonl"))
    assert [row for _, row in after] == before
    assert [line for line, _ in after] == list(range(1, len(before) + 1))


@pytest.mark.parametrize("name", CONVERTERS)
def test_another_layout_is_refused_with_what_was_expected_and_found(
    name: str, tmp_path: Path
) -> None:
    (tmp_path / "holiday").mkdir()
    (tmp_path / "notes.txt").write_text("nothing of use")
    with pytest.raises(LayoutError) as caught:
        list(items(name, tmp_path))
    message = str(caught.value)
    assert str(tmp_path) in message
    assert CONVERTERS[name].expected.strip().splitlines()[0] in message
    assert "holiday/" in message
    assert "notes.txt" in message


@pytest.mark.parametrize("name", CONVERTERS)
def test_a_missing_folder_is_said_to_be_missing(name: str, tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match="no such file or folder"):
        list(items(name, tmp_path / "nowhere"))


@pytest.mark.parametrize("name", FORMATS)
def test_a_manifest_survives_each_instruction_format(name: str, trees: Any, tmp_path: Path) -> None:
    trees["fakeclue"](tmp_path / "clue")
    trees["coverage"](tmp_path / "coverage")
    before = [
        *rows("fakeclue", tmp_path / "clue", tmp_path / "work"),
        *rows("coverage", tmp_path / "coverage", tmp_path / "work"),
    ]
    (tmp_path / "out").mkdir()
    written = WRITERS[name](before, tmp_path / "out")
    skipped: list[Skipped] = []
    after = list(rows(name, written, tmp_path / "again", skipped.append))
    assert skipped == []
    for row, again in zip(before, after, strict=True):
        one, two = row.sample, again.sample
        assert (one.id, one.verdict, one.kind, one.source) == (
            two.id, two.verdict, two.kind, two.source
        )  # fmt: skip
        assert one.image.read_bytes() == two.image.read_bytes()
        assert (one.mask is None) == (two.mask is None)
        assert (one.origin is None) == (two.origin is None)
        assert dict(row.extra) == dict(again.extra)
        assert again.conversation[0].text.count("<image>") == 1
        if row.conversation:
            assert again.conversation == row.conversation


def test_llava_files_without_labels_are_labelled_by_their_words(tmp_path: Path) -> None:
    import json

    Image.new("RGB", (80, 80)).save(tmp_path / "a.png")
    answers = {
        "This image is fake. The fur is too smooth.": "synthetic",
        "The picture has been tampered with in the sky.": "tampered",
        "Verdict: authentic<seg>\n": "authentic",
        "I like it.": None,
    }
    entries = [
        {
            "id": str(number),
            "image": "a.png",
            "conversations": [
                {"from": "human", "value": "<image>\nReal?"},
                {"from": "gpt", "value": answer},
            ],
        }
        for number, answer in enumerate(answers)
    ]
    (tmp_path / "mine.json").write_text(json.dumps(entries))
    found = list(items("llava", tmp_path))
    stated = [None if isinstance(one, Skipped) else str(one.verdict) for one in found]
    assert stated == list(answers.values())
    assert "mine.json: entry 3" in str(found[3])


def test_labels_of_so_fake_are_read_by_name_since_releases_number_them_differently(
    trees: Any, tmp_path: Path
) -> None:
    pyarrow = pytest.importorskip("pyarrow.parquet")
    trees["sofake"](tmp_path)
    path = next((tmp_path / "data").glob("*.parquet"))
    pyarrow.write_table(pyarrow.read_table(path).replace_schema_metadata(None), path)
    found = list(items("sofake", tmp_path))
    assert all(isinstance(one, Skipped) and "no name" in one.reason for one in found)


def test_a_mask_of_another_size_and_a_broken_picture_are_skipped_by_name(
    trees: Any, tmp_path: Path
) -> None:
    tree = trees["coverage"](tmp_path)
    Image.fromarray(tree.mask[:-1]).save(tmp_path / "mask/1forged.tif")
    (tmp_path / "image/2.tif").write_bytes(b"no picture")
    skipped: list[Skipped] = []
    found = [sample.id for sample in samples("coverage", tmp_path, tmp_path / "w", skipped.append)]
    assert found == ["1"]
    assert "1t.tif" in skipped[0].where
    assert "96 x 71" in skipped[0].reason
    assert "2.tif" in skipped[1].where


def test_an_unknown_name_is_answered_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="casia1"):
        items("casia3", tmp_path)
