import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from morelli.data_pipeline.images import Limits, Picture, read_mask
from morelli.data_pipeline.report import Report, canonical, validate
from morelli.data_pipeline.schema import Verdict
from morelli.serve.batch import Outcome, OutputError, examine_all, open_folder


class FakeExaminer:
    """Gives a ready report, or fails on a picture whose name says so."""

    def __init__(self, report_of: Callable[..., Report], verdict: Verdict = Verdict.TAMPERED):
        self.report_of, self.verdict = report_of, verdict

    def examine(self, picture: Picture) -> Report:
        if "broken" in picture.path:
            raise RuntimeError("a matrix\nwas singular")
        return self.report_of(picture, self.verdict)


def records(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "reports.jsonl").read_text().splitlines()]


def run(examiner: FakeExaminer, inputs: list[Path], out: Path) -> tuple[int, list[Outcome]]:
    seen: list[Outcome] = []
    failed = examine_all(examiner, [str(path) for path in inputs], out, Limits(), seen.append)
    return failed, seen


@pytest.fixture
def examiner(report_of: Callable[..., Report]) -> FakeExaminer:
    return FakeExaminer(report_of)


def test_every_path_of_a_report_lies_in_the_output_folder_and_fits_the_picture(
    examiner: FakeExaminer, photo: Path, tmp_path: Path
) -> None:
    out = tmp_path / "deep" / "out"
    failed, (outcome,) = run(examiner, [photo], out)
    (record,) = records(out)
    validate(record)
    assert failed == 0
    assert record == outcome.record
    assert record["image"]["path"] == str(photo)
    height, width = record["image"]["height"], record["image"]["width"]
    mask = read_mask(out / record["mask"]["path"], height, width)
    assert mask.mean() == pytest.approx(record["mask"]["area"], abs=1e-6)
    maps = [record["map"]["path"]] + [item["map"] for item in record["measurements"] if item["map"]]
    assert len(maps) == 3
    for path in maps:
        assert cv2.imread(str(out / path), cv2.IMREAD_UNCHANGED).shape == (height, width)
    folder = (out / record["map"]["path"]).parent
    assert folder.name == f"photo-{record['image']['sha256'][:8]}"
    assert cv2.imread(str(folder / "overlay.png")).shape == (height, width, 3)
    assert outcome.page == folder / "report.html"
    assert outcome.page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_bad_file_gets_an_error_object_and_the_others_are_examined(
    examiner: FakeExaminer, photo: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(photo.read_bytes())
    words = tmp_path / "words.jpg"
    words.write_text("this is no picture, whatever its name says")
    empty = tmp_path / "empty.jpg"
    empty.touch()
    bad = [tmp_path / "gone.jpg", tmp_path, words, empty, broken]
    out = tmp_path / "out"
    failed, outcomes = run(examiner, [*bad, photo], out)
    assert failed == len(bad)
    assert [outcome.page is None for outcome in outcomes] == [True] * len(bad) + [False]
    found = records(out)
    for record in found:
        validate(record)
    codes = [record["error"]["code"] for record in found[:-1]]
    assert codes == ["missing", "not_a_file", "not_an_image", "empty", "internal"]
    for path, record in zip(bad, found, strict=False):
        assert record["error"]["message"].startswith(f"{path}: ")
        assert "\n" not in record["error"]["message"]
    assert found[-1]["verdict"] == "tampered"


def test_a_report_that_contradicts_itself_is_not_written(
    report_of: Callable[..., Report], photo: Path, tmp_path: Path
) -> None:
    def contradictory(picture: Picture, verdict: Verdict) -> Report:
        return report_of(picture, verdict, rationale="See [F9].")

    failed, _ = run(FakeExaminer(contradictory), [photo], tmp_path / "out")
    (record,) = records(tmp_path / "out")
    assert failed == 1
    assert record["error"]["code"] == "internal"
    assert "F9" in record["error"]["message"]


def test_the_same_picture_gives_the_same_report_and_the_same_files(
    examiner: FakeExaminer, photo: Path, tmp_path: Path
) -> None:
    outs = [tmp_path / "one", tmp_path / "two"]
    for out in outs:
        run(examiner, [photo], out)
    first, second = (records(out)[0] for out in outs)
    assert canonical(first) == canonical(second)
    files = [
        {path.relative_to(out): path.read_bytes() for path in out.rglob("*.*") if path.is_file()}
        for out in outs
    ]
    assert files[0] == files[1]


def test_a_second_run_takes_the_place_of_the_first_and_leaves_no_mask_that_no_longer_holds(
    report_of: Callable[..., Report], photo: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    for verdict in (Verdict.TAMPERED, Verdict.AUTHENTIC):
        run(FakeExaminer(report_of, verdict), [photo], out)
    assert [record["verdict"] for record in records(out)] == ["authentic"]
    assert sorted(path.name for path in out.rglob("*.png")) == [
        "instrument-jpeg.png",
        "instrument-noise.png",
        "map.png",
    ]


@pytest.mark.parametrize("name", ["..", "a b;c\n\x1b.png", "-rf.png", "x" * 240 + ".png"])
def test_a_strange_name_gives_a_plain_folder_inside_the_output(
    examiner: FakeExaminer, photo: Path, tmp_path: Path, name: str
) -> None:
    strange = tmp_path / f"s{name}"
    strange.write_bytes(photo.read_bytes())
    out = tmp_path / "out"
    failed, _ = run(examiner, [strange], out)
    assert failed == 0
    (folder,) = (path for path in out.iterdir() if path.is_dir())
    assert folder.name.replace("_", "").replace("-", "").isalnum()


def test_an_output_folder_that_cannot_be_made_is_said_so_in_one_line(
    examiner: FakeExaminer, photo: Path
) -> None:
    out = photo / "out"
    with pytest.raises(OutputError, match=r"out: cannot be written to .*--out") as caught:
        open_folder(out)
    assert "\n" not in str(caught.value)
    with pytest.raises(OutputError):
        run(examiner, [photo], out)


def test_a_place_that_is_taken_by_a_file_stops_the_batch(
    examiner: FakeExaminer, photo: Path, picture: Picture, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / f"photo-{picture.sha256[:8]}").write_text("in the way")
    with pytest.raises(OutputError, match="cannot be written to"):
        run(examiner, [photo], out)
    assert records(out) == []


def test_a_picture_above_the_limit_is_refused_by_its_header(
    examiner: FakeExaminer, tmp_path: Path
) -> None:
    large = tmp_path / "large.png"
    cv2.imwrite(str(large), np.zeros((200, 200, 3), np.uint8))
    out = tmp_path / "out"
    limits = Limits(max_pixels=10_000)
    assert examine_all(examiner, [str(large)], out, limits, lambda _: None) == 1
    assert records(out)[0]["error"]["code"] == "too_many_pixels"
