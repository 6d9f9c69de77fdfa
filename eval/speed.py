"""Measures how fast and how large an examination is, beside what this machine can do at most.

Start-up is timed in a process of its own, and so is the memory of each stage. Everything else runs
warm in one process: the pictures are opened, looked at and put into words a few times, and the
median counts. Bounds are measured in the same run: matrix products for encoders and prompt, memory
for words that are written one token at a time (`bounds`). Last, the same pictures go through a
plain loop over Hugging Face's `generate` (`plain_loop`). `morelli eval speed` runs it.
"""

import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from morelli.data_pipeline.images import open_picture, picture_from_bytes
from morelli.eval.stage_memory import measure_memory

if TYPE_CHECKING:
    from morelli.eval.bounds import Peaks
    from morelli.model.examiner import Examiner

MEGAPIXELS = (1.0, 12.0)
"""Sizes of pictures, unless others are asked for."""

_LONGEST: dict[float, dict[str, float]] = {
    1.0: {"verdict and map": 4, "instruments": 1.5},
    12.0: {"verdict and map": 25, "instruments": 12},
}
"""Megapixels -> seconds that stages of a picture may take."""

_QUALITY = 90
_STABILITY = "stability"
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
        bound: what it could be at best on this machine, None where nothing bounds it.
    """

    name: str
    value: float
    unit: str
    goal: str = ""
    bound: float | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """What is measured.

    Attributes:
        checkpoint: of the model, None for the one that ships.
        photo: enlarged or reduced to each size; None makes a picture.
        megapixels: sizes of the pictures.
        repeats: runs at a megapixel; larger pictures get fewer.
        plain: pictures that go through the plain loop as well, 0 leaves it out.
    """

    checkpoint: Path | None = None
    photo: Path | None = None
    megapixels: Sequence[float] = MEGAPIXELS
    repeats: int = 3
    plain: int = 3


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


def size_of(megapixels: float) -> tuple[int, int]:
    """Return (width, height) in pixels of a picture of 4 : 3."""
    return round((megapixels * 1e6 * 4 / 3) ** 0.5), round((megapixels * 1e6 * 3 / 4) ** 0.5)


def picture_of(megapixels: float, photo: Path | None, seed: int = 0) -> bytes:
    """Return a JPEG of a size: a photograph filled to it, or a made picture.

    Raises:
        ImageError: the photograph cannot be opened.
    """
    width, height = size_of(megapixels)
    if photo is None:
        pixels = made_photograph(width, height, seed)
    else:
        image = open_picture(photo).pixels
        scale = max(width / image.shape[1], height / image.shape[0])
        filter_ = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        size = (max(width, round(image.shape[1] * scale)),
                max(height, round(image.shape[0] * scale)))  # fmt: skip
        filled = cv2.resize(image, size, interpolation=filter_)[:height, :width]
        pixels = np.ascontiguousarray(filled, np.uint8)
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


def measure_looks(
    examiner: "Examiner", data: bytes, megapixels: float, repeats: int
) -> list[Figure]:
    """Time a JPEG's bytes to verdict and map, the median of some runs, and each stage of it.

    Trying what mild changes do to the verdict is a stage that comes on top.
    """
    name = _named(megapixels)
    runs = []
    for _ in tqdm(range(max(1, round(repeats / max(1, megapixels)))), desc=name, unit="run"):
        start = time.perf_counter()
        look = examiner.look(picture_from_bytes(data, f"{name}.jpg"))
        whole = time.perf_counter() - start
        runs.append({"verdict and map": whole - look.seconds[_STABILITY], **look.seconds})
    longest = {_STABILITY: 1.5, **_LONGEST.get(megapixels, {})}
    goals = {stage: f"at most {seconds:g}" for stage, seconds in longest.items()}
    return [
        Figure(f"{name}: {stage}", statistics.median(run[stage] for run in runs), "s",
               goals.get(stage, ""))
        for stage in runs[0]
    ]  # fmt: skip


def measure_rates(
    examiner: "Examiner", data: bytes, looks: Sequence[Figure], peaks: "Peaks"
) -> tuple[list[Figure], list[Figure]]:
    """Hold the seconds of encoders and prompt against the operations that they take.

    Args:
        examiner: that was timed.
        data: the JPEG that was timed.
        looks: what `measure_looks` returned of it.
        peaks: of this machine.

    Returns:
        The looks, with the least seconds that encoders, prompt and both could take beside them;
        and the operations a second that both reached.
    """
    from morelli.eval.bounds import count_work

    work = count_work(examiner, picture_from_bytes(data, "counted.jpg"))
    peak = peaks.of(examiner.dtype)
    needed = {"encoders": work.encoders, "verdict": work.prompt}
    least = {stage: operations / peak for stage, operations in needed.items()}
    least["verdict and map"] = (work.encoders + work.prompt + work.rest) / peak
    bounded, rates = [], []
    for one in looks:
        size, _, stage = one.name.partition(": ")
        bounded.append(Figure(one.name, one.value, one.unit, one.goal, least.get(stage)))
        if stage in needed:
            reached = needed[stage] / one.value / 1e9
            rates.append(Figure(f"{size}: {stage}, counted", needed[stage] / 1e9, "GFLOP"))
            rates.append(Figure(f"{size}: {stage}, reached", reached, "GFLOP/s", "", peak / 1e9))
    return bounded, rates


def measure_words(examiner: "Examiner", data: bytes, repeats: int, peaks: "Peaks") -> list[Figure]:
    """Time the words of a whole examination: tokens of all runs over seconds of all runs."""
    from morelli.eval.bounds import bytes_of_a_token

    picture = picture_from_bytes(data, "words.jpg")
    tokens, seconds = 0, 0.0
    look = examiner.look(picture)
    for _ in tqdm(range(repeats), desc="words", unit="run"):
        words = examiner.speak(look)
        tokens += words.count
        seconds += words.seconds
    weights, cache = bytes_of_a_token(examiner, look)
    most = peaks.reading / (weights + cache)
    return [
        Figure("words", tokens / seconds, "tokens/s", "at least 25", most),
        Figure("words of one answer", tokens / repeats, "tokens"),
        Figure("weights read for a token", weights / 1e6, "MB"),
        Figure("keys and values read for a token", cache / 1e6, "MB"),
    ]


def measure_plain(
    examiner: "Examiner", checkpoint: Path | None, pictures: Sequence[bytes]
) -> list[Figure]:
    """Time whole answers beside a plain loop over `generate`, a picture at a time in turn.

    Neither tries what mild changes do to the verdict.
    """
    from morelli.eval.bounds import without_stability
    from morelli.eval.plain_loop import agreement, by_examiner, by_generate
    from morelli.model.checkpoint import load_checkpoint

    stored = load_checkpoint(checkpoint)
    ours, theirs = [], []
    for number, data in enumerate(tqdm(pictures, desc="plain loop", unit="picture")):
        picture = picture_from_bytes(data, f"{number}.jpg")
        with without_stability(examiner):
            ours.append(by_examiner(examiner, picture))
        theirs.append(by_generate(stored, picture, ours[-1]))
    seconds = [sum(one.seconds for one in answers) / len(answers) for answers in (ours, theirs)]
    return [
        Figure("one picture to the last word, Morelli", seconds[0], "s"),
        Figure("one picture to the last word, plain generate", seconds[1], "s"),
        Figure("times as fast as plain generate", seconds[1] / seconds[0], "times"),
        Figure("answers in the same words", agreement(ours, theirs), "of 1"),
    ]


def peak_memory() -> Figure:
    """Return the most memory that this process has held at a time."""
    unit = 1 if sys.platform == "darwin" else 1024
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return Figure("peak resident memory", held / 1e9, "GB", "at most 3")


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


def measure_all(settings: Settings) -> dict[str, Any]:
    """Measure everything, in an order in which nothing disturbs what comes later.

    Returns:
        {"figures": [{"name", "value", "unit", "goal", "bound"}], "circumstances"}.

    Raises:
        ImageError: the photograph cannot be opened.
        RuntimeError: the checkpoint cannot be loaded.
    """
    figures = measure_start(settings.checkpoint)
    pictures = {one: picture_of(one, settings.photo) for one in settings.megapixels}
    memory = _stage_memory(settings.checkpoint, pictures)
    from morelli.eval.bounds import measure_peaks
    from morelli.model.examiner import Examiner

    before = circumstances()
    examiner = Examiner.load(settings.checkpoint)
    small = pictures[min(pictures)]
    # The first run allocates and compiles what later ones use.
    examiner.examine(picture_from_bytes(small, "warm-up.jpg"))
    looks = {
        size: measure_looks(examiner, data, size, settings.repeats)
        for size, data in pictures.items()
    }
    held = peak_memory()
    peaks = measure_peaks()
    for size, data in pictures.items():
        bounded, rates = measure_rates(examiner, data, looks[size], peaks)
        figures += [*bounded, *memory.get(size, ()), *rates]
    figures += [*measure_words(examiner, small, settings.repeats, peaks), held]
    if settings.plain:
        seeds = range(1 if settings.photo else settings.plain)
        several = [picture_of(min(pictures), settings.photo, seed) for seed in seeds]
        figures += measure_plain(examiner, settings.checkpoint, several)
    figures += [
        Figure("matrix products, float32", peaks.float32 / 1e9, "GFLOP/s"),
        Figure("matrix products, bfloat16", peaks.bfloat16 / 1e9, "GFLOP/s"),
        Figure("memory, reading", peaks.reading / 1e9, "GB/s"),
    ]
    return {
        "figures": [asdict(figure) for figure in figures],
        "circumstances": {
            **before, "dtype": str(examiner.dtype).removeprefix("torch."),
            "checkpoint": examiner.checkpoint.sha256,
            "picture": str(settings.photo) if settings.photo else "made",
            "repeats": settings.repeats,
        },
    }  # fmt: skip


def _stage_memory(
    checkpoint: Path | None, pictures: dict[float, bytes]
) -> dict[float, list[Figure]]:
    """Return the memory of each stage for each size of picture."""
    with tempfile.TemporaryDirectory(prefix="morelli-") as folder:
        paths = [Path(folder) / f"{number}.jpg" for number in range(len(pictures))]
        for path, data in zip(paths, pictures.values(), strict=True):
            path.write_bytes(data)
        held = measure_memory(checkpoint, paths)
    if held is None:
        return {}
    return {
        size: [Figure(f"{_named(size)}: {stage}, memory", most, "GB")
               for stage, most in stages.items()]
        for size, stages in zip(pictures, held, strict=True)
    }  # fmt: skip


def _named(megapixels: float) -> str:
    return f"{megapixels:g} megapixel{'' if megapixels == 1 else 's'}"


def table(measured: dict[str, Any]) -> str:
    """Return the figures as a Markdown table."""
    lines = ["| Measured | Value | At best | Unit | Goal |", "| --- | ---: | ---: | --- | --- |"]
    for one in measured["figures"]:
        bound = "" if one["bound"] is None else f"{one['bound']:.2f}"
        lines.append(
            f"| {one['name']} | {one['value']:.2f} | {bound} | {one['unit']} | {one['goal']} |"
        )
    where = ", ".join(f"{name} {value}" for name, value in measured["circumstances"].items())
    return "\n".join([*lines, "", where, ""])
