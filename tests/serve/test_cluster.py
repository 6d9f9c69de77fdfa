"""A batch on a cluster of two nodes on this machine."""

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

ray = pytest.importorskip("ray", reason="ray is not installed (extra: cluster)")
pytest.importorskip("ray.data", reason="ray[data] is not installed (extra: cluster)")

from clustered import Slow  # noqa: E402
from ray.cluster_utils import Cluster  # noqa: E402
from scripted import Examining  # noqa: E402

from morelli.data_pipeline.images import Limits  # noqa: E402
from morelli.data_pipeline.report import canonical  # noqa: E402
from morelli.serve.batch import OutputError  # noqa: E402
from morelli.serve.cluster import Work, connect, run_on_cluster  # noqa: E402
from morelli.serve.custody import verify  # noqa: E402
from morelli.serve.inputs import inputs_of  # noqa: E402
from morelli.serve.job import Counts, Job, Shard  # noqa: E402
from morelli.serve.lanes import Way  # noqa: E402

# Ray leaves sockets and files for the collector to close.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
COUNT = 20


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """Run two nodes of one core each, whose workers find the modules of these tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))
        # It kills workers where other programs have filled the machine's memory.
        patch.setenv("RAY_memory_monitor_refresh_ms", "0")
        # Workers give way to everything else that runs, and would never be done beside much of it.
        patch.setenv("RAY_worker_niceness", "0")
        head = {"num_cpus": 1, "include_dashboard": False}
        nodes = Cluster(initialize_head=True, head_node_args=head)
        try:
            nodes.add_node(num_cpus=1)
            connect(nodes.address)
            yield
        finally:
            ray.shutdown()
            nodes.shutdown()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Return a folder of pictures, one of them twice, and a file that is none."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(COUNT):
        pixels = np.random.default_rng(number).integers(0, 255, (64, 64, 3), np.uint8)
        cv2.imwrite(str(folder / f"p{number:02}.png"), pixels)
    (folder / "copy.png").write_bytes((folder / "p00.png").read_bytes())
    (folder / "z.jpg").write_text("no picture")
    return folder


def on_cluster(photos: Path, out: str, seen: Path, seconds: float = 0.0) -> Counts:
    seen.mkdir(exist_ok=True)
    work = Work(partial(Slow, seen, seconds), out, Limits(), Way(), trusted=True)
    return run_on_cluster(work, {}, inputs_of(str(photos), Limits()), lambda _: None, workers=2)


def outcome(out: Path) -> dict[str, str]:
    lines = [json.loads(line) for line in (out / "reports.jsonl").read_text().splitlines()]
    found = {r["image"].get("sha256", r["image"]["path"]): canonical(r) for r in lines}
    assert len(found) == len(lines)
    return found


def images(out: Path) -> dict[Path, bytes]:
    return {path.relative_to(out): path.read_bytes() for path in out.rglob("*.png")}


@pytest.fixture
def whole(photos: Path, tmp_path: Path) -> Path:
    """Return what an undisturbed run on this machine gives."""
    out = tmp_path / "whole"
    Job(out, {}, Shard()).run(
        Examining(), inputs_of(str(photos), Limits()), Limits(), lambda _: None
    )
    return out


def test_a_worker_that_is_killed_loses_nothing(
    cluster: None, photos: Path, whole: Path, tmp_path: Path
) -> None:
    seen, out = tmp_path / "seen", tmp_path / "out"
    killed: list[int] = []

    def kill() -> None:
        # Once some pictures were looked at: in the middle of a worker's block.
        while len(names := list(seen.glob("*"))) < 3:
            time.sleep(0.05)
        killed.append(int(names[0].name.partition("-")[0]))
        os.kill(killed[0], signal.SIGKILL)

    threading.Thread(target=kill, daemon=True).start()
    counts = on_cluster(photos, str(out), seen, seconds=0.3)
    assert counts == Counts(examined=COUNT, known=1, failed=1)
    workers = {int(path.name.partition("-")[0]) for path in seen.iterdir()}
    assert set(killed) < workers
    assert outcome(out) == outcome(whole)
    assert images(out) == images(whole)
    verify(out / "custody.jsonl")
    assert not list(out.rglob("*.part"))
    again = on_cluster(photos, str(out), seen)
    assert again == Counts(examined=0, known=COUNT + 2, failed=1)


def test_object_storage_gets_the_same_folder(
    cluster: None, photos: Path, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "bucket" / "case"
    for known in (0, COUNT + 2):
        counts = on_cluster(photos, out.as_uri(), tmp_path / "seen")
        assert (counts.examined == 0) == (known > 0)
    assert outcome(out) == outcome(whole)
    assert images(out) == images(whole)
    assert {path.name for path in out.iterdir() if path.is_file()} == {
        "reports.jsonl",
        "custody.jsonl",
        "run.json",
        "index.html",
    }


def test_an_output_that_cannot_be_written_to_stops_the_batch(
    cluster: None, photos: Path, tmp_path: Path
) -> None:
    with pytest.raises(OutputError, match=r"cannot be (written to|reached)"):
        on_cluster(photos, str(photos / "z.jpg" / "out"), tmp_path / "seen")
    with pytest.raises(OutputError, match="cannot be reached"):
        on_cluster(photos, "nonsense://bucket/case", tmp_path / "seen")
