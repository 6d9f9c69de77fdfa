"""A fake examiner that is right about half of what it is shown, and pictures made here."""

import csv
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from morelli.data_pipeline.images import ImageError, Picture, write_mask
from morelli.data_pipeline.schema import Verdict
from morelli.eval import yardsticks
from morelli.eval.scoring import PREDICTIONS, read_predictions, score, table
from morelli.eval.yardsticks import AS_IS, Case, cases_of, half_of, predict, read_forgeries

BOX = (slice(20, 60), slice(30, 80))
CHECKPOINT = "c" * 64


@dataclass(frozen=True)
class FakeLook:
    probability: dict[str, float]
    verdict: Verdict
    map: NDArray[np.float32]
    seconds: dict[str, float] = field(default_factory=dict)


class FakeExaminer:
    """Calls red boxes tampered, and finds them."""

    def __init__(self) -> None:
        self.looked: list[str] = []

    def look(self, picture: Picture) -> FakeLook:
        self.looked.append(picture.path)
        red = picture.pixels[..., 0].astype(int) - picture.pixels[..., 1] > 60
        chance = 0.9 if red.mean() > 0.05 else 0.2
        probability = {"authentic": 1 - chance, "tampered": chance, "synthetic": 0.0}
        heat = np.where(red, 0.8, 0.1).astype(np.float32)
        return FakeLook(probability, Verdict.TAMPERED, heat)


def write_picture(path: Path, seed: int, tampered: bool) -> None:
    pixels = np.random.default_rng(seed).integers(100, 140, (96, 128, 3), np.uint8)
    if tampered:
        pixels[BOX] = (200, 40, 40)
    Image.fromarray(pixels).save(path, quality=95)


@pytest.fixture
def forgeries(tmp_path: Path) -> Path:
    folder = tmp_path / "forgeries"
    folder.mkdir()
    mask = np.zeros((96, 128), bool)
    mask[BOX] = True
    rows = []
    for number in range(6):
        tampered = number % 2 == 0
        row = {"path": f"{number}.jpg", "label": "tampered" if tampered else "authentic",
               "mask_path": "", "source": "boxes" if number < 4 else "more",
               "manipulation": "box"}  # fmt: skip
        write_picture(folder / row["path"], number, tampered)
        if tampered:
            row["mask_path"] = f"{number}-mask.png"
            write_mask(mask, folder / row["mask_path"])
        rows.append(row)
    write_manifest(folder, rows)
    return folder


def write_manifest(folder: Path, rows: list[dict[str, str]]) -> None:
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def all_cases(folder: Path, qualities: tuple[int, ...] = ()) -> list[Case]:
    return list(cases_of(read_forgeries(folder, "all", None), qualities))


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_an_examiner_that_finds_the_boxes_scores_one_and_beats_the_baselines(
    forgeries: Path, tmp_path: Path
) -> None:
    path = predict(FakeExaminer(), CHECKPOINT, all_cases(forgeries), tmp_path / "out")
    boxes = score(path)["sets"][0]
    assert (boxes["set"], boxes["version"]) == ("boxes", AS_IS)
    assert boxes["pixel"]["f1"]["n"] == 2
    assert boxes["pixel"]["f1"]["value"] > 0.95
    assert boxes["verdict_auc"]["value"] == 1.0
    assert boxes["false_alarm_area"]["value"] == 0.0
    share = 40 * 50 / (96 * 128)
    everything = boxes["pixel"]["baselines"]["all-altered"]
    assert everything["f1"]["value"] == pytest.approx(2 * share / (1 + share))
    strongest = boxes["pixel"]["baselines"][boxes["pixel"]["strongest_baseline"]]
    margin = boxes["pixel"]["f1"]["value"] - strongest["f1"]["value"]
    assert boxes["pixel"]["margin"]["value"] == pytest.approx(margin)


def test_each_quality_is_a_version_of_its_own_in_both_classes(
    forgeries: Path, tmp_path: Path
) -> None:
    examiner = FakeExaminer()
    path = predict(examiner, CHECKPOINT, all_cases(forgeries, (90,)), tmp_path / "out")
    assert len(examiner.looked) == 12
    versions = {(row["label"], row["version"]) for row in read_predictions(path)}
    assert versions == {(label, version) for label in ("tampered", "authentic")
                        for version in (AS_IS, "JPEG 90")}  # fmt: skip
    text = table(score(path))
    assert text.count("JPEG 90") == 4
    assert all(line.count("|") in (0, 7, 12) for line in text.splitlines())


def test_a_run_goes_on_where_it_was_killed(forgeries: Path, tmp_path: Path) -> None:
    cases = all_cases(forgeries)
    path = predict(FakeExaminer(), CHECKPOINT, cases, tmp_path / "out")
    before = path.read_bytes()
    path.write_bytes(before[:-40])
    examiner = FakeExaminer()
    predict(examiner, CHECKPOINT, cases, tmp_path / "out")
    assert len(examiner.looked) == 1
    assert path.read_bytes() == before


