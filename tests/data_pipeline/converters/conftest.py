"""Tiny data sets in their published layouts, for the tests of the converters."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

HEIGHT, WIDTH = 72, 96
"""Of every picture in the trees."""

MASK = np.zeros((HEIGHT, WIDTH), bool)
MASK[20:50, 30:80] = True
"""The altered pixels of every tampered picture in the trees."""


@dataclass(frozen=True)
class Tree:
    """What a tree holds: for each id its verdict, and whether a mask was published with it."""

    verdicts: dict[str, str]
    masked: frozenset[str]
    sources: int
    mask: np.ndarray = field(default_factory=MASK.copy)


def picture(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    Image.fromarray(rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)).save(path)


def mask_file(path: Path, mask: np.ndarray = MASK, inverted: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.where(mask ^ inverted, 255, 0).astype(np.uint8)).save(path)


def casia1(root: Path) -> Tree:
    picture(root / "Au/Au_ani_0001.jpg")
    picture(root / "Tp/Sp/Sp_D_NNN_A_ani0001_art0002_0003.jpg")
    picture(root / "Tp/CM/Sp_S_NRN_A_art0002_art0002_0004.jpg")
    mask_file(root / "CASIA 1.0 groundtruth/Sp/Sp_D_NNN_A_ani0001_art0002_0003_gt.png")
    mask_file(root / "CASIA 1.0 groundtruth/CM/Sp_S_NRN_A_art0002_art0002_0004_gt.png")
    forged = ("Sp_D_NNN_A_ani0001_art0002_0003", "Sp_S_NRN_A_art0002_art0002_0004")
    return Tree(
        {"Au_ani_0001": "authentic", **dict.fromkeys(forged, "tampered")}, frozenset(forged), 2
    )


def casia2(root: Path) -> Tree:
    picture(root / "CASIA2/Au/Au_ani_10171.jpg")
    picture(root / "CASIA2/Tp/Tp_D_NRN_S_N_ani10171_ani00001_12458.tif")
    name = "Tp_D_NRN_S_N_ani10171_ani00001_12458"
    mask_file(root / f"CASIA2/CASIA 2 Groundtruth/{name}_gt.png")
    return Tree({"Au_ani_10171": "authentic", name: "tampered"}, frozenset({name}), 1)


def columbia(root: Path) -> Tree:
    picture(root / "4cam_auth/canong3_02_sub_01.tif")
    picture(root / "4cam_splc/4cam_splc/canong3_canonxt_sub_01.tif")
    colours = np.where(MASK[..., None], (0, 200, 0), (200, 0, 0)).astype(np.uint8)
    edges = root / "4cam_splc/4cam_splc/edgemask"
    edges.mkdir()
    for suffix in ("", "_3"):
        Image.fromarray(colours).save(
            edges / f"canong3_canonxt_sub_01_edgemask{suffix}.jpg", quality=100, subsampling=0
        )
    return Tree(
        {"canong3_02_sub_01": "authentic", "canong3_canonxt_sub_01": "tampered"},
        frozenset({"canong3_canonxt_sub_01"}),
        2,
    )


def coverage(root: Path) -> Tree:
    for name in ("1", "1t", "2"):
        picture(root / f"image/{name}.tif")
    mask_file(root / "mask/1forged.tif")
    mask_file(root / "mask/1copy.tif", ~MASK)
    verdicts = {"1": "authentic", "1t": "tampered", "2": "authentic"}
    return Tree(verdicts, frozenset({"1t"}), 2)


def nist16(root: Path) -> Tree:
    picture(root / "probe/NC2016_0016.jpg")
    picture(root / "probe/NC2016_0017.jpg")
    mask_file(root / "reference/manipulation/mask/NC2016_0016.png", inverted=True)
    (root / "reference/manipulation/NC2016-manipulation-ref.csv").write_text(
        "TaskID|ProbeFileName|ProbeMaskFileName|BaseFileName|IsTarget|IsManipulationTypeSplice\n"
        "manipulation|probe/NC2016_0016.jpg|reference/manipulation/mask/NC2016_0016.png"
        "|world/NC2016_0001.jpg|Y|Y\n"
        "manipulation|probe/NC2016_0017.jpg||world/NC2016_0001.jpg|N|\n"
    )
    verdicts = {"NC2016_0016": "tampered", "NC2016_0017": "authentic"}
    return Tree(verdicts, frozenset({"NC2016_0016"}), 1)


def imd2020(root: Path) -> Tree:
    picture(root / "1a0dq8/1a0dq8_orig.jpg")
    picture(root / "1a0dq8/c8t3zkr_0.png")
    mask_file(root / "1a0dq8/c8t3zkr_0_mask.png")
    verdicts = {"1a0dq8-1a0dq8_orig": "authentic", "1a0dq8-c8t3zkr_0": "tampered"}
    return Tree(verdicts, frozenset({"1a0dq8-c8t3zkr_0"}), 1)


def misd(root: Path) -> Tree:
    picture(root / "Dataset/Au/Au_ani_00001.jpg")
    name = "Sp_D_ani_00001_ani_00002_1"
    picture(root / f"Dataset/Sp/{name}.png")
    for piece, half in (("a", slice(0, 35)), ("b", slice(35, HEIGHT))):
        part = np.zeros_like(MASK)
        part[half] = MASK[half]
        mask_file(root / f"Ground Truth Masks/{name}/masks/{piece}.png", part)
    picture(root / f"Ground Truth Masks/{name}/images/{name}.png")
    return Tree({"Au_ani_00001": "authentic", name: "tampered"}, frozenset({name}), 1)


def autosplice(root: Path) -> Tree:
    picture(root / "Authentic/40574.jpg")
    picture(root / "Forged_JPEG75/40574_0.jpg")
    picture(root / "Forged_JPEG100/40574_0.jpg")
    mask_file(root / "Mask/40574_mask.png")
    forged = frozenset({"40574_0-q75", "40574_0-q100"})
    return Tree({"40574": "authentic", **dict.fromkeys(forged, "tampered")}, forged, 1)


def brgen(root: Path) -> Tree:
    picture(root / "RealImage/coco/000000001.jpg")
    picture(root / "ForgeryImage/coco/stuff/lama/000000001.png")
    picture(root / "ForgeryImage/coco/background/lama/000000001.png")
    mask_file(root / "RegionMask/coco/stuff/000000001.png")
    mask_file(root / "RegionMask/coco/background/000000001_mask.png")
    forged = frozenset({"coco-stuff-lama-000000001", "coco-background-lama-000000001"})
    return Tree({"real-000000001": "authentic", **dict.fromkeys(forged, "tampered")}, forged, 1)


def rtm(root: Path) -> Tree:
    picture(root / "JPEGImages/good_1.jpg")
    picture(root / "JPEGImages/cpmv_2.jpg")
    for name, mask in (("good_1", MASK & False), ("cpmv_2", MASK)):
        (root / "SegmentationClass").mkdir(exist_ok=True)
        Image.fromarray(mask.astype(np.uint8)).save(root / f"SegmentationClass/{name}.png")
    (root / "train.txt").write_text("good_1.jpg\ncpmv_2.jpg\n")
    return Tree({"good_1": "authentic", "cpmv_2": "tampered"}, frozenset({"cpmv_2"}), 2)


def doctamper(root: Path) -> Tree:
    lmdb = pytest.importorskip("lmdb")
    folder = root / "DocTamperV1-FCD"
    folder.mkdir(parents=True)
    picture(root / "page.jpg")
    mask_file(root / "page.png")
    with lmdb.open(str(folder), map_size=2**20) as base, base.begin(write=True) as transaction:
        transaction.put(b"num-samples", b"1")
        transaction.put(b"image-000000000", (root / "page.jpg").read_bytes())
        transaction.put(b"label-000000000", (root / "page.png").read_bytes())
    name = "DocTamperV1-FCD-000000000"
    return Tree({name: "tampered"}, frozenset({name}), 1)


def genimage(root: Path) -> Tree:
    picture(root / "BigGAN/imagenet_ai_biggan/train/ai/1_biggan_00001.png")
    picture(root / "BigGAN/imagenet_ai_biggan/train/nature/n01440764_10026.jpeg")
    picture(root / "Midjourney/imagenet_midjourney/val/nature/n01440764_10026.jpeg")
    verdicts = {
        "BigGAN-train-ai-1_biggan_00001": "synthetic",
        "BigGAN-train-nature-n01440764_10026": "authentic",
        "Midjourney-val-nature-n01440764_10026": "authentic",
    }
    return Tree(verdicts, frozenset(), 2)


def dgm4(root: Path) -> Tree:
    entries = []
    for folder, name, kind, box in (
        ("manipulation/HFGI", "768092-HFGI", "face_attribute&text_swap", [30, 20, 80, 50]),
        ("origin/bbc", "12", "text_swap", []),
        ("origin/bbc", "13", "orig", []),
    ):
        picture(root / f"{folder}/{name}.jpg")
        image = f"DGM4/{folder}/{name}.jpg"
        entries.append({"id": 1, "image": image, "fake_cls": kind, "fake_image_box": box})
    (root / "metadata").mkdir()
    (root / "metadata/train.json").write_text(json.dumps(entries))
    forged = "manipulation-HFGI-768092-HFGI"
    verdicts = {forged: "tampered", "origin-bbc-12": "authentic", "origin-bbc-13": "authentic"}
    return Tree(verdicts, frozenset({forged}), 3)


def forgerynet(root: Path) -> Tree:
    home = root / "Training"
    picture(home / "image/train_release/2/a/1.jpg")
    picture(home / "image/train_release/19/b/1.jpg")
    (home / "spatial_localize/2/a").mkdir(parents=True)
    Image.fromarray(np.where(MASK, 255, 0).astype(np.uint8)).save(
        home / "spatial_localize/2/a/1.jpg", format="PNG"
    )
    (home / "image_list.txt").write_text("2/a/1.jpg 1 1 2\n19/b/1.jpg 0 0 0\n")
    return Tree({"2-a-1": "tampered", "19-b-1": "authentic"}, frozenset({"2-a-1"}), 2)


def _told(image: str, answer: str, **more: object) -> dict[str, object]:
    question = {"from": "human", "value": "<image>\nDoes the image look real or fake?"}
    return {"image": image, "conversations": [question, {"from": "gpt", "value": answer}], **more}


def _write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def fakeclue(root: Path) -> Tree:
    for name in ("ff++/a.png", "animal/b.png", "animal/c.png"):
        picture(root / "train" / name)
    _write(
        root / "data_json/train.json",
        [
            _told("ff++/a.png", "This image is fake.", label=0, cate="deepfake"),
            _told("animal/b.png", "This image is fake.", label=0, cate="animal"),
            _told("animal/c.png", "This image is real.", label=1, cate="animal"),
        ],
    )
    verdicts = {
        "train-ff_-a": "tampered", "train-animal-b": "synthetic", "train-animal-c": "authentic"
    }  # fmt: skip
    return Tree(verdicts, frozenset(), 3)


def mmfr(root: Path) -> Tree:
    picture(root / "diffusiondb/part-000001/a.png")
    picture(root / "laion/00000/b.jpg")
    picture(root / "evaluation_sets/biggan/0_real/c.png")
    picture(root / "evaluation_sets/biggan/1_fake/c.png")
    names = ("diffusiondb/part-000001/a.png", "laion/00000/b.jpg")
    _write(root / "forgery_reasoning_cot.json", [_told(name, "Because ...") for name in names])
    verdicts = {
        "diffusiondb-part-000001-a": "synthetic",
        "laion-00000-b": "authentic",
        "biggan-0_real-c": "authentic",
        "biggan-1_fake-c": "synthetic",
    }
    return Tree(verdicts, frozenset(), 3)


def mmtd(root: Path) -> Tree:
    picture(root / "CASIA1+/image/Sp_D_1.jpg")
    picture(root / "CASIA1+/image/Au_2.jpg")
    mask_file(root / "CASIA1+/mask/Sp_D_1_gt.png")
    far = "/elsewhere/ps/CASIA1+/image"
    lines = [
        {"image": f"{far}/Sp_D_1.jpg", "outputs": "The picture has been tampered with."},
        {"image": f"{far}/Au_2.jpg", "outputs": "This image is authentic."},
    ]
    (root / "mmtd.jsonl").write_text("\n".join(map(json.dumps, lines)))
    forged = "CASIA1_-Sp_D_1"
    return Tree({forged: "tampered", "CASIA1_-Au_2": "authentic"}, frozenset({forged}), 2)


def sidset(root: Path) -> Tree:
    picture(root / "train/real/1.jpg")
    picture(root / "train/full_synthetic/2.jpg")
    picture(root / "train/tampered/3.jpg")
    mask_file(root / "train/masks/3_mask.png")
    _write(root / "tampered_GT.json", {"3.jpg": {"Type": "tampered", "Areas": "the dog"}})
    verdicts = {
        "train-real-1": "authentic",
        "train-full_synthetic-2": "synthetic",
        "train-tampered-3": "tampered",
    }
    return Tree(verdicts, frozenset({"train-tampered-3"}), 3)


def sofake(root: Path) -> Tree:
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    picture(root / "a.png")
    mask_file(root / "m.png")
    cell = {"bytes": (root / "a.png").read_bytes(), "path": None}
    mask = {"bytes": (root / "m.png").read_bytes(), "path": None}
    # Version 2.0: another order of the labels than in 1.0.
    names = ["real", "tampered", "full_synthetic"]
    rows = [
        {"image": cell, "label": number, "mask": mask if number == 1 else None, "filename": name}
        for number, name in enumerate(names)
    ]
    about = {"info": {"features": {"label": {"_type": "ClassLabel", "names": names}}}}
    table = pyarrow.Table.from_pylist(rows).replace_schema_metadata(
        {"huggingface": json.dumps(about)}
    )
    (root / "data").mkdir()
    parquet.write_table(table, root / "data/test-00000-of-00001.parquet")
    words = zip(names, ("authentic", "tampered", "synthetic"), strict=True)
    verdicts = {f"test-00000-of-00001-{name}": verdict for name, verdict in words}
    return Tree(verdicts, frozenset({"test-00000-of-00001-tampered"}), 3)


def synthscars(root: Path) -> Tree:
    picture(root / "test/images/ef.png")
    # Corners of a polygon belong to it, so it reaches one pixel less far than the slices.
    outline = [30, 20, 79, 20, 79, 49, 30, 49]
    ref = {"sentence": "An ear.", "explanation": "Bent.", "segmentation": [outline]}
    about = {"img_file_name": "/far/away/ef.png", "caption": "I have found: ...", "refs": [ref]}
    _write(root / "test/annotations/test.json", [{"1172": about}])
    return Tree({"1172": "synthetic"}, frozenset({"1172"}), 1)


def ddvqa(root: Path) -> Tree:
    picture(root / "frames/4_29829.png")
    picture(root / "frames/5_1.png")
    asked = {"0": {"question": "Does the image look real/fake?", "answer": ["It looks fake."]}}
    _write(root / "total_fake.json", {"4_29829": asked})
    _write(root / "total_real.json", {"5_1": asked})
    return Tree({"4_29829": "tampered", "5_1": "authentic"}, frozenset(), 2)


TREES: dict[str, Callable[[Path], Tree]] = {
    "brgen": brgen,
    "ddvqa": ddvqa,
    "dgm4": dgm4,
    "doctamper": doctamper,
    "fakeclue": fakeclue,
    "forgerynet": forgerynet,
    "genimage": genimage,
    "mmfr": mmfr,
    "mmtd": mmtd,
    "rtm": rtm,
    "sidset": sidset,
    "sofake": sofake,
    "synthscars": synthscars,
    "autosplice": autosplice,
    "casia1": casia1,
    "casia2": casia2,
    "columbia": columbia,
    "coverage": coverage,
    "imd2020": imd2020,
    "misd": misd,
    "nist16": nist16,
}


@dataclass(frozen=True)
class Published:
    """A tree on disk, under the name of its converter."""

    name: str
    root: Path
    tree: Tree


@pytest.fixture(params=TREES)
def published(request: pytest.FixtureRequest, tmp_path: Path) -> Published:
    root = tmp_path / "set"
    return Published(request.param, root, TREES[request.param](root))


@pytest.fixture
def trees() -> dict[str, Callable[[Path], Tree]]:
    return TREES
