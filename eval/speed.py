"""Measures how fast and how large an examination is, beside what this machine can do at most.

    python -m morelli.eval.speed [--checkpoint DIR] [--photo FILE] [--out FILE]

Start-up is timed in a process of its own. Everything else runs warm in one process: the pictures
are opened, looked at and put into words a few times, and the median counts. Peak memory is read
before the machine's own figures are measured, since those need large arrays.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from morelli.data_pipeline.images import ImageError, open_picture, picture_from_bytes

if TYPE_CHECKING:
    from morelli.model.examiner import Examiner

SIZES = {"1 megapixel": (1168, 876), "12 megapixels": (4000, 3000)}
"""Name -> (width, height) in pixels."""

_LONGEST = {"1 megapixel": 4, "12 megapixels": 25}
"""Seconds that a picture may take to verdict and map, by the names of `SIZES`."""

_QUALITY = 90
_MATRIX = 2048
_MEGABYTE = 1_000_000
_READ_BYTES = 512 * _MEGABYTE
_START = (
    "import sys, time; start = time.perf_counter(); from pathlib import Path; "
    "from morelli.model.examiner import Examiner; loaded = time.perf_counter(); "
    "Examiner.load(Path(sys.argv[1]) if sys.argv[1:] else None); "
    "print(loaded - start, time.perf_counter() - loaded)"
)


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number.

    Attributes:
        name: what was measured.
        value: the number.
        unit: what it counts.
        goal: what it must reach, in words; empty where nothing is asked.
    """

    name: str
    value: float
    unit: str
    goal: str = ""


def made_photograph(width: int, height: int, seed: int = 0) -> NDArray[np.uint8]:
    """Make a (height, width, 3) picture with the spectrum of a photograph, edges and grain.

    Its time to examine depends on its content but little; --photo takes a real one instead.
    """
    rng = np.random.default_rng(seed)
    field = np.zeros((height, width, 3), np.float32)
    for octave in range(1, 9):
        shape = (2**octave, 2**octave, 3)
        coarse = rng.standard_normal(shape, dtype=np.float32) / 2 ** (octave / 2)
        field += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    edges = 30 * np.sign(field[..., :1] - field[..., 1:2])
    grain = rng.normal(0, 2, (height, width, 1)).astype(np.float32)
    return np.asarray(np.clip(128 + 40 * field + edges + grain, 0, 255), np.uint8)


def _jpeg(width: int, height: int, photo: Path | None) -> bytes:
    """Return a JPEG of this size: a photograph filled to it, or a made picture."""
    if photo is None:
        pixels = made_photograph(width, height)
    else:
        image = open_picture(photo).pixels
        scale = max(width / image.shape[1], height / image.shape[0])
        filter_ = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        size = (max(width, round(image.shape[1] * scale)),
                max(height, round(image.shape[0] * scale)))  # fmt: skip
        filled = cv2.resize(image, size, interpolation=filter_)[:height, :width]
        pixels = np.ascontiguousarray(filled)
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=_QUALITY)
    return stream.getvalue()


def measure_start(checkpoint: Path | None) -> list[Figure]:
    """Time imports and weights in a fresh process.

    Raises:
        RuntimeError: the checkpoint cannot be loaded; the last line says why.
    """
    command = [sys.executable, "-c", _START, *([str(checkpoint)] if checkpoint else [])]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    whole = time.perf_counter() - start
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    imports, weights = map(float, done.stdout.split()[-2:])
    return [
        Figure("imports", imports, "s"),
        Figure("weights", weights, "s"),
        Figure("start to ready", whole, "s", "at most 8"),
    ]


def measure_looks(examiner: "Examiner", data: bytes, name: str, repeats: int) -> list[Figure]:
    """Time a JPEG's bytes to verdict and map, the median of some runs, and each stage of it.

    Trying what mild changes do to the verdict is a stage that comes on top.
    """
    runs = []
    for _ in tqdm(range(repeats), desc=name, unit="run"):
        start = time.perf_counter()
        look = examiner.look(picture_from_bytes(data, f"{name}.jpg"))
        whole = time.perf_counter() - start
        runs.append({"verdict and map": whole - look.seconds["stability"], **look.seconds})
    goals = {"verdict and map": f"at most {_LONGEST[name]}", "stability": "at most 1.5"}
    return [
        Figure(f"{name}: {stage}", statistics.median(run[stage] for run in runs), "s",
               goals.get(stage, ""))
        for stage in runs[0]
    ]  # fmt: skip


