"""Each reader reads a tiny tree made here in the layout that its benchmark is published in."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from morelli.data_pipeline.images import open_picture
from morelli.data_pipeline.schema import Verdict
from morelli.eval.benchmarks.item import Item, checked
from morelli.eval.benchmarks.manifests import half_of
from morelli.eval.benchmarks.registry import BENCHMARKS, folder_of
from morelli.eval.evaluate import Selection

BOX = (slice(20, 60), slice(30, 80))


def grain(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(len(path.name)).integers(0, 255, (96, 128, 3), np.uint8)
    Image.fromarray(pixels).save(path)


def mask(
    path: Path, inside: tuple[int, ...] = (255,) * 3, outside: tuple[int, ...] = (0,) * 3
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((96, 128, 3), np.uint8) + np.array(outside, np.uint8)
    pixels[BOX] = inside
    Image.fromarray(pixels).save(path)


def misd(root: Path) -> None:
    grain(root / "Au" / "au_ani_1.jpg")
    grain(root / "Sp" / "sp_1.jpg")
    mask(root / "Ground Truth Masks" / "sp_1" / "masks" / "0.png")


def casia1(root: Path) -> None:
    grain(root / "Au" / "Au_ani_0001.jpg")
    for kind, name in (
        ("CM", "Sp_S_NNN_A_ani0031_ani0031_0197"),
        ("Sp", "Sp_D_NNN_A_ani0001_art0002_0003"),
    ):
        grain(root / "Tp" / kind / f"{name}.jpg")
        mask(root / "CASIA 1.0 groundtruth" / kind / f"{name}_gt.png")


def columbia(root: Path) -> None:
    grain(root / "4cam_auth" / "canong3_02_sub_01.tif")
    grain(root / "4cam_splc" / "canong3_canonxt_sub_01.tif")
    edges = root / "4cam_splc" / "edgemask" / "canong3_canonxt_sub_01_edgemask.jpg"
    mask(edges, inside=(0, 200, 0), outside=(200, 0, 0))


def coverage(root: Path) -> None:
    grain(root / "image" / "1.tif")
    grain(root / "image" / "1t.tif")
    mask(root / "mask" / "1forged.tif")
    mask(root / "mask" / "1copy.tif")


def imd2020(root: Path) -> None:
    grain(root / "a1b2" / "a1b2_orig.jpg")
    grain(root / "a1b2" / "c8z_0.png")
    mask(root / "a1b2" / "c8z_0_mask.png")


def nist16(root: Path) -> None:
    grain(root / "probe" / "NC2016_0001.jpg")
    grain(root / "probe" / "NC2016_0002.jpg")
    mask(root / "mask" / "NC2016_0001_gt.png", inside=(0,) * 3, outside=(255,) * 3)
    table = root / "reference" / "manipulation" / "NC2016-manipulation-ref.csv"
    table.parent.mkdir(parents=True)
    table.write_text(
        "TaskID|ProbeFileID|ProbeFileName|ProbeMaskFileName|IsTarget|IsManipulationTypeSplice\n"
        "manipulation|1|probe/NC2016_0001.jpg|mask/NC2016_0001_gt.png|Y|Y\n"
        "manipulation|2|probe/NC2016_0002.jpg||N|N\n"
    )


def autosplice(root: Path) -> None:
    grain(root / "Authentic" / "12.jpg")
    for quality in (75, 100):
        grain(root / f"Forged_JPEG{quality}" / "12_0.jpg")
    mask(root / "Mask" / "12_mask.png")


def sidset(root: Path) -> None:
    for folder in ("real", "full_synthetic", "tampered"):
        grain(root / "validation" / folder / f"{folder}_1.png")
    mask(root / "validation" / "masks" / "tampered_1_mask.png")


def sofake(root: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    (root / "data").mkdir(parents=True)
    grain(root / "a.png")
    mask(root / "m.png")
    cells = [{"bytes": (root / name).read_bytes(), "path": None} for name in ("a.png", "m.png")]
    # As version 2.0; a mask of what is not tampered is left aside
    names = ["real", "tampered", "full_synthetic"]
    rows = [
        {"image": cells[0], "mask": cells[1] if label else None, "label": label,
         "generator": ["", "openai", "imagen3"][label] or None, "source": "reddit",
         "filename": f"{names[label]}_1.png", "split": "test"}
        for label in range(3)
    ]  # fmt: skip
    about = {"info": {"features": {"label": {"_type": "ClassLabel", "names": names}}}}
    table = pyarrow.Table.from_pylist(rows)
    table = table.replace_schema_metadata({"huggingface": json.dumps(about)})
    parquet.write_table(table, root / "data" / "test-00000-of-00001.parquet")


def fakeclue(root: Path) -> None:
    records = []
    for name, label, category in (
        ("ff++/1.png", 0, "deepfake"),
        ("animal/2.png", 0, "animal"),
        ("animal/3.png", 1, "animal"),
        ("doc/4.png", 0, "doc"),
    ):
        grain(root / "test" / name)
        talk = [{"from": "human", "value": "<image>?"}, {"from": "gpt", "value": f"Words {label}"}]
        records.append({"image": name, "label": label, "cate": category, "conversations": talk})
    (root / "data_json").mkdir()
    (root / "data_json" / "test.json").write_text(json.dumps(records))


def synthscars(root: Path) -> None:
    grain(root / "test" / "images" / "a.png")
    outline = [30, 20, 79, 20, 79, 59, 30, 59]
    refs = [{"sentence": "an ear", "segmentation": [outline]}]
    record = {"7": {"img_file_name": "/elsewhere/a.png", "caption": "An odd ear.", "refs": refs}}
    (root / "test" / "annotations").mkdir()
    (root / "test" / "annotations" / "test.json").write_text(json.dumps([record]))


def genimage(root: Path) -> None:
    for generator in ("ADM", "Midjourney"):
        for name in ("ai", "nature"):
            grain(root / generator / "imagenet" / "val" / name / f"{name}_1.png")
            grain(root / generator / "imagenet" / "train" / name / f"{name}_2.png")


def mmtd(root: Path) -> None:
    records = []
    for name, words in (
        ("Au_1", "This image is authentic."),
        ("Sp_2", "The picture has been tampered with."),
    ):
        grain(root / "CASIA1+" / "image" / f"{name}.jpg")
        records.append({"image": f"/elsewhere/CASIA1+/image/{name}.jpg", "outputs": words})
    mask(root / "CASIA1+" / "mask" / "Sp_2_gt.png")
    (root / "mmtd.jsonl").write_text("\n".join(map(json.dumps, records)))


def forgerynet(root: Path) -> None:
    home = root / "Validation"
    lines = ["2/a.png 0 0 0", "2/b.png 1 1 5", "3/c.png 1 2 9"]
    for line in lines:
        grain(home / "image" / "val_perturb_release" / line.split()[0])
    mask(home / "spatial_localize" / "2" / "b.png")
    (home / "image_list.txt").write_text("\n".join(lines) + "\n")


def manifest(root: Path) -> None:
    grain(root / "a.jpg")
    grain(root / "b.jpg")
    mask(root / "b.png")
    (root / "manifest.csv").write_text(
        "path,label,mask_path,source,manipulation\na.jpg,authentic,,mine,\nb.jpg,tampered,b.png,mine,splice\n"
    )


A, T, S = Verdict.AUTHENTIC, Verdict.TAMPERED, Verdict.SYNTHETIC

TREES: dict[str, tuple[Callable[[Path], None], list[Verdict], set[str]]] = {
    "manifest": (manifest, [A, T], {"mine"}),
    "misd": (misd, [A, T], {"misd"}),
    "casia1": (casia1, [A, T, T], {"casia1"}),
    "columbia": (columbia, [A, T], {"columbia"}),
    "coverage": (coverage, [A, T], {"coverage"}),
    "imd2020": (imd2020, [A, T], {"imd2020"}),
    "nist16": (nist16, [T, A], {"nist16"}),
    "autosplice": (autosplice, [A, T, T], {"autosplice", "jpeg_quality 100", "jpeg_quality 75"}),
    "sidset": (sidset, [A, S, T], {"sidset"}),
    "sofake": (sofake, [A, T, S], {"sofake"}),
    "fakeclue": (fakeclue, [T, S, A, S], {"category deepfake", "category animal", "category doc"}),
    "synthscars": (synthscars, [S], {"synthscars"}),
    "genimage": (genimage, [S, S, A, A], {"generator ADM", "generator Midjourney"}),
    "mmtd": (mmtd, [A, T], {"collection CASIA1+"}),
    "forgerynet": (forgerynet, [A, T, T], {"method 0", "method 5", "method 9"}),
}


def read(name: str, root: Path) -> list[Item]:
    return list(checked(BENCHMARKS[name].read(root)))


def made(name: str, root: Path) -> list[Item]:
    TREES[name][0](root)
    return read(name, root)


@pytest.mark.parametrize("name", list(BENCHMARKS))
def test_a_tree_in_the_published_layout_is_read(name: str, tmp_path: Path) -> None:
    items = made(name, tmp_path)
    _, verdicts, sources = TREES[name]
    assert [item.sample.verdict for item in items] == verdicts
    assert {item.sample.source for item in items} == sources


@pytest.mark.parametrize("name", list(BENCHMARKS))
def test_masks_are_true_where_something_was_altered(name: str, tmp_path: Path) -> None:
    wanted = np.zeros((96, 128), bool)
    wanted[BOX] = True
    for item in made(name, tmp_path):
        true = item.true_mask(96, 128)
        altered = item.sample.verdict is Verdict.TAMPERED or name == "synthscars"
        if not altered or name == "fakeclue" or item.sample.source == "method 9":
            assert true is None
        else:
            assert true is not None
            # Columbia's masks are JPEG: their edges are not sharp
            assert (true != wanted).sum() <= (200 if name == "columbia" else 0)


@pytest.mark.parametrize(
    "name", [name for name in BENCHMARKS if name not in ("fakeclue", "genimage", "synthscars")]
)
def test_a_mask_of_another_size_is_refused_with_its_place(name: str, tmp_path: Path) -> None:
    items = made(name, tmp_path)
    tampered = [item for item in items if item.sample.verdict is Verdict.TAMPERED]
    with pytest.raises(ValueError, match="128 x 96 pixels but its picture 100 x 100") as refused:
        tampered[0].true_mask(100, 100)
    assert tampered[0].place in str(refused.value)


def test_reference_words_travel_along(tmp_path: Path) -> None:
    assert [item.sample.answer for item in made("fakeclue", tmp_path / "f")] == [
        "Words 0", "Words 0", "Words 1", "Words 0"]  # fmt: skip
    assert made("synthscars", tmp_path / "s")[0].sample.answer == "An odd ear."


def test_packed_pictures_are_looked_at_where_they_lie(tmp_path: Path) -> None:
    items = made("sofake", tmp_path)
    assert [item.sample.kind for item in items] == [None, "openai", "imagen3"]
    files = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    for item in items:
        assert open_picture(item.sample.image).pixels.shape == (96, 128, 3)
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == files


def test_a_missing_picture_or_mask_is_named(tmp_path: Path) -> None:
    made("nist16", tmp_path)
    (tmp_path / "probe" / "NC2016_0002.jpg").unlink()
    with pytest.raises(ValueError, match=r"picture .*NC2016_0002\.jpg does not exist"):
        read("nist16", tmp_path)
    (tmp_path / "mask" / "NC2016_0001_gt.png").unlink()
    with pytest.raises(ValueError, match=r"NC2016_0001\.jpg: has no mask"):
        read("nist16", tmp_path)


def test_what_a_converter_would_skip_stops_a_benchmark(tmp_path: Path) -> None:
    made("casia1", tmp_path)
    grain(tmp_path / "Tp" / "CM" / "odd name.jpg")
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
    line: str, reason: str, tmp_path: Path
) -> None:
    manifest(tmp_path)
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


def test_unknown_labels_are_named_with_their_record(tmp_path: Path) -> None:
    fakeclue(tmp_path)
    table = tmp_path / "data_json" / "test.json"
    table.write_text(table.read_text().replace('"label": 1', '"label": 2'))
    with pytest.raises(ValueError, match=r"test\.json: entry 2: not as published"):
        read("fakeclue", tmp_path)


@pytest.mark.parametrize("name", ["sidset", "fakeclue", "synthscars"])
def test_pictures_of_another_split_are_no_benchmark(name: str, tmp_path: Path) -> None:
    made(name, tmp_path)
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


def test_several_benchmarks_are_found_by_their_names(tmp_path: Path) -> None:
    casia1(tmp_path / "casia1")
    columbia(tmp_path / "columbia")
    cases = Selection(["casia1", "columbia"], tmp_path).cases()
    assert [case.item.set for case in cases] == ["casia1"] * 3 + ["columbia"] * 2


def test_halves_share_no_picture_and_a_limit_takes_the_same_ones_each_time(tmp_path: Path) -> None:
    rows = ["path,label,mask_path,source,manipulation"]
    for number in range(30):
        grain(tmp_path / f"{number}.jpg")
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
