"""Measures how many finished pictures a second the maker makes, for each kind and in the mix.

`python -m morelli.data_pipeline.maker.rates PHOTOS GENERATED`; a picture counts with its mask and
with both encoded. What is found once and kept, decoded sources and cut-outs, is found before.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from morelli.data_pipeline.maker.kinds import KINDS
from morelli.data_pipeline.maker.make import make
from morelli.data_pipeline.maker.pool import Pool
from morelli.data_pipeline.masks import to_bytes

MIX = "default mix"
_FIRST_SEED = 70_000


@dataclass(frozen=True, slots=True)
class Rate:
    """What a kind costs.

    Attributes:
        kind: a kind, or `MIX`.
        count: pictures measured.
        elapsed: pictures a second by the clock.
        processor: pictures a second of processor time, which other programs disturb less.
        slowest: seconds of processor time of the slowest picture.
    """

    kind: str
    count: int
    elapsed: float
    processor: float
    slowest: float

    def __str__(self) -> str:
        return (
            f"{self.kind:17} {self.elapsed:7.1f} {self.processor:9.1f} {self.slowest:9.2f}"
            f" {self.count:6}"
        )


HEADING = f"{'kind':17} {'a second':>7} {'of core':>8} {'slowest s':>9} {'n':>6}"


def rate(pool: Pool, kind: str | None, seeds: Sequence[int], side: int) -> Rate:
    """Make a picture a seed twice, and measure the second time.

    Args:
        pool: should have room for all that it decodes.
        kind: see `make`.
        seeds: of the pictures.
        side: of the pictures in pixels.
    """
    for seed in seeds:
        make(pool, seed, side, kind)
    elapsed, spent = [], []
    for seed in seeds:
        clock, processor = time.perf_counter(), time.process_time()
        to_bytes(make(pool, seed, side, kind).mask)
        elapsed.append(time.perf_counter() - clock)
        spent.append(time.process_time() - processor)
    return Rate(
        kind or MIX,
        len(seeds),
        1 / float(np.mean(elapsed)),
        1 / float(np.mean(spent)),
        max(spent),
    )


def main(command: Sequence[str]) -> int:
    """Print the rates."""
    parser = argparse.ArgumentParser(prog="rates", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("photos", type=Path, help="folder with manifest.csv")
    parser.add_argument("generated", type=Path, help="folder with manifest.csv")
    parser.add_argument("--side", type=int, default=512, help="of a picture (default: 512)")
    parser.add_argument("--count", type=int, default=40, help="pictures a kind (default: 40)")
    parser.add_argument("--mix", type=int, default=200, help="pictures of the mix (default: 200)")
    parser.add_argument("--kinds", nargs="*", default=[*KINDS, MIX], metavar="KIND")
    arguments = parser.parse_args(command)
    cv2.setNumThreads(1)
    pool = Pool.from_folders(arguments.photos, arguments.generated, "train")
    sys.stdout.write(HEADING + "\n")
    for kind in arguments.kinds:
        count = arguments.mix if kind == MIX else arguments.count
        seeds = range(_FIRST_SEED, _FIRST_SEED + count)
        try:
            found = str(rate(pool, None if kind == MIX else kind, seeds, arguments.side))
        except ValueError as error:
            found = f"{kind:17} {error}"
        sys.stdout.write(f"{found}\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