def measure_words(examiner: "Examiner", data: bytes, repeats: int) -> list[Figure]:
    """Time the words of a whole examination: tokens of all runs over seconds of all runs."""
    picture = picture_from_bytes(data, "words.jpg")
    tokens, seconds = 0, 0.0
    for _ in tqdm(range(repeats), desc="words", unit="run"):
        report = examiner.examine(picture)
        tokens += int(report.run["words"])
        seconds += report.seconds["words"]
    return [
        Figure("words", tokens / seconds, "tokens/s", "at least 25"),
        Figure("words of one answer", tokens / repeats, "tokens"),
    ]


def peak_memory() -> Figure:
    """Return the most memory that this process has held at a time."""
    unit = 1 if sys.platform == "darwin" else 1024
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return Figure("peak resident memory", held / 1e9, "GB", "at most 3")


def measure_bounds() -> list[Figure]:
    """Measure what bounds encoders and prefill (matrix products) and decoding (reading memory)."""
    import torch

    figures = []
    for dtype in (torch.float32, torch.bfloat16):
        left = torch.randn(_MATRIX, _MATRIX).to(dtype)
        seconds = _best_of(lambda left=left: left @ left)  # type: ignore[misc]
        name = str(dtype).removeprefix("torch.")
        rate = 2 * _MATRIX**3 / seconds / 1e9
        figures.append(Figure(f"matrix products, {name}", rate, "GFLOP/s"))
    memory = torch.ones(_READ_BYTES // 4)
    seconds = _best_of(memory.sum)
    figures.append(Figure("memory, reading", _READ_BYTES / seconds / 1e9, "GB/s"))
    return figures


def _best_of(work: Callable[[], Any], repeats: int = 4) -> float:
    """Return the shortest time of some runs, which other programs disturbed least."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def circumstances() -> dict[str, Any]:
    """Say where and how the figures were taken."""
    import torch

    return {
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load_average": os.getloadavg()[0],
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def measure_all(checkpoint: Path | None, photo: Path | None, repeats: int) -> dict[str, Any]:
    """Measure everything, in an order in which nothing disturbs what comes later.

    Returns:
        {"figures": [{"name", "value", "unit", "goal"}], "circumstances"}.

    Raises:
        ImageError: the photograph cannot be opened.
        RuntimeError: the checkpoint cannot be loaded.
    """
    figures = measure_start(checkpoint)
    from morelli.model.examiner import Examiner

    before = circumstances()
    examiner = Examiner.load(checkpoint)
    small, large = (_jpeg(*SIZES[name], photo) for name in SIZES)
    # The first run allocates and compiles what later ones use.
    examiner.examine(picture_from_bytes(small, "warm-up.jpg"))
    figures += measure_looks(examiner, small, "1 megapixel", repeats)
    figures += measure_words(examiner, small, repeats)
    figures += measure_looks(examiner, large, "12 megapixels", 1)
    figures.append(peak_memory())
    figures += measure_bounds()
    return {
        "figures": [asdict(figure) for figure in figures],
        "circumstances": {
            **before, "dtype": str(examiner.dtype).removeprefix("torch."),
            "checkpoint": examiner.checkpoint.sha256,
            "picture": str(photo) if photo else "made", "repeats": repeats,
        },
    }  # fmt: skip


def table(measured: dict[str, Any]) -> str:
    """Return the figures as a Markdown table."""
    lines = ["| Measured | Value | Unit | Goal |", "| --- | ---: | --- | --- |"]
    for one in measured["figures"]:
        lines.append(f"| {one['name']} | {one['value']:.2f} | {one['unit']} | {one['goal']} |")
    where = ", ".join(f"{name} {value}" for name, value in measured["circumstances"].items())
    return "\n".join([*lines, "", where, ""])


def main(command: Sequence[str]) -> int:
    """Measure, print the table and the JSON object; return the exit status."""
    parser = argparse.ArgumentParser(prog="speed", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--checkpoint", type=Path, help="default: the one that ships")
    parser.add_argument("--photo", type=Path, help="enlarged or reduced to 1 and 12 megapixels")
    parser.add_argument("--out", type=Path, help="also write the JSON object to this file")
    parser.add_argument("--repeats", type=int, default=3, help="runs at 1 megapixel (default: 3)")
    arguments = parser.parse_args(command)
    try:
        measured = measure_all(arguments.checkpoint, arguments.photo, arguments.repeats)
    except (ImageError, OSError, RuntimeError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    text = json.dumps(measured, indent=1)
    if arguments.out:
        arguments.out.write_text(text + "\n", encoding="utf-8")
    sys.stdout.write(f"{table(measured)}\n{text}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
