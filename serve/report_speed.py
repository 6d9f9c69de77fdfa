"""Measures a batch: how much faster than one picture after the other, and whether memory grows.

    python -m morelli.serve.report_speed rate [--folder DIR] [--count N] [--out FILE]
    python -m morelli.serve.report_speed memory [100 10000]

`rate` examines the same pictures in a loop over the function behind `morelli examine` and with the
engine of `morelli report`, each in a process of its own with the model loaded before the clock
starts. `memory` runs batches of small pictures, each in a process of its own, and compares the most
memory that they held. Without --folder the pictures are made.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2

from morelli.data_pipeline.images import Limits
from morelli.eval.speed import circumstances, made_photograph

SIDES = ((256, 384), (480, 640), (768, 1024))
"""Height and width in pixels of the made pictures, in turn."""

_SMALL = ((96, 128),)
_WARM_UP = 4


def make_folder(folder: Path, count: int, sides: Sequence[tuple[int, int]] = SIDES) -> None:
    """Write so many different JPEGs of the sizes in turn."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        height, width = sides[number % len(sides)]
        pixels = made_photograph(width, height, seed=number)
        if number % 2:  # a patch that occurs twice, so that some of them are suspicious
            part = pixels[: height // 3, : width // 3].copy()
            pixels[-part.shape[0] :, -part.shape[1] :] = part
        quality = [cv2.IMWRITE_JPEG_QUALITY, 80 + number % 20]
        cv2.imwrite(str(folder / f"{number:05}.jpg"), pixels[..., ::-1], quality)


def run_loop(folder: Path, out: Path, checkpoint: Path | None) -> dict[str, float]:
    """Examine a folder one picture after the other, as `morelli examine` does."""
    from morelli.model.examiner import Examiner
    from morelli.serve.batch import examine_all

    examiner = Examiner.load(checkpoint)
    paths = sorted(str(path) for path in folder.iterdir())
    examine_all(examiner, paths[:_WARM_UP], out / "warm", Limits(), lambda _: None)
    start = time.perf_counter()
    examine_all(examiner, paths, out / "cold", Limits(), lambda _: None)
    return _held() | {"images": len(paths), "seconds": time.perf_counter() - start}


def run_batch(folder: Path, out: Path, explain: str, checkpoint: Path | None) -> dict[str, float]:
    """Examine a folder as `morelli report` does."""
    from morelli.model.examiner import Examiner
    from morelli.serve.inputs import inputs_of
    from morelli.serve.job import Job, Shard
    from morelli.serve.lanes import Way
    from morelli.serve.opening import cores, opener
    from morelli.serve.report_command import EXPLAIN

    way = Way(cores(), EXPLAIN[explain])
    with opener(trusted=False, count=way.lanes) as opens:
        examiner = Examiner.load(checkpoint)
        examiner.measure = opens.measure

        def run(name: str, count: int | None) -> float:
            start = time.perf_counter()
            given = list(inputs_of(str(folder), Limits()))[:count]
            job = Job(out / name, {}, Shard())
            job.run(examiner, given, Limits(), lambda _: None, way, opens.open)
            return time.perf_counter() - start

        with examiner.sharing_cores(way.lanes):
            run("warm", _WARM_UP)
            seconds = run("cold", None)
    return _held() | {"images": len(list(folder.iterdir())), "seconds": seconds}


def _held() -> dict[str, float]:
    """Return the most memory in GB that this process held, and the largest of its children."""
    who = {"memory": resource.RUSAGE_SELF, "largest child": resource.RUSAGE_CHILDREN}
    return {name: resource.getrusage(kind).ru_maxrss * 1024 / 1e9 for name, kind in who.items()}


def _apart(*words: str, checkpoint: Path | None = None) -> dict[str, float]:
    """Run one of the two in a process of its own, and return what it measured."""
    command = [sys.executable, "-m", "morelli.serve.report_speed", "run", *words]
    if checkpoint is not None:
        command += ["--checkpoint", str(checkpoint)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure_rate(
    folder: Path, work: Path, checkpoint: Path | None = None
) -> dict[str, dict[str, float]]:
    """Return seconds and memory of the loop and of the batch, with words for all, some and none.

    Raises:
        subprocess.CalledProcessError: a run failed; it has said why.
    """
    loop = _apart("loop", str(folder), str(work / "loop"), checkpoint=checkpoint)
    found = {"examine, one by one": loop}
    for explain in ("all", "suspicious", "none"):
        out = str(work / explain)
        found[f"report --explain {explain}"] = _apart(
            "batch", str(folder), out, explain, checkpoint=checkpoint
        )
    return found


def measure_memory(counts: Sequence[int], work: Path) -> dict[str, dict[str, float]]:
    """Return seconds and memory of batches of so many small pictures."""
    found = {}
    for count in counts:
        folder = work / f"in-{count}"
        make_folder(folder, count, _SMALL)
        out = str(work / f"out-{count}")
        found[f"report of {count}"] = _apart("batch", str(folder), out, "suspicious")
    return found


def table(found: dict[str, dict[str, float]]) -> str:
    """Return the figures as a Markdown table; the first row is what others are compared with."""
    first = next(iter(found.values()))
    lines = ["| | pictures | pictures/s | times the first | GB | largest child, GB |",
             "|---|---:|---:|---:|---:|---:|"]  # fmt: skip
    for name, one in found.items():
        rate = one["images"] / one["seconds"]
        times = rate / (first["images"] / first["seconds"])
        lines.append(
            f"| {name} | {one['images']} | {rate:.3f} | {times:.2f} | {one['memory']:.3f} | "
            f"{one['largest child']:.3f} |"
        )
    return "\n".join(lines)


def main(command: Sequence[str]) -> int:
    """Measure, print the table and the JSON object; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="report_speed", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    what = parser.add_subparsers(dest="what", required=True)
    rate = what.add_parser("rate")
    rate.add_argument("--folder", type=Path, help="pictures to examine (default: made ones)")
    rate.add_argument("--count", type=int, default=48, help="number of made ones (default: 48)")
    memory = what.add_parser("memory")
    memory.add_argument("counts", type=int, nargs="*", default=[100, 10_000])
    run = what.add_parser("run", help="one of the two, in this process")
    run.add_argument("engine", choices=["loop", "batch"])
    run.add_argument("folder", type=Path)
    run.add_argument("work", type=Path)
    run.add_argument("explain", nargs="?", default="all")
    run.add_argument("--checkpoint", type=Path)
    for sub in (rate, memory):
        sub.add_argument("--out", type=Path, help="also write the JSON object to this file")
    arguments = parser.parse_args(command)
    if arguments.what == "run":
        found: Any = (
            run_loop(arguments.folder, arguments.work, arguments.checkpoint)
            if arguments.engine == "loop"
            else run_batch(
                arguments.folder, arguments.work, arguments.explain, arguments.checkpoint
            )
        )
        sys.stdout.write(json.dumps(found) + "\n")
        return 0
    with tempfile.TemporaryDirectory(prefix="morelli-") as made:
        found = _measured(arguments, Path(made))
    text = json.dumps({"figures": found, "circumstances": circumstances()}, indent=1)
    if arguments.out:
        arguments.out.write_text(text + "\n", encoding="utf-8")
    sys.stdout.write(f"{table(found)}\n\n{text}\n")
    return 0


def _measured(arguments: argparse.Namespace, work: Path) -> dict[str, dict[str, float]]:
    if arguments.what == "memory":
        return measure_memory(arguments.counts, work)
    folder = arguments.folder
    if folder is None:
        folder = work / "in"
        make_folder(folder, arguments.count)
    return measure_rate(folder, work)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
