"""A fake examiner that calls red boxes tampered and finds them, and pictures made here."""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from morelli.data_pipeline.images import Picture, write_mask
from morelli.data_pipeline.schema import Box, Finding, Measurement, Polarity, Status, Told, Verdict

BOX = (slice(20, 60), slice(30, 80))


@dataclass(frozen=True)
class FakeLook:
    probability: dict[str, float]
    verdict: Verdict
    map: NDArray[np.float32]
    interval: tuple[float, float] = (0.1, 0.95)
    seconds: dict[str, float] = field(default_factory=dict)
    measurements: tuple[Measurement, ...] = ()
    findings: tuple[Finding, ...] = ()
    rationale: str = ""
    withheld: int = 0


class FakeExaminer:
    """Calls red boxes tampered, and finds them."""

    def __init__(self) -> None:
        self.looked: list[str] = []
        self.told: list[Told | None] = []
        self.seen: list[str] = []
        self.explained: list[int] = []

    def see(self, picture: Picture) -> str:
        self.seen.append(picture.path)
        return picture.path

    def look(
        self, picture: Picture, told: Told | None = None, sight: str | None = None
    ) -> FakeLook:
        assert sight in (None, picture.path)
        self.looked.append(picture.path)
        self.told.append(told)
        red = picture.pixels[..., 0].astype(int) - picture.pixels[..., 1] > 60
        chance = 0.9 if red.mean() > 0.05 else 0.2
        probability = {"authentic": 1 - chance, "tampered": chance, "synthetic": 0.0}
        heat = np.where(red, 0.8, 0.1).astype(np.float32)
        verdict = Verdict.TAMPERED if chance > 0.5 else Verdict.AUTHENTIC
        return FakeLook(probability, verdict, heat)

    def explain(self, pictures: Sequence[Picture], looks: Sequence[FakeLook]) -> list[FakeLook]:
        self.explained.append(len(looks))
        return [self.explain_one(*one) for one in zip(pictures, looks, strict=True)]

    def explain_one(self, picture: Picture, look: FakeLook) -> FakeLook:
        polarity, box = Polarity.NORMAL, None
        if look.verdict is Verdict.TAMPERED:
            polarity, box = Polarity.ANOMALOUS, Box(0, 0, 42, 32)
        finding = Finding(
            "F1", "noise", polarity, "upper left", box, "The grain differs.", 2.0, (0.0, 1.0), "",
            1.0, Status.CONFIRMED, "so it reads",
        )  # fmt: skip
        words = "The grain differs [F1]."
        return replace(look, measurements=(noise_reading(picture),), findings=(finding,),
                       rationale=words)  # fmt: skip


def noise_reading(picture: Picture) -> Measurement:
    """Return a reading that is out of the ordinary in the upper left of any picture."""
    heat = np.zeros((picture.height, picture.width), np.float32)
    heat[: picture.height // 3, : picture.width // 3] = 1
    statement = "It has 3 times more noise than the rest."
    return Measurement("noise", 3.0, "times", (0.2, 1.8), 0.9, statement, heat)


def write_picture(path: Path, seed: int, tampered: bool) -> None:
    """Write 128 x 96 pixels of grey grain, with a red box if tampered."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(100, 140, (96, 128, 3), np.uint8)
    if tampered:
        pixels[BOX] = (200, 40, 40)
    settings = {"quality": 95} if path.suffix in (".jpg", ".jpeg") else {}
    Image.fromarray(pixels).save(path, **settings)


def box_mask() -> NDArray[np.bool_]:
    """Return the true mask of a tampered one."""
    mask = np.zeros((96, 128), bool)
    mask[BOX] = True
    return mask


def write_manifest(folder: Path, rows: list[dict[str, str]]) -> None:
    """Write manifest.csv."""
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def forgeries(tmp_path: Path) -> Path:
    """Return a folder with a manifest of six pictures, four of source boxes and two of more."""
    folder = tmp_path / "forgeries"
    folder.mkdir()
    rows = []
    for number in range(6):
        tampered = number % 2 == 0
        row = {"path": f"{number}.jpg", "label": "tampered" if tampered else "authentic",
               "mask_path": "", "source": "boxes" if number < 4 else "more",
               "manipulation": "box" if tampered else ""}  # fmt: skip
        write_picture(folder / row["path"], number, tampered)
        if tampered:
            row["mask_path"] = f"{number}-mask.png"
            write_mask(box_mask(), folder / row["mask_path"])
        rows.append(row)
    write_manifest(folder, rows)
    return folder


@pytest.fixture
def examiner() -> FakeExaminer:
    """Return an examiner that finds red boxes."""
    return FakeExaminer()


@pytest.fixture
def paint() -> Callable[[Path, int, bool], None]:
    """Return what writes a picture: its path, a seed, whether it has a red box."""
    return write_picture


@pytest.fixture
def red_box() -> NDArray[np.bool_]:
    """Return the (96, 128) mask of the red box."""
    return box_mask()


@pytest.fixture
def random_examiner() -> Any:
    """Return the examiner itself, tiny and with random weights."""
    from morelli.model.calibration import Calibrator
    from morelli.model.examiner import Examiner
    from morelli.model.tiny_checkpoint import make_tiny_checkpoint

    checkpoint = make_tiny_checkpoint()
    sure = checkpoint.calibrator
    calibrator = Calibrator(scores=sure.scores, manipulated=sure.manipulated)
    return Examiner(replace(checkpoint, calibrator=calibrator))