def test_scores_need_neither_pictures_nor_an_examiner(forgeries: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    predict(FakeExaminer(), CHECKPOINT, all_cases(forgeries), out)
    for path in forgeries.glob("*.jpg"):
        path.unlink()
    assert yardsticks.main(["--out", str(out), "--only-score"]) == 0
    kept = json.loads((out / "scores.json").read_text())
    assert kept == score(out / PREDICTIONS)
    assert kept["checkpoint"] == [CHECKPOINT]


def test_the_forgeries_are_only_read(forgeries: Path, tmp_path: Path) -> None:
    before = content(forgeries)
    predict(FakeExaminer(), CHECKPOINT, all_cases(forgeries, (90,)), tmp_path / "out")
    assert content(forgeries) == before


def test_the_halves_share_no_picture_and_leave_none_out(forgeries: Path) -> None:
    halves = {
        half: {sample.id for _, sample in read_forgeries(forgeries, half, None)}
        for half in yardsticks.HALVES
    }
    assert halves["dev"] | halves["test"] == halves["all"]
    assert not halves["dev"] & halves["test"]
    drawn = [half_of(f"misd/{number}.jpg") for number in range(400)]
    assert 140 < drawn.count("dev") < 260


def test_only_the_sources_asked_for_are_read(forgeries: Path) -> None:
    names = {name for name, _ in read_forgeries(forgeries, "all", ["more"])}
    assert names == {"more"}
    with pytest.raises(ValueError, match="no picture of source absent"):
        list(read_forgeries(forgeries, "all", ["absent"]))


def test_predictions_of_another_checkpoint_are_not_mixed_in(
    forgeries: Path, tmp_path: Path
) -> None:
    predict(FakeExaminer(), CHECKPOINT, all_cases(forgeries), tmp_path / "out")
    with pytest.raises(ValueError, match="give another --out"):
        predict(FakeExaminer(), "d" * 64, all_cases(forgeries), tmp_path / "out")


def change_last(path: Path, **changes: Any) -> None:
    lines = path.read_text().splitlines()
    lines[-1] = json.dumps(json.loads(lines[-1]) | changes)
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"label": "fake"}, "fake"),
        ({"id": "4.jpg"}, "twice"),
        ({"probability": {}}, "lacks"),
    ],
)
def test_a_broken_line_is_named(
    forgeries: Path, tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    path = predict(FakeExaminer(), CHECKPOINT, all_cases(forgeries), tmp_path / "out")
    change_last(path, **changes)
    with pytest.raises(ValueError, match=rf"{PREDICTIONS}:6: .*{reason}"):
        score(path)


def test_a_mask_of_another_size_stops_the_scoring(forgeries: Path, tmp_path: Path) -> None:
    path = predict(FakeExaminer(), CHECKPOINT, all_cases(forgeries), tmp_path / "out")
    write_mask(np.ones((80, 80), bool), forgeries / "0-mask.png")
    with pytest.raises(ValueError, match=r"80 x 80 pixels but its picture 128 x 96"):
        score(path)


def test_an_unknown_label_in_a_manifest_is_named_with_its_line(forgeries: Path) -> None:
    with (forgeries / "manifest.csv").open("a") as file:
        file.write("7.jpg,doubtful,,boxes,\n")
    with pytest.raises(ValueError, match=r"manifest\.csv:8: .*doubtful"):
        all_cases(forgeries)


def test_a_missing_picture_stops_the_run_and_keeps_what_was_done(
    forgeries: Path, tmp_path: Path
) -> None:
    (forgeries / "5.jpg").unlink()
    with pytest.raises(ImageError, match=r"5\.jpg: no such file"):
        predict(FakeExaminer(), CHECKPOINT, all_cases(forgeries), tmp_path / "out")
    assert len(read_predictions(tmp_path / "out" / PREDICTIONS)) == 5


def test_nothing_to_score_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stopped:
        yardsticks.main(["--out", str(tmp_path)])
    assert stopped.value.code == 2


def test_missing_predictions_are_one_line_and_exit_status_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert yardsticks.main(["--out", str(tmp_path), "--only-score"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_a_made_set_is_made_once_with_masks_of_the_pictures_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    rows = []
    for number in range(40):
        name = f"{number}.jpg"
        write_picture(photos / name, number, False)
        image = Image.open(photos / name).resize((400, 400))
        image.save(photos / name)
        rows.append({"path": name, "source": f"s{number}", "camera": f"c{number}",
                     "width": "400", "height": "400", "label": "synthetic",
                     "generator": "g"})  # fmt: skip
    write_manifest(photos, rows)
    monkeypatch.setattr(yardsticks, "_MADE_SETS", {"made": (200, 3)})
    made = list(yardsticks.made_samples(photos, photos, tmp_path / "made", "made"))
    assert len(made) == 3
    again = list(yardsticks.made_samples(photos / "gone", photos, tmp_path / "made", "made"))
    assert made == again
    path = predict(FakeExaminer(), CHECKPOINT, list(cases_of(made, ())), tmp_path / "out")
    assert score(path)["sets"][0]["set"] == "made"
