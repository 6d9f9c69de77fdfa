"""`morelli eval speed`: its arguments and what runs it."""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from morelli.serve.arguments import count, number
from morelli.serve.console import failed

SPEED = """Measure seconds and memory of every stage, tokens and pictures a second, each beside what
this machine could do at best, and beside a plain loop over Hugging Face's generate on the same
weights. Stop everything else on the machine first."""

_MOST_MEGAPIXELS = 200
_OF_A_BATCH = 1.0
"""Megapixels of the pictures of a batch."""


def speed_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what is measured and how often."""
    parser.add_argument(
        "--checkpoint", type=Path, metavar="DIR",
        help="trained checkpoint (default: the one that ships with Morelli)",
    )  # fmt: skip
    parser.add_argument(
        "--megapixels", type=number(0, _MOST_MEGAPIXELS), nargs="+", default=[1.0, 12.0],
        metavar="N", help="sizes of pictures (default: 1 12)",
    )  # fmt: skip
    parser.add_argument(
        "--photo", type=Path, metavar="FILE",
        help="picture that is brought to each size (default: a made one)",
    )  # fmt: skip
    parser.add_argument(
        "--repeats", type=count, metavar="N", default=3,
        help="runs at a megapixel; larger pictures get fewer (default: 3)",
    )  # fmt: skip
    parser.add_argument(
        "--plain", type=int, metavar="N", default=3,
        help="pictures that go through plain generate as well, 0 for none (default: 3)",
    )  # fmt: skip
    parser.add_argument(
        "--batch", type=int, metavar="N", default=0,
        help="also time morelli report on N pictures of a megapixel (default: 0, none)",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="folder for speed.json and speed.md"
    )


def run_speed(args: argparse.Namespace) -> int:
    """Measure, print the table, write both forms and return the exit code."""
    from morelli.eval.speed import Settings, measure_all, table

    settings = Settings(
        args.checkpoint, args.photo, tuple(dict.fromkeys(args.megapixels)), args.repeats,
        args.plain,
    )  # fmt: skip
    try:
        if args.out is not None:
            args.out.mkdir(parents=True, exist_ok=True)
        measured = measure_all(settings)
        if args.batch > 0:
            measured["figures"] += _batches(args.checkpoint, args.batch, measured)
        text = table(measured)
        if args.out is not None:
            record = json.dumps(measured, indent=1)
            (args.out / "speed.json").write_text(record + "\n", encoding="utf-8")
            (args.out / "speed.md").write_text(text, encoding="utf-8")
    except (OSError, RuntimeError, ValueError, subprocess.CalledProcessError) as error:
        return failed(str(error), 1)
    sys.stdout.write(text)
    return 0


def _batches(
    checkpoint: Path | None, pictures: int, measured: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return pictures a second of the loop and of the engine of `morelli report`.

    The bound is that of looking: words are written for several pictures beside each other, so that
    reading the weights bounds a batch less the larger it is.
    """
    from dataclasses import asdict

    from morelli.eval.speed import Figure, size_of
    from morelli.serve.report_speed import make_folder, measure_rate

    looked = f"{_OF_A_BATCH:g} megapixel: verdict and map"
    least = {one["name"]: one["bound"] for one in measured["figures"]}.get(looked)
    with tempfile.TemporaryDirectory(prefix="morelli-") as work:
        folder = Path(work) / "in"
        width, height = size_of(_OF_A_BATCH)
        make_folder(folder, pictures, ((height, width),))
        found = measure_rate(folder, Path(work), checkpoint)
    return [
        asdict(
            Figure(f"{pictures} pictures, {name}", one["images"] / one["seconds"], "pictures/s",
                   bound=None if least is None else 1 / least)
        )
        for name, one in found.items()
    ]  # fmt: skip
