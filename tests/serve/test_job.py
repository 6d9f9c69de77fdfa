import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from scripted import Examining, Glimpse

from morelli.data_pipeline.images import Limits, Picture
from morelli.data_pipeline.report import canonical, validate
from morelli.data_pipeline.schema import Verdict
from morelli.serve.batch import OutputError
from morelli.serve.custody import verify
from morelli.serve.inputs import inputs_of
from morelli.serve.job import Counts, Job, Shard, merge

SCRIPT = Path(__file__).with_name("run_job.py")
WHOLE = Shard()
SETTINGS = {"model": "fake", "prior": 0.5}


class Counting(Examining):
    """Counts how many pictures it was asked for."""

    def __init__(self) -> None:
        self.asked = 0

    def look(self, picture: Picture) -> Any:
        self.asked += 1
        return super().look(picture)


@pytest.fixture
def examiner() -> Counting:
    return Counting()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Return a folder of five pictures, one a copy, and one file that is none."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(4):
        pixels = np.random.default_rng(number).integers(0, 255, (70, 80, 3), np.uint8)
        cv2.imwrite(str(folder / f"p{number}.png"), pixels)
    (folder / "copy.png").write_bytes((folder / "p0.png").read_bytes())
    (folder / "z.jpg").write_text("no picture")
    return folder


def run(
    examiner: Any,
    photos: Path,
    out: Path,
    shard: Shard = WHOLE,
    **settings: Any,
) -> Counts:
    job = Job(out, SETTINGS | settings.pop("settings", {}), shard, **settings)
    return job.run(examiner, inputs_of(str(photos), Limits()), Limits(), lambda _: None)


def records(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "reports.jsonl").read_text().splitlines()]


def outcome(out: Path) -> dict[str, str]:
    """Return what a run came to, whatever the order and the time."""
    return {
        record["image"].get("sha256", record["image"]["path"]): canonical(record)
        for record in records(out)
    }


def test_each_picture_is_examined_once_and_a_copy_is_known(
    examiner: Counting, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert run(examiner, photos, out) == Counts(examined=4, known=1, failed=1)
    assert examiner.asked == 4
    for record in records(out):
        validate(record)
    assert run(examiner, photos, out) == Counts(examined=0, known=6, failed=1)
    assert examiner.asked == 4
    assert len(records(out)) == 5
    found = json.loads((out / "run.json").read_text())
    assert (found["reports"], found["failures"], len(found["runs"])) == (4, 1, 2)
    assert found["runs"][-1]["custody"] == verify(out / "custody.jsonl")


def test_what_failed_is_tried_again_only_when_asked_and_then_replaced(
    examiner: Counting, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run(examiner, photos, out)
    (photos / "z.jpg").write_bytes((photos / "p1.png").read_bytes() + b"\0")
    assert run(examiner, photos, out, retry_failed=True).failed == 0
    assert not any("error" in record for record in records(out))
    assert len(records(out)) == 5


def test_a_folder_of_another_model_is_refused(
    examiner: Counting, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run(examiner, photos, out)
    with pytest.raises(OutputError, match="another model or other settings"):
        run(examiner, photos, out, settings={"model": "other"})


def test_a_custody_log_that_was_changed_stops_the_run(
    examiner: Counting, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run(examiner, photos, out)
    log = out / "custody.jsonl"
    log.write_text(log.read_text().replace("examined", "imagined", 1))
    with pytest.raises(OutputError, match=r"custody\.jsonl:2"):
        run(examiner, photos, out)


def test_shards_share_the_work_and_merge_to_what_one_run_gives(
    examiner: Counting, photos: Path, tmp_path: Path
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    run(examiner, photos, whole)
    examiner.asked = 0
    for number in (1, 2, 3):
        run(examiner, photos, parts, Shard(number, 3))
    assert examiner.asked == 4
    for _ in range(2):
        assert merge(parts) == Counts(examined=4, failed=1)
        assert outcome(parts) == outcome(whole)
    assert (parts / "index.html").exists()


def test_without_shards_there_is_nothing_to_merge(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no logs of shards"):
        merge(tmp_path)


def test_the_index_shows_the_most_suspicious_first_and_escapes_names(
    photos: Path, tmp_path: Path
) -> None:
    class Mixed(Examining):
        def look(self, picture: Picture) -> Any:
            return Glimpse(Verdict.SYNTHETIC if "p2" in picture.path else Verdict.AUTHENTIC)

    (photos / "p2.png").rename(photos / "p2<img src=x onerror=alert(1)>.png")
    out = tmp_path / "out"
    run(Mixed(), photos, out)
    page = (out / "index.html").read_text()
    body = page[page.index('<tbody id="rows">') :]
    assert body.index("p2&lt;img") < body.index("p1.png")
    assert "<img src=x" not in page
    assert "3 authentic, 0 tampered, 1 synthetic, 0 inconclusive" in page
    assert "z.jpg" in page
    for link in ("report.html", "thumbnail.jpg"):
        assert list(out.rglob(link))


def test_killed_at_any_moment_it_ends_with_what_an_undisturbed_run_gives(
    photos: Path, tmp_path: Path
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"

    def begin(out: Path) -> subprocess.Popen[bytes]:
        lanes = "2" if out == killed else "1"
        return subprocess.Popen([sys.executable, str(SCRIPT), str(photos), str(out), lanes])

    assert begin(whole).wait(120) == 0
    log = killed / "reports.jsonl"
    for lines in range(4):
        process = begin(killed)
        # Killed once a further line is there: somewhere after a report, never at the same spot.
        while process.poll() is None and not (log.exists() and _lines(log) > lines):
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert begin(killed).wait(120) == 0
    assert outcome(killed) == outcome(whole)
    assert len(records(killed)) == len(records(whole))
    verify(killed / "custody.jsonl")
    files = [
        {path.relative_to(out): path.read_bytes() for path in out.rglob("*.png")}
        for out in (whole, killed)
    ]
    assert files[0] == files[1]
    assert not list(killed.rglob("*.part"))


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n")
