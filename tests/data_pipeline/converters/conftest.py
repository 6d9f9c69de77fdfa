"""Tiny data sets in their published layouts, for the tests of the converters."""

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


TREES: dict[str, Callable[[Path], Tree]] = {
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
