import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray

from morelli.data_pipeline.maker import Pool, make
from morelli.data_pipeline.maker.blending import rest
from morelli.data_pipeline.maker.mattes import matte_path, objects_in, refine
from morelli.data_pipeline.maker.saliency import write_mattes


def _matte(*ellipses: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    """Draw ellipses (x, y, half width, half height) on a matte of 320 x 320."""
    matte = np.zeros((320, 320), np.uint8)
    for x, y, across, down in ellipses:
        cv2.ellipse(matte, (x, y), (across, down), 0, 0, 360, 255, -1)
    return matte


def test_an_object_keeps_its_place_its_size_and_its_cut_border() -> None:
    (found,) = objects_in(_matte((100, 280, 40, 80)))
    assert found.cut == "bottom"
    x0, y0, x1, y1 = (share * 320 for share in found.box)
    # The ellipse reaches from x = 60 to 140 and from y = 200 to the border, plus a margin of 3.
    assert (x0, y0, x1, y1) == pytest.approx((57, 197, 144, 320), abs=1)
    assert found.view(np.zeros((640, 1280, 3), np.uint8)).shape == (246, 348, 3)


@pytest.mark.parametrize(
    "matte",
    [
        _matte(),
        _matte((160, 160, 5, 5)),
        np.full((320, 320), 255, np.uint8),
        _matte((0, 0, 120, 120)),
        cv2.rectangle(np.zeros((320, 320), np.uint8), (60, 60), (250, 250), 255, -1),
        cv2.GaussianBlur(_matte((160, 160, 60, 60)), (0, 0), 40),
    ],
    ids=["empty", "speck", "everything", "cut by two borders", "filled box", "unsure"],
)
def test_what_is_not_like_an_object_is_not_used(matte: NDArray[np.uint8]) -> None:
    assert objects_in(matte) == []


def test_the_largest_of_several_objects_comes_first() -> None:
    sizes = [
        found.box[2] - found.box[0]
        for found in objects_in(_matte((70, 70, 30, 40), (200, 200, 70, 60)))
    ]
    assert len(sizes) == 2
    assert sizes[0] > sizes[1]


def test_a_refined_matte_follows_the_edge_in_the_picture() -> None:
    truth = _matte((160, 160, 90, 70)) > 0
    pixels = np.where(truth[..., None], np.uint8(210), np.uint8(40)) * np.ones((1, 1, 3), np.uint8)
    shifted = np.roll(truth, 3, axis=1).astype(np.float32)
    coarse = cv2.resize(shifted, (64, 64), interpolation=cv2.INTER_AREA)
    plain = cv2.resize(coarse, (320, 320)) >= 0.5
    assert ((refine(coarse, pixels) >= 0.5) != truth).sum() < 0.6 * (plain != truth).sum()


@pytest.mark.parametrize("cut", ["top", "bottom", "left", "right"])
def test_an_object_cut_off_by_a_border_goes_over_the_same_border(cut: str) -> None:
    for seed in range(20):
        top, left = rest(np.random.default_rng(seed), (300, 400, 3), (120, 90), cut)
        reaches = {"top": top <= 0, "bottom": top + 120 >= 300, "left": left <= 0}
        assert {**reaches, "right": left + 90 >= 400}[cut]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photographs")
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "source", "camera", "width", "height"])
        for name in ("astronaut", "coffee", "chelsea", "rocket"):
            cv2.imwrite(str(folder / f"{name}.png"), getattr(skimage.data, name)()[..., ::-1])
            writer.writerow([f"{name}.png", "scikit-image", "", 400, 300])
    return folder


def test_objects_of_mattes_are_pasted_and_make_the_same_picture_again(
    folder: Path, tmp_path: Path
) -> None:
    for name in ("astronaut", "coffee", "chelsea", "rocket"):
        path = matte_path(tmp_path, folder / f"{name}.png")
        cv2.imwrite(str(path), _matte((150, 160, 60, 90)))
    outlines = []
    for seed in range(12):
        pool = Pool.from_folders(folder, None, "train", mattes=tmp_path)
        first, again = make(pool, seed, 160, "composite"), make(pool, seed, 160, "composite")
        assert first.data == again.data
        outlines.append(first.parameters["edit"]["outline"])
    assert outlines.count("matte") > 6


def test_without_mattes_composites_are_made_all_the_same(folder: Path, tmp_path: Path) -> None:
    pool = Pool.from_folders(folder, None, "train", mattes=tmp_path / "none")
    assert make(pool, 1, 160, "composite").parameters["edit"]["outline"] != "matte"


def test_a_missing_network_is_named_with_the_command_that_brings_it(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"u2netp\.onnx: no such file; `morelli pull train`"):
        write_mattes([], tmp_path / "u2netp.onnx", tmp_path / "mattes")
