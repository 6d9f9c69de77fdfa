"""Measures the page under load: start, simultaneous visitors, and memory over time.

    python -m morelli.serve.serving_speed [--users 8] [--minutes 30] [--out FILE] [--checkpoint DIR]

It starts `morelli demo` itself, on a free port. Three parts, one after the other:

- from the start of the command until the page is served, with the model loaded;
- one visitor alone, several times, then many at the same moment, each with a picture of a megapixel
  of his own: errors, the slowest verdict, and whether anybody saw what belongs to another;
- visitors who examine, ask, leave early and send what is no picture, for so many minutes: memory of
  the server and its children, the last fifth of the time against the second.

Leave the machine alone meanwhile: everything else that runs is measured too.
"""

import argparse
import asyncio
import contextlib
import json
import random
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import psutil

from morelli.eval.speed import circumstances, made_photograph
from morelli.serve.load_visitors import LoadError, Page, Visit, visitor

READY_LIMIT = 10.0
MEMORY_LIMIT = 1.05
_SIDE = 1000
_SMALL_SIDE = 320
_SAMPLE_SECONDS = 5.0
_START_SECONDS = 600.0
_AT_A_TIME = 3


@contextlib.contextmanager
def page_server(checkpoint: Path | None) -> Iterator[tuple[str, psutil.Process, float]]:
    """Run `morelli demo`; gives its address, its process and the seconds until it was up.

    Raises:
        LoadError: it ended, or was not up in time.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "morelli.serve.cli", "demo", "--port", str(port)]
    if checkpoint is not None:
        command += ["--checkpoint", str(checkpoint)]
    url, start = f"http://127.0.0.1:{port}", time.perf_counter()
    server = subprocess.Popen(command)
    try:
        while not _is_up(url):
            if server.poll() is not None or time.perf_counter() - start > _START_SECONDS:
                raise LoadError(f"morelli demo did not come up (status {server.poll()})")
            time.sleep(0.05)
        yield url, psutil.Process(server.pid), time.perf_counter() - start
    finally:
        server.terminate()
        server.wait(60)


def _is_up(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=5).close()
    except (urllib.error.URLError, OSError):
        return False
    return True


def photograph(seed: int, side: int = _SIDE) -> bytes:
    """Return a made photograph as the bytes of a JPEG file; another one for every seed."""
    pixels = made_photograph(side, side, seed=seed)
    return bytes(cv2.imencode(".jpg", pixels[..., ::-1])[1].tobytes())


async def alone(page: Page, times: int) -> tuple[float, dict[int, str]]:
    """Examine pictures one after the other; returns the median seconds, and each verdict."""
    seconds, verdicts = [], {}
    for seed in range(times):
        async with visitor(page) as one:
            visit = await one.examine(photograph(seed), f"alone-{seed}.jpg")
        verdicts[seed] = visit.verdict
        seconds.append(_seconds(visit))
    # The first one also pays for what is set up when it is first needed.
    return statistics.median(seconds[1:]), verdicts


async def together(page: Page, users: int, alone_verdicts: dict[int, str]) -> dict[str, Any]:
    """Let visitors examine at the same moment, and look for what they should not have seen."""

    async def visit(seed: int) -> Visit:
        async with visitor(page) as one:
            return await one.examine(photograph(seed), f"visitor-{seed}-only.jpg")

    visits = await asyncio.gather(*(visit(seed) for seed in range(users)), return_exceptions=True)
    done = {seed: one for seed, one in enumerate(visits) if isinstance(one, Visit)}
    strangers = [
        (seed, other)
        for seed, one in done.items()
        for other in range(users)
        if other != seed and any(f"visitor-{other}-only" in text for text in one.seen)
    ]
    return {
        "errors": [repr(one) for one in visits if not isinstance(one, Visit)],
        "seconds": sorted(round(_seconds(one), 2) for one in done.values()),
        "saw_of_others": strangers,
        "other_verdict_than_alone": [
            seed for seed, one in done.items() if one.verdict != alone_verdicts.get(seed)
        ],
    }


async def mixed(page: Page, process: psutil.Process, seconds: float) -> dict[str, Any]:
    """Keep a few visitors coming for so long, and sample the memory of the server."""
    end, counts = time.monotonic() + seconds, {"visits": 0, "failed": 0}
    samples: list[float] = []

    async def come_and_go(seed: int) -> None:
        rng = random.Random(seed)
        while time.monotonic() < end:
            counts["visits"] += 1
            try:
                await _errand(page, rng)
            except (LoadError, OSError, ValueError, KeyError) as error:
                counts["failed"] += 1
                sys.stderr.write(f"{error!r}\n")

    async def watch() -> None:
        while time.monotonic() < end:
            samples.append(_megabytes(process))
            await asyncio.sleep(_SAMPLE_SECONDS)

    await asyncio.gather(watch(), *(come_and_go(seed) for seed in range(_AT_A_TIME)))
    fifth = max(1, len(samples) // 5)
    early, late = statistics.median(samples[fifth : 2 * fifth]), statistics.median(samples[-fifth:])
    return counts | {
        "minutes": round(seconds / 60, 1),
        "megabytes_early": round(early),
        "megabytes_late": round(late),
        "growth": round(late / early, 4),
        "megabytes_most": round(max(samples)),
    }


async def _errand(page: Page, rng: random.Random) -> None:
    """Do one of the things that visitors do."""
    data = photograph(rng.randrange(1 << 30), rng.choice((_SMALL_SIDE, _SMALL_SIDE, _SIDE)))
    errand = rng.choice(("ask", "ask", "second", "leave", "refused"))
    async with visitor(page) as one:
        if errand == "refused":
            if not (await one.examine(rng.randbytes(5000), "photo.jpg")).refused:
                raise LoadError("what is no picture was not refused")
            return
        await one.examine(data, "photo.jpg", "verdict" if errand == "leave" else "words")
        if errand == "second":
            await one.examine(photograph(rng.randrange(1 << 30), _SMALL_SIDE), "second.jpg")
        if errand != "leave":
            await one.ask("Which measurement speaks most for it?")


def _seconds(visit: Visit) -> float:
    if visit.verdict_seconds is None:
        raise LoadError("no verdict was shown")
    return visit.verdict_seconds


def _megabytes(process: psutil.Process) -> float:
    """Return the resident memory of a process and its children in megabytes."""
    total: int = process.memory_info().rss
    for child in process.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            total += child.memory_info().rss
    return float(total) / 1e6


async def measure(url: str, process: psutil.Process, users: int, minutes: float) -> dict[str, Any]:
    """Measure a page that is up."""
    page = await Page.at(url)
    single, verdicts = await alone(page, max(users, 4))
    crowd = await together(page, users, verdicts)
    crowd["limit_seconds"] = round(users * single, 2)
    load = await mixed(page, process, 60 * minutes) if minutes else {}
    return {"alone_seconds": round(single, 2), "together": crowd, "load": load}


def reached(figures: dict[str, Any]) -> dict[str, bool]:
    """Tell which of the limits were kept."""
    crowd, load = figures["together"], figures["load"]
    kept = {
        "ready": figures["ready_seconds"] <= READY_LIMIT,
        "no_error": not crowd["errors"],
        "no_cross_talk": not crowd["saw_of_others"] and not crowd["other_verdict_than_alone"],
        "verdicts_in_time": max(crowd["seconds"], default=1e9) <= crowd["limit_seconds"],
    }
    if load:
        kept["no_failure_under_load"] = not load["failed"]
        kept["memory_flat"] = load["growth"] <= MEMORY_LIMIT
    return kept


def main() -> int:
    """Measure, print and write; the exit status is 1 if a limit was not kept."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--users", type=int, default=8, help="simultaneous visitors (default: 8)")
    parser.add_argument(
        "--minutes", type=float, default=30.0, help="of mixed load, 0 for none (default: 30)"
    )
    parser.add_argument("--checkpoint", type=Path, help="default: the one that ships")
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    args = parser.parse_args()
    with page_server(args.checkpoint) as (url, process, ready):
        figures = asyncio.run(measure(url, process, args.users, args.minutes))
    figures = {"ready_seconds": round(ready, 2), **figures, "circumstances": circumstances()}
    figures["reached"] = reached(figures)
    text = json.dumps(figures, indent=1) + "\n"
    sys.stdout.write(text)
    if args.out:
        args.out.write_text(text)
    return 0 if all(figures["reached"].values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
