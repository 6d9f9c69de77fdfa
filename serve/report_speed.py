"""Measures a batch: how much faster than one picture after the other, and whether memory grows.

    python -m morelli.serve.report_speed rate [--folder DIR] [--count N] [--explain HOW...]
    python -m morelli.serve.report_speed memory [100 10000] [--checkpoint DIR] [--explain HOW]

`rate` examines the same pictures in a loop over the function behind `morelli examine` and with the
engine of `morelli report`, each in a process of its own with the model loaded, and two pictures
examined, before the clock starts. Stability is tried and every report is written in all of them.
Two comparisons are fair, and both are printed:

- `--explain all` does the very work of the loop. What it gains is the engine's alone.
- `--explain suspicious` writes words where the verdict is not authentic, as batches are meant to be
  used: verdict for all, words where asked. How much it saves depends on the pictures, so how many
  of them got words stands beside it. Half of the made pictures have a patch that occurs twice.

`memory` runs batches of small pictures, each in a process of its own, and compares the most memory
that each process held. What could grow with the number of pictures are the logs, the index and what
waits to be explained, not the model, so by default it takes a tiny one with random weights, writes
no words and leaves stability out; with --checkpoint it takes a real one, at some pictures a second.

Leave the machine alone meanwhile. Without --folder the pictures are made.
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
from typing import TYPE_CHECKING, Any

import cv2
from tqdm import tqdm

from morelli.data_pipeline.images import Limits
from morelli.eval.speed import circumstances, made_photograph
from morelli.serve.console import complain
from morelli.serve.report_command import EXPLAIN

if TYPE_CHECKING:
    from morelli.model.examiner import Examiner

SIDES = ((256, 384), (480, 640), (768, 1024))
"""Height and width in pixels of the made pictures, in turn."""

_SMALL = ((96, 128),)
_WARM_UP = 2
_TINY = "tiny"
_PROGRESS_SECONDS = 10.0
"""Between two lines of progress where nobody watches a terminal."""

Found = dict[str, float]


def make_folder(folder: Path, count: int, sides: Sequence[tuple[int, int]] = SIDES) -> None:
    """Write so many different JPEGs of the sizes in turn."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in _progress(range(count), "making pictures"):
        height, width = sides[number % len(sides)]
        pixels = made_photograph(width, height, seed=number)
        if number % 2:  # a patch that occurs twice, so that some of them are suspicious
            part = pixels[: height // 3, : width // 3].copy()
            pixels[-part.shape[0] :, -part.shape[1] :] = part
        quality = [cv2.IMWRITE_JPEG_QUALITY, 80 + number % 20]
        cv2.imwrite(str(folder / f"{number:05}.jpg"), pixels[..., ::-1], quality)


def run_loop(folder: Path, out: Path, checkpoint: str | None) -> Found:
    """Examine a folder one picture after the other, as `morelli examine` does."""
    from morelli.serve.batch import examine_all

    examiner = _examiner(checkpoint)
    paths = sorted(str(path) for path in folder.iterdir())
    examine_all(examiner, paths[:_WARM_UP], out / "warm", Limits(), lambda _: None)
    with _progress(None, "one by one", len(paths)) as bar:
        start = time.perf_counter()
        examine_all(examiner, paths, out / "cold", Limits(), lambda _: bar.update())
        seconds = time.perf_counter() - start
    return _held() | {"images": len(paths), "seconds": seconds, "with words": len(paths)}


def run_batch(folder: Path, out: Path, explain: str, checkpoint: str | None) -> Found:
    """Examine a folder as `morelli report` does."""
    from morelli.serve.inputs import inputs_of
    from morelli.serve.job import Job, Shard
    from morelli.serve.lanes import Way
    from morelli.serve.opening import cores, opener

    worded = 0

    def explains(verdict: str) -> bool:
        nonlocal worded
        wanted = EXPLAIN[explain](verdict)
        worded += wanted
        return wanted

    way = Way(cores(), explains)
    total = len(list(folder.iterdir()))
    with opener(trusted=False, count=way.lanes) as opens:
        examiner = _examiner(checkpoint)
        examiner.measure = opens.measure

        def run(name: str, count: int) -> float:
            nonlocal worded
            worded, start = 0, time.perf_counter()
            given = list(inputs_of(str(folder), Limits()))[:count]
            job = Job(out / name, {}, Shard())
            with _progress(None, f"{name}, words for {explain}", count) as bar:
                job.run(examiner, given, Limits(), lambda _: bar.update(), way, opens.open)
            return time.perf_counter() - start

        with examiner.sharing_cores(way.lanes):
            run("warm", min(_WARM_UP, total))
            seconds = run("cold", total)
    return _held() | {"images": total, "seconds": seconds, "with words": worded}


def _examiner(checkpoint: str | None) -> "Examiner":
    from morelli.model.examiner import Examiner
    from morelli.model.memory import keep_freed_memory
    from morelli.model.tiny_checkpoint import make_tiny_checkpoint

    if checkpoint == _TINY:
        keep_freed_memory()
        return Examiner(make_tiny_checkpoint(), stability=False)
    return Examiner.load(None if checkpoint is None else Path(checkpoint))


def _progress(items: Any, what: str, total: int | None = None) -> Any:
    """Return a progress bar that also speaks, now and then, where nobody watches a terminal."""
    pause = 0.1 if sys.stderr.isatty() else _PROGRESS_SECONDS
    return tqdm(items, desc=what, total=total, unit="picture", mininterval=pause, maxinterval=pause)


def _held() -> Found:
    """Return the most memory in GB that this process held, and the largest of its children."""
    who = {"memory": resource.RUSAGE_SELF, "largest child": resource.RUSAGE_CHILDREN}
    return {name: resource.getrusage(kind).ru_maxrss * 1024 / 1e9 for name, kind in who.items()}


def _apart(*words: str, checkpoint: Path | str | None = None) -> Found:
    """Run one of the two in a process of its own, and return what it measured."""
    complain(f"{words[0]} of {' '.join(words[3:]) or 'all'}: the model is loaded")
    command = [sys.executable, "-m", "morelli.serve.report_speed", "run", *words]
    if checkpoint is not None:
        command += ["--checkpoint", str(checkpoint)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: Found = json.loads(done.stdout.splitlines()[-1])
    complain(f"{found['images']:.0f} pictures in {found['seconds']:.1f} s")
    return found


def measure_rate(
    folder: Path,
    work: Path,
    checkpoint: Path | None = None,
    explains: Sequence[str] = tuple(EXPLAIN),
) -> dict[str, Found]:
    """Return seconds and memory of the loop and of the batch, with words for these pictures.

    Raises:
        subprocess.CalledProcessError: a run failed; it has said why.
    """
    loop = _apart("loop", str(folder), str(work / "loop"), checkpoint=checkpoint)
    found = {"examine, one by one": loop}
    for explain in explains:
        out = str(work / explain)
        found[f"report --explain {explain}"] = _apart(
            "batch", str(folder), out, explain, checkpoint=checkpoint
        )
    return found


def measure_memory(
    counts: Sequence[int], work: Path, checkpoint: Path | None = None, explain: str = "none"
) -> dict[str, Found]:
    """Return seconds and memory of batches of so many small pictures.

    Raises:
        subprocess.CalledProcessError: a run failed; it has said why.
    """
    found = {}
    for count in counts:
        folder = work / f"in-{count}"
        make_folder(folder, count, _SMALL)
        words = ("batch", str(folder), str(work / f"out-{count}"), explain)
        found[f"report of {count}"] = _apart(*words, checkpoint=checkpoint or _TINY)
    return found


def table(found: dict[str, Found]) -> str:
    """Return the figures as a Markdown table; the first row is what others are compared with."""
    first = next(iter(found.values()))
    lines = ["| | pictures | with words | pictures/s | times the first | GB | largest child, GB |",
             "|---|---:|---:|---:|---:|---:|---:|"]  # fmt: skip
    for name, one in found.items():
        rate = one["images"] / one["seconds"]
        times = rate / (first["images"] / first["seconds"])
        lines.append(
            f"| {name} | {one['images']} | {one['with words']} | {rate:.3f} | {times:.2f} | "
            f"{one['memory']:.3f} | {one['largest child']:.3f} |"
        )
    return "\n".join(lines)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="report_speed", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    what = parser.add_subparsers(dest="what", required=True)
    rate = what.add_parser("rate")
    rate.add_argument("--folder", type=Path, help="pictures to examine (default: made ones)")
    rate.add_argument("--count", type=int, default=16, help="number of made ones (default: 16)")
    rate.add_argument(
        "--explain", nargs="+", choices=EXPLAIN, default=list(EXPLAIN),
        help="which batches to run (default: all suspicious none)",
    )  # fmt: skip
    memory = what.add_parser("memory")
    memory.add_argument("counts", type=int, nargs="*", default=[100, 10_000])
    memory.add_argument("--explain", choices=EXPLAIN, default="none")
    for sub in (rate, memory):
        sub.add_argument("--out", type=Path, help="also write the JSON object to this file")
    run = what.add_parser("run", help="one of the two, in this process")
    run.add_argument("engine", choices=["loop", "batch"])
    run.add_argument("folder", type=Path)
    run.add_argument("work", type=Path)
    run.add_argument("explain", nargs="?", default="all")
    for sub in (rate, memory, run):
        sub.add_argument("--checkpoint", help="trained checkpoint")
    return parser


def main(command: Sequence[str]) -> int:
    """Measure, print the table and the JSON object; return the exit status."""
    arguments = _arguments().parse_args(command)
    if arguments.what == "run":
        given = (arguments.folder, arguments.work)
        found: Any = (
            run_loop(*given, arguments.checkpoint)
            if arguments.engine == "loop"
            else run_batch(*given, arguments.explain, arguments.checkpoint)
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


def _measured(arguments: argparse.Namespace, work: Path) -> dict[str, Found]:
    if arguments.what == "memory":
        return measure_memory(arguments.counts, work, arguments.checkpoint, arguments.explain)
    folder = arguments.folder
    if folder is None:
        folder = work / "in"
        make_folder(folder, arguments.count)
    return measure_rate(folder, work, arguments.checkpoint, arguments.explain)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
