"""Fine-tunes as told by a file of jobs, one after the other; run by torchrun or alone.

    python share_work.py MANIFEST JOBS

Each job is {"out", "strategy", "accumulate"}, and may have "stop": the step before which the data
end with an error, as if somebody had stopped the run; "kill": the step before which the second
process kills itself, once; and "copy": a run to go on from.
"""

import json
import os
import shutil
import signal
import sys
from pathlib import Path

from morelli.training.loop import LoopConfig
from morelli.training.own_data import Lessons
from morelli.training.sft import SFTConfig, run

STEPS, PICTURES, NEVER = 4, 4, 99

PLAIN = Lessons.__call__


class StoppedError(Exception):
    """Stands for whatever ends a run early."""


def fine_tune(manifest: Path, job: dict[str, str | int]) -> None:
    """Run one job, unless it has been done already."""
    out = Path(str(job["out"]))
    if (out / "done").exists():
        return
    if "copy" in job and not out.exists() and rank() == 0:
        shutil.copytree(str(job["copy"]), out)
    Lessons.__call__ = watched(job, out)  # type: ignore[method-assign]
    loop = LoopConfig(
        steps=STEPS, pictures=1, accumulate=int(job["accumulate"]), warmup=1, workers=0,
        log_steps=1, save_steps=2, strategy=str(job["strategy"]), precision="float32",
    )  # fmt: skip
    config = SFTConfig(
        manifest, out, preset="tiny", validation=0.2, test=0.2, most_tokens=4, loop=loop,
        low_rank_rate=1e-2, full_rate=1e-2,
    )  # fmt: skip
    try:
        run(config)
    except StoppedError:
        return
    (out / "done").touch()


def watched(job, out):
    """Give lessons until the step at which the job is to end."""

    def lessons(self, numbers):
        step = max(numbers) // PICTURES
        if step >= job.get("stop", NEVER):
            raise StoppedError
        marker = out / "killed"
        if step >= job.get("kill", NEVER) and rank() == 1 and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return PLAIN(self, numbers)

    return lessons


def rank() -> int:
    """Return this process's number."""
    return int(os.environ.get("RANK", "0"))


if __name__ == "__main__":
    for one in json.loads(sys.argv[2]):
        fine_tune(Path(sys.argv[1]), one)
