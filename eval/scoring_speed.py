"""Measures how long scoring takes and how much memory, and what ten thousand pictures would take.

`python -m morelli.eval.scoring_speed [--count 400] [--side 512]`
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from morelli.data_pipeline.images import write_map, write_mask
from morelli.data_pipeline.places import NINTHS, box_of
from morelli.data_pipeline.schema import Finding, Polarity, Status
from morelli.data_pipeline.verifier import rationale_of
from morelli.eval.claims import answer_record
from morelli.eval.predictions import FILE, MODEL
from morelli.eval.scoring import score

_WHOLE = 10_000


def write_predictions(folder: Path, count: int, side: int) -> Path:
    """Write predictions of which two in three are tampered, with words, and maps as real ones.

    Raises:
        OSError: the folder cannot be written to.
    """
    rng = np.random.default_rng(0)
    path = folder / FILE
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            tampered = number % 3 > 0
            mask = np.zeros((side, side), np.uint8)
            centre = tuple(int(x) for x in rng.integers(side // 4, 3 * side // 4, 2))
            cv2.circle(mask, centre, side // 6, 1, -1)
            soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), side / 40)
            heat = np.clip(soft + rng.normal(0, 0.02, mask.shape), 0, 1)
            write_map(heat, folder / f"{number}-map.png")
            if tampered:
                write_mask(mask > 0, folder / f"{number}-mask.png")
            chance = float(np.clip(rng.normal(0.7 if tampered else 0.3, 0.2), 0, 1))
            line = {
                "set": "made", "id": str(number), "version": "as is",
                "kind": ("splice", "copy-move", "erased")[number % 3] if tampered else None,
                "label": "tampered" if tampered else "authentic", "image": "-",
                "mask": f"{number}-mask.png" if tampered else None, "checkpoint": "none",
                "verdict": "tampered" if chance > 0.5 else "authentic",
                "probability": {"authentic": 1 - chance, "tampered": chance, "synthetic": 0},
                "maps": {MODEL: f"{number}-map.png"}, "answer": _answer(number, side),
                "source": f"camera {number % 8}", "quality": 50 + number % 50,
                "megapixels": 0.1 * (1 + number % 40), "photograph": str(number // 2),
            }  # fmt: skip
            file.write(json.dumps(line) + "\n")
    return path


def _answer(number: int, side: int) -> dict[str, Any]:
    """Return an answer of four claims, as long as the model's."""
    found = [
        Finding(
            f"F{index + 1}", "noise", Polarity.ANOMALOUS, place, box_of(place, side, side),
            f"The grain in the {place} is {number / 100} times as strong as elsewhere in the "
            "picture, where untouched photographs have up to 1.8. The altered part lies there.",
            number / 100, (0.2, 1.8), "times", 0.9, Status.CONFIRMED, "It reads so.",
        )
        for index, place in enumerate(NINTHS[:4])
    ]  # fmt: skip
    return answer_record(rationale_of(found), 0, found)


def _measure(path: Path) -> None:
    """Score once in a process of its own; print wall and processor seconds and peak memory."""
    wall, busy = time.perf_counter(), time.process_time()
    score(path)
    peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = [time.perf_counter() - wall, time.process_time() - busy]
    sys.stdout.write(json.dumps([*seconds, peak]) + "\n")


def main() -> int:
    """Measure half the pictures and all of them, and print a line for each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--side", type=int, default=512, help="of the maps, in pixels")
    parser.add_argument("--score", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.score is not None:
        _measure(arguments.score)
        return 0
    for count in (arguments.count // 2, arguments.count):
        with tempfile.TemporaryDirectory() as folder:
            path = write_predictions(Path(folder), count, arguments.side)
            command = [sys.executable, "-m", "morelli.eval.scoring_speed", "--score", str(path)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
        seconds, busy, peak = json.loads(done.stdout)
        sys.stdout.write(
            f"{count} maps of {arguments.side} px: {seconds:.1f} s ({busy:.1f} s of processor),"
            f" {peak / 1e6:.0f} MB; {_WHOLE} would take {seconds / count * _WHOLE:.0f} s"
            f" ({busy / count * _WHOLE:.0f} s)\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
