"""Measures how much memory each stage of an examination takes, in a process of its own.

    python -m morelli.eval.stage_memory '{"checkpoint": null, "pictures": ["FILE", ...]}'

A process that examines keeps the memory that it frees, which makes it faster and hides what each
stage asks for; here it is given back. A thread reads a hundred times a second how much the process
holds, and each reading goes to the stage that ran then.
"""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_PAUSE = 0.01
_HELD = Path("/proc/self/statm")


def measure_memory(
    checkpoint: Path | None, pictures: Sequence[Path]
) -> list[dict[str, float]] | None:
    """Return for each picture the most gigabytes held in each stage, None where nobody counts them.

    Args:
        checkpoint: of the model, None for the one that ships.
        pictures: files; each is looked at twice, and the second time counts.

    Raises:
        RuntimeError: the checkpoint or a picture cannot be opened; the last line says why.
    """
    if not _HELD.exists():
        return None
    asked = {"checkpoint": checkpoint and str(checkpoint), "pictures": list(map(str, pictures))}
    command = [sys.executable, "-m", "morelli.eval.stage_memory", json.dumps(asked)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    found: list[dict[str, float]] = json.loads(done.stdout.splitlines()[-1])
    return found


class Watch:
    """Reads in a thread how much memory this process holds."""

    def __init__(self) -> None:
        self.readings: list[tuple[float, float]] = []
        """(moment of the performance counter, gigabytes)."""
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Watch":
        self._read()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()
        self._read()

    def _watch(self) -> None:
        while not self._stopped.wait(_PAUSE):
            self._read()

    def _read(self) -> None:
        pages = int(_HELD.read_text().split()[1])
        self.readings.append((time.perf_counter(), pages * _page_size() / 1e9))

    def peaks(self, start: float, seconds: Mapping[str, float]) -> dict[str, float]:
        """Return the most gigabytes read while each of some stages ran, one after the other.

        A stage that was over before anything was read has what was held next.

        Args:
            start: moment at which the first stage began.
            seconds: stage -> wall time, in their order.
        """
        found = {}
        for name, length in seconds.items():
            inside = [held for moment, held in self.readings if start <= moment <= start + length]
            later = [held for moment, held in self.readings if moment > start + length]
            found[name] = max(inside, default=later[0] if later else self.readings[-1][1])
            start += length
        return found


def _page_size() -> int:
    import resource

    return resource.getpagesize()


def _measure(checkpoint: Path | None, pictures: Sequence[Path]) -> list[dict[str, float]]:
    from morelli.data_pipeline.images import open_picture
    from morelli.model.checkpoint import load_checkpoint
    from morelli.model.examiner import Examiner

    # not Examiner.load, which keeps what is freed
    examiner = Examiner(load_checkpoint(checkpoint))
    found = []
    for path in pictures:
        picture = open_picture(path)
        examiner.look(picture)
        with Watch() as watch:
            start = time.perf_counter()
            look = examiner.look(picture)
        found.append(watch.peaks(start, look.seconds))
    return found


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    where = Path(given["checkpoint"]) if given["checkpoint"] else None
    sys.stdout.write(json.dumps(_measure(where, [Path(one) for one in given["pictures"]])) + "\n")
