"""Reads benchmarks of photographs that were edited in places, in the layouts they come in."""

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from morelli.data_pipeline.images import MOST_PIXELS, Limits, open_picture
from morelli.data_pipeline.schema import ForensicSample, Verdict
from morelli.eval.benchmarks.item import (
    Draw,
    Item,
    folder_named,
    item_of,
    mask_beside,
    pictures_in,
)

_NIST_TYPES = {
    "IsManipulationTypeRemoval": "removal",
    "IsManipulationTypeSplice": "splice",
    "IsManipulationTypeCopyClone": "copy_move",
}


def read_misd(root: Path) -> Iterator[Item]:
    """Yield the Multiple Image Splicing Dataset (Kadam et al., 2021): Au, Sp, masks."""
    for image in pictures_in(folder_named(root, "Au", "Authentic", "authentic")):
        yield item_of("misd", root, image, Verdict.AUTHENTIC)
    masks = folder_named(root, "Ground Truth Masks", "Ground Truth", "Masks", "Mask")
    for image in pictures_in(folder_named(root, "Sp", "Spliced", "Forged")):
        mask = mask_beside(masks, image.stem, ".png", "_gt.png", "_mask.png", ".jpg")
        yield item_of("misd", root, image, Verdict.TAMPERED, mask, "splice")


def read_casia1(root: Path) -> Iterator[Item]:
    """Yield CASIA 1.0 (Dong et al., 2013) with the masks that namtpham published."""
    for image in pictures_in(root / "Au"):
        yield item_of("casia1", root, image, Verdict.AUTHENTIC)
    for folder, kind in (("CM", "copy_move"), ("Sp", "splice")):
        masks = root / "CASIA 1.0 groundtruth" / folder
        for image in pictures_in(root / "Tp" / folder):
            mask = mask_beside(masks, image.stem, "_gt.png", ".png")
            yield item_of("casia1", root, image, Verdict.TAMPERED, mask, kind)


def read_columbia(root: Path) -> Iterator[Item]:
    """Yield the Columbia uncompressed splicing set (Hsu and Chang, 2006)."""
    for image in pictures_in(root / "4cam_auth"):
        yield item_of("columbia", root, image, Verdict.AUTHENTIC)
    for image in pictures_in(root / "4cam_splc"):
        mask = root / "4cam_splc" / "edgemask" / f"{image.stem}_edgemask.jpg"
        item = item_of("columbia", root, image, Verdict.TAMPERED, mask, "splice")
        yield replace(item, draw=_green(mask))


def read_coverage(root: Path) -> Iterator[Item]:
    """Yield COVERAGE (Wen et al., 2016): N.tif is authentic, Nt.tif forged, mask/Nforged.tif."""
    for image in pictures_in(root / "image"):
        if image.stem.endswith("t"):
            mask = root / "mask" / f"{image.stem[:-1]}forged.tif"
            yield item_of("coverage", root, image, Verdict.TAMPERED, mask, "copy_move")
        else:
            yield item_of("coverage", root, image, Verdict.AUTHENTIC)


def read_imd2020(root: Path) -> Iterator[Item]:
    """Yield the real-life part of IMD2020 (Novozamsky et al., 2020): a folder an original."""
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        for image in pictures_in(folder):
            if image.stem.endswith("_orig"):
                yield item_of("imd2020", root, image, Verdict.AUTHENTIC)
            elif not image.stem.endswith("_mask"):
                mask = mask_beside(folder, image.stem, "_mask.png")
                yield item_of("imd2020", root, image, Verdict.TAMPERED, mask)


def read_nist16(root: Path) -> Iterator[Item]:
    """Yield NIST Nimble 2016 (NC2016_Test0613) by its manipulation reference, separated by |.

    Its masks are dark where something was altered.

    Raises:
        ValueError: a row lacks a column; the message has file and line.
    """
    table = root / "reference" / "manipulation" / "NC2016-manipulation-ref.csv"
    with table.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file, delimiter="|")
        for row in reader:
            place = f"{table}:{reader.line_num}"
            try:
                yield _nist_item(root, row, place)
            except KeyError as error:
                raise ValueError(f"{place}: lacks {error}") from None


def read_autosplice(root: Path) -> Iterator[Item]:
    """Yield AutoSplice (Jia et al., 2023): Authentic, and Forged_JPEG100, 90 and 75 with Mask."""
    for image in pictures_in(root / "Authentic"):
        yield item_of("autosplice", root, image, Verdict.AUTHENTIC)
    for folder in sorted(root.glob("Forged_JPEG*")):
        for image in pictures_in(folder):
            mask = mask_beside(root / "Mask", image.stem, "_mask.png", ".png")
            yield item_of("autosplice", root, image, Verdict.TAMPERED, mask, "inpaint", folder.name)


def _nist_item(root: Path, row: dict[str, str], place: str) -> Item:
    altered = _flag(row["IsTarget"], place)
    mask = root / row["ProbeMaskFileName"] if altered else None
    kinds = [kind for column, kind in _NIST_TYPES.items() if row.get(column) == "Y"]
    sample = ForensicSample(
        id=row["ProbeFileName"],
        image=root / row["ProbeFileName"],
        verdict=Verdict.TAMPERED if altered else Verdict.AUTHENTIC,
        mask=mask,
        kind=" and ".join(kinds) or None,
        source="nist16",
    )
    return Item("nist16", sample, place, None if mask is None else _dark(mask))


def _flag(text: str, place: str) -> bool:
    if text not in ("Y", "N"):
        raise ValueError(f"{place}: IsTarget must be Y or N, got {text!r}")
    return text == "Y"


def _dark(path: Path) -> Draw:
    """Return what reads a mask in which dark means altered."""
    return lambda height, width: _pixels(path, height, width).max(2) < 128


def _green(path: Path) -> Draw:
    """Return what reads a Columbia edge mask: green is one camera's part, red the other's.

    Which of the two was pasted in is not known; green is what the literature calls altered.
    """

    def draw(height: int, width: int) -> NDArray[np.bool_]:
        pixels = _pixels(path, height, width).astype(np.int16)
        altered: NDArray[np.bool_] = (pixels[..., 1] > 64) & (pixels[..., 1] > pixels[..., 0])
        return altered

    return draw


def _pixels(path: Path, height: int, width: int) -> NDArray[np.uint8]:
    pixels = open_picture(path, Limits(max_pixels=MOST_PIXELS)).pixels
    if pixels.shape[:2] != (height, width):
        raise ValueError(
            f"{path}: mask is {pixels.shape[1]} x {pixels.shape[0]} pixels but its picture"
            f" {width} x {height}; save the mask at the picture's size"
        )
    return pixels
