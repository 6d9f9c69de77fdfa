"""Tiny benchmarks in their published layouts, and what their readers have to find in them."""

import base64
import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from morelli.data_pipeline.schema import Verdict

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


def loki(root: Path) -> None:
    """Write two of each kind of question and an explanation, about a real and a generated one."""
    names = [f"media_data/image/{name}.png" for name in ("real", "fake")]
    for name in names:
        grain(root / name)
    sides = {"real": names[0], "fake": names[1]}
    tables: dict[str, list[dict[str, object]]] = {
        "true_or_false": [
            {"image_path": path, "question": "?", "answer": "Yes" if side == ask else "No",
             "metric": "open-ended", "modality": "image-text", "choices": [],
             "question_type": f"image_tf_image_{side}_ask_{ask}_doc", "id": f"doc_tf_{ask}_{side}"}
            for side, path in sides.items() for ask in ("fake", "real")
        ],
        "multi_choice": [
            {"image_path": names, "question": "?", "answer": answer, "metric": "multi-choice",
             "modality": "image-text", "choices": ["The first one.", "The second one."],
             "question_type": f"image_mc_{sought}_doc", "id": f"{sought}_0"}
            for sought, answer in (("real_from_fake", "A"), ("fake_from_real", "B"))
        ],
        "open_ended_vqa": [
            {"image_path": names[1], "question": "?", "metric": "image-model-as-judge",
             "problems": {"global": [{"desc": "All is too smooth."}],
                          "regional": [{"desc": "An odd ear.", "region": [30.4, 20, 49.2, 40]}]}}
        ],
    }  # fmt: skip
    (root / "data_json" / "image").mkdir(parents=True)
    for name, records in tables.items():
        (root / "data_json" / "image" / f"{name}.json").write_text(json.dumps(records))


def forensicsbench(root: Path) -> None:
    """Write five questions about three pictures, and one about a video."""
    root.mkdir(parents=True, exist_ok=True)
    pictures = []
    for name in ("a.png", "ab.png", "abc.png"):
        grain(root / name)
        pictures.append(base64.b64encode((root / name).read_bytes()).decode())
    real, whole, swap = "real_none", "entiresynthesis_diffusion", "faceswaponeface_gan"
    rows = [
        ("0", pictures[0], "Real image", "AI-generated image", "", "", "A", real, "category"),
        ("1", pictures[1], "Real image", "AI-generated image", "", "", "B", whole, "category"),
        ("2", pictures[2], "Real", "Entire synthesis", "Face swap", "Face editing", "C", swap,
         "category"),
        ("3", "2", "[1, 2, 3, 4]", "[5, 6, 7, 8]", "", "", "A", swap, "det"),
        ("4", pictures[2], "Real", "Forged", "", "", "B", swap, "category"),
        ("5", "['x']", "Real", "Fake", "", "", "B", swap, "video"),
    ]  # fmt: skip
    with (root / "ForensicsBench.tsv").open("w", newline="") as file:
        writer = csv.writer(file, delimiter="\t")
        writer.writerow(["index", "image", "A", "B", "C", "D", "answer", "category", "question"])
        for *fields, kind, task in rows:
            where = "video_temporal" if task == "video" else f"visibleimage_{task}"
            writer.writerow([*fields, f"human_{kind}_{where}", "Which one?"])


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
    "loki": (loki, [A, S], {"category doc"}),
    "forensicsbench": (forensicsbench, [A, S, T, T], {"forensicsbench"}),
}


@pytest.fixture
def trees() -> dict[str, tuple[Callable[[Path], None], list[Verdict], set[str]]]:
    """Return for each benchmark what writes it, its labels in order, and its sources."""
    return TREES


@pytest.fixture
def write_grain() -> Callable[[Path], None]:
    """Return what writes a picture."""
    return grain
