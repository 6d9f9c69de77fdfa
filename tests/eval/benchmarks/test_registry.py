"""Each reader reads a tiny tree made in the layout that its benchmark is published in."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from morelli.data_pipeline.images import open_picture
from morelli.data_pipeline.schema import Verdict
from morelli.eval.benchmarks.item import Item, checked
from morelli.eval.benchmarks.manifests import half_of
from morelli.eval.benchmarks.registry import BENCHMARKS, folder_of
from morelli.eval.evaluate import Selection

Trees = dict[str, tuple[Callable[[Path], None], list[Verdict], set[str]]]

BOX = (slice(20, 60), slice(30, 80))

WITHOUT_MASKS = {"fakeclue", "forensicsbench", "genimage"}


def read(name: str, root: Path) -> list[Item]:
    return list(checked(BENCHMARKS[name].read(root)))


def made(trees: Trees, name: str, root: Path) -> list[Item]:
    trees[name][0](root)
    return read(name, root)


@pytest.mark.parametrize("name", list(BENCHMARKS))
def test_a_tree_in_the_published_layout_is_read(trees: Trees, name: str, tmp_path: Path) -> None:
    items = made(trees, name, tmp_path)
    _, verdicts, sources = trees[name]
    assert [item.sample.verdict for item in items] == verdicts
    assert {item.sample.source for item in items} == sources


@pytest.mark.parametrize("name", list(BENCHMARKS))
def test_masks_are_true_where_something_was_altered(
    trees: Trees, name: str, tmp_path: Path
) -> None:
    wanted = np.zeros((96, 128), bool)
    wanted[BOX] = True
    for item in made(trees, name, tmp_path):
        true = item.true_mask(96, 128)
        altered = item.sample.verdict is Verdict.TAMPERED or name == "synthscars"
        altered |= name == "loki" and item.sample.verdict is Verdict.SYNTHETIC
        if not altered or name in WITHOUT_MASKS or item.sample.source == "method 9":
            assert true is None
        else:
            assert true is not None
            # Columbia's masks are JPEG: their edges are not sharp
            assert (true != wanted).sum() <= (200 if name == "columbia" else 0)


@pytest.mark.parametrize(
    "name", [name for name in BENCHMARKS if name not in {*WITHOUT_MASKS, "synthscars", "loki"}]
)
def test_a_mask_of_another_size_is_refused_with_its_place(
    trees: Trees, name: str, tmp_path: Path
) -> None:
    items = made(trees, name, tmp_path)
    tampered = [item for item in items if item.sample.verdict is Verdict.TAMPERED]
    with pytest.raises(ValueError, match="128 x 96 pixels but its picture 100 x 100") as refused:
        tampered[0].true_mask(100, 100)
    assert tampered[0].place in str(refused.value)


def test_reference_words_travel_along(trees: Trees, tmp_path: Path) -> None:
    assert [item.sample.answer for item in made(trees, "fakeclue", tmp_path / "f")] == [
        "Words 0", "Words 0", "Words 1", "Words 0"]  # fmt: skip
    assert made(trees, "synthscars", tmp_path / "s")[0].sample.answer == "An odd ear."


def test_packed_pictures_are_looked_at_where_they_lie(trees: Trees, tmp_path: Path) -> None:
    items = made(trees, "sofake", tmp_path)
    assert [item.sample.kind for item in items] == [None, "openai", "imagen3"]
    files = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    for item in items:
        assert open_picture(item.sample.image).pixels.shape == (96, 128, 3)
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == files


def test_sid_set_is_read_in_its_parquet_files_too(trees: Trees, tmp_path: Path) -> None:
    trees["sofake"][0](tmp_path)
    parquet = pytest.importorskip("pyarrow.parquet")
    path = next(tmp_path.rglob("*.parquet"))
    # Numbered without names, and of a split that the file name tells
    table = parquet.read_table(path).drop_columns(["split"]).replace_schema_metadata(None)
    parquet.write_table(table, path.with_name("validation-00000-of-00001.parquet"))
    path.unlink()
    items = read("sidset", tmp_path)
    assert [item.sample.verdict for item in items] == trees["sidset"][1]
    assert [item.true_mask(96, 128) is not None for item in items] == [False, False, True]


def test_a_missing_picture_or_mask_is_named(trees: Trees, tmp_path: Path) -> None:
    made(trees, "nist16", tmp_path)
    (tmp_path / "probe" / "NC2016_0002.jpg").unlink()
    with pytest.raises(ValueError, match=r"picture .*NC2016_0002\.jpg does not exist"):
        read("nist16", tmp_path)
    (tmp_path / "mask" / "NC2016_0001_gt.png").unlink()
    with pytest.raises(ValueError, match=r"NC2016_0001\.jpg: has no mask"):
        read("nist16", tmp_path)


def test_what_a_converter_would_skip_stops_a_benchmark(
    trees: Trees, write_grain: Callable[[Path], None], tmp_path: Path
) -> None:
    made(trees, "casia1", tmp_path)
    write_grain(tmp_path / "Tp" / "CM" / "odd name.jpg")
    with pytest.raises(ValueError, match=r"odd name\.jpg"):
        read("casia1", tmp_path)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("b.jpg,tampered,b.png,mine,splice", r"csv:4: b\.jpg is there twice"),
        ("c.jpg,authentic,,mine,", r"csv:4: picture .*c\.jpg does not exist"),
        ("a.jpg,doubtful,,mine,", r"csv:4: .*doubtful"),
        ("a.jpg,inconclusive,,mine,", r"csv:4: .*inconclusive"),
    ],
)
def test_a_broken_row_of_a_manifest_is_named_with_its_line(
    trees: Trees, line: str, reason: str, tmp_path: Path
) -> None:
    trees["manifest"][0](tmp_path)
    with (tmp_path / "manifest.csv").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(ValueError, match=reason):
        read("manifest", tmp_path)


def test_a_missing_column_and_a_broken_line_are_named(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("path,label\na.jpg,authentic\n")
    with pytest.raises(ValueError, match=r"csv:1: lacks the columns mask_path"):
        read("manifest", tmp_path)
    (tmp_path / "manifest.csv").unlink()
    (tmp_path / "manifest.jsonl").write_text('{"id": "1"}\n')
    with pytest.raises(ValueError, match=r"jsonl:1: lacks 'image'"):
        read("manifest", tmp_path)


def test_unknown_labels_are_named_with_their_record(trees: Trees, tmp_path: Path) -> None:
    trees["fakeclue"][0](tmp_path)
    table = tmp_path / "data_json" / "test.json"
    table.write_text(table.read_text().replace('"label": 1', '"label": 2'))
    with pytest.raises(ValueError, match=r"test\.json: entry 2: not as published"):
        read("fakeclue", tmp_path)


@pytest.mark.parametrize("name", ["sidset", "fakeclue", "synthscars"])
def test_pictures_of_another_split_are_no_benchmark(
    trees: Trees, name: str, tmp_path: Path
) -> None:
    made(trees, name, tmp_path)
    for path in sorted(tmp_path.rglob("*"), reverse=True):
        if path.stem in ("validation", "test"):
            path.rename(path.with_name(f"train{path.suffix}"))
    with pytest.raises(ValueError, match="holds nothing of the split"):
        read(name, tmp_path)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    for name in ("casia1", "misd", "genimage", "manifest"):
        with pytest.raises(ValueError, match=str(tmp_path)):
            read(name, tmp_path)
    with pytest.raises(ValueError, match="casia1"):
        folder_of("casia1", tmp_path / "gone", alone=True)
    assert folder_of("casia1", tmp_path, alone=True) == tmp_path


def test_several_benchmarks_are_found_by_their_names(trees: Trees, tmp_path: Path) -> None:
    trees["casia1"][0](tmp_path / "casia1")
    trees["columbia"][0](tmp_path / "columbia")
    cases = Selection(["casia1", "columbia"], tmp_path).cases()
    assert [case.item.set for case in cases] == ["casia1"] * 3 + ["columbia"] * 2


def test_halves_share_no_picture_and_a_limit_takes_the_same_ones_each_time(
    write_grain: Callable[[Path], None], tmp_path: Path
) -> None:
    rows = ["path,label,mask_path,source,manipulation"]
    for number in range(30):
        write_grain(tmp_path / f"{number}.jpg")
        rows.append(f"{number}.jpg,authentic,,{'even' if number % 2 == 0 else 'odd'},")
    (tmp_path / "manifest.csv").write_text("\n".join(rows) + "\n")

    def ids(**choice: object) -> set[str]:
        return {case.key[1] for case in Selection(["manifest"], tmp_path, **choice).cases()}  # type: ignore[arg-type]

    assert ids(half="dev") | ids(half="test") == ids()
    assert not ids(half="dev") & ids(half="test")
    assert len(ids(limit=4)) == 8
    assert ids(limit=4) <= ids(limit=6)
    assert len(ids(sources=["odd"])) == 15
    with pytest.raises(ValueError, match="no picture of source absent"):
        ids(sources=["absent"])


def test_halves_are_about_equal() -> None:
    drawn = [half_of(f"misd/{number}.jpg") for number in range(400)]
    assert 140 < drawn.count("dev") < 260
