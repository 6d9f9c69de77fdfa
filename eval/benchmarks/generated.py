"""Reads benchmarks of generated pictures, in the layouts they come in."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from morelli.data_pipeline.schema import ForensicSample, Verdict
from morelli.eval.benchmarks.item import Draw, Item, item_of, mask_beside, pictures_in

_TAMPERED_CLUES = frozenset({"deepfake", "doc"})
"""Categories of FakeClue whose fakes alter a photograph or a scan, and do not replace it."""


def read_sid_set(root: Path) -> Iterator[Item]:
    """Yield a split of SID-Set (Huang et al., SIDA, 2025): three classes, masks of the edited."""
    if (root / "validation").is_dir():
        root = root / "validation"
    for folder, verdict in (("real", Verdict.AUTHENTIC), ("full_synthetic", Verdict.SYNTHETIC)):
        for image in pictures_in(root / folder):
            yield item_of("sid-set", root, image, verdict)
    for image in pictures_in(root / "tampered"):
        mask = mask_beside(root / "masks", image.stem, "_mask.png", ".png")
        yield item_of("sid-set", root, image, Verdict.TAMPERED, mask, "inpaint")


def read_fakeclue(root: Path) -> Iterator[Item]:
    """Yield the test split of FakeClue (Wen et al., FakeVLM, 2025): label 1 is real, 0 fake.

    Raises:
        ValueError: a record lacks a field or has another label; the message has its number.
    """
    table = root / "data_json" / "test.json"
    for place, record in _records(table):
        try:
            yield _clue(root, record, place)
        except KeyError as error:
            raise ValueError(f"{place}: lacks {error}") from None


def read_synthscars(root: Path) -> Iterator[Item]:
    """Yield the test split of SynthScars (Kang et al., LEGION, 2025): artefacts as outlines.

    Every picture is generated; the "true mask" is where people saw artefacts.

    Raises:
        ValueError: a record lacks a field; the message has its number.
    """
    if (root / "test").is_dir():
        root = root / "test"
    table = root / "annotations" / "test.json"
    for place, group in _records(table):
        for name, record in group.items():
            try:
                yield _scarred(root, name, record, place)
            except (KeyError, TypeError) as error:
                raise ValueError(f"{place}: {name} lacks {error}") from None


def read_genimage(root: Path) -> Iterator[Item]:
    """Yield the validation part of GenImage (Zhu et al., 2023): GENERATOR/.../val/{ai,nature}.

    Raises:
        ValueError: there is no such folder.
    """
    folders = sorted(path for path in root.rglob("val") if path.is_dir())
    if not folders:
        raise ValueError(f"{root} has no folder GENERATOR/val; see `morelli eval NAME --layout`")
    for folder in folders:
        generator = folder.relative_to(root).parts[0]
        for name, verdict in (("nature", Verdict.AUTHENTIC), ("ai", Verdict.SYNTHETIC)):
            for image in pictures_in(folder / name):
                yield item_of("genimage", root, image, verdict, part=generator)


def _records(table: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the place and the content of each record of a JSON list."""
    try:
        records = json.loads(table.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{table}: {error}") from None
    if not isinstance(records, list):
        raise ValueError(f"{table}: must hold a list of records")
    for number, record in enumerate(records, start=1):
        yield f"{table}: record {number}", record


def _clue(root: Path, record: dict[str, Any], place: str) -> Item:
    label, category = record["label"], record["cate"]
    if label not in (0, 1):
        raise ValueError(f"{place}: label must be 0 (fake) or 1 (real), got {label!r}")
    altered = Verdict.TAMPERED if category in _TAMPERED_CLUES else Verdict.SYNTHETIC
    words = [turn["value"] for turn in record["conversations"] if turn["from"] == "gpt"]
    sample = ForensicSample(
        id=record["image"],
        image=root / "test" / record["image"],
        verdict=Verdict.AUTHENTIC if label == 1 else altered,
        source=category,
        answer=words[0] if words else None,
    )
    return Item("fakeclue", sample, place)


def _scarred(root: Path, name: str, record: dict[str, Any], place: str) -> Item:
    outlines = [outline for one in record["refs"] for outline in one["segmentation"]]
    sample = ForensicSample(
        id=name,
        image=root / "images" / Path(record["img_file_name"]).name,
        verdict=Verdict.SYNTHETIC,
        kind="artefacts",
        source="synthscars",
        answer=record["caption"],
    )
    return replace(Item("synthscars", sample, place), draw=_outlined(outlines))


def _outlined(outlines: list[list[float]]) -> Draw:
    """Return what draws outlines, each [x, y, x, y, ...] in pixels of the picture."""

    def draw(height: int, width: int) -> NDArray[np.bool_]:
        grid = np.zeros((height, width), np.uint8)
        for outline in outlines:
            points = np.rint(np.array(outline, np.float64).reshape(-1, 1, 2)).astype(np.int32)
            cv2.fillPoly(grid, [points], 1)
        return grid.astype(bool)

    return draw
