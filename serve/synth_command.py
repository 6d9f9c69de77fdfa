"""`morelli data synth`: its arguments and what runs it."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from morelli.serve.arguments import count
from morelli.serve.console import complain, failed, one_line

if TYPE_CHECKING:
    from morelli.data_pipeline.maker import Order, Pool

FORMATS = ("folder", "webdataset", "parquet")
"""The keys of `shards.FORMATS`, repeated because importing those takes long."""

_MOST_SHOWN = 20

EPILOG = """\
Examples:
  morelli data synth --out synth/ --count 1000 --photos photos/
  morelli data synth --out synth/ --count 1000 --photos photos/ --generated generated/ --seed 7
  morelli data synth --out synth/ --count 50000 --photos photos/ --format webdataset --workers 8
  morelli data synth --kinds

Makes labelled forgeries, untouched photographs and generated images from yours, with their masks
and DIR/manifest.jsonl. The same seed makes the same bytes. A run that was stopped goes on where
it was, with any number of workers; the set is the same.

Exit status: 0 done, 1 some pictures could not be made, 2 the command line is wrong."""


def synth_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `data synth`."""
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for the set")
    parser.add_argument("--count", type=count, metavar="N", help="how many pictures to make")
    parser.add_argument(
        "--photos", type=Path, metavar="DIR", help="photographs with a manifest.csv"
    )
    parser.add_argument(
        "--generated", type=Path, metavar="DIR",
        help="generated images with a manifest.csv; without them none is drawn to be synthetic",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="first seed (default: 0)")
    parser.add_argument(
        "--side", type=count, metavar="N",
        help="height and width of the pictures (default: 256 to 1024, drawn)",
    )  # fmt: skip
    parser.add_argument(
        "--kind", metavar="NAME", help="make this kind only (default: all, as they are weighted)"
    )
    parser.add_argument(
        "--camera", action="store_true",
        help="photographs that were never resized only, small edits, one or two compressions",
    )  # fmt: skip
    parser.add_argument("--kinds", action="store_true", help="list the kinds, and stop")
    parser.add_argument(
        "--part", choices=("train", "validation"), default="train",
        help="cameras and sources to draw from: those of validation are kept out of training",
    )  # fmt: skip
    parser.add_argument(
        "--format", choices=FORMATS, default="folder",
        help="files, or shards: WebDataset tars or parquet tables (default: folder)",
    )  # fmt: skip
    parser.add_argument(
        "--shard", type=count, default=64, metavar="N",
        help="pictures in a shard, and the most that a stop can lose a worker (default: 64)",
    )  # fmt: skip
    parser.add_argument(
        "--workers", type=count, default=1, metavar="N", help="processes at once (default: 1)"
    )


def run_synth(args: argparse.Namespace) -> int:
    """Make a set and return the exit code."""
    if args.kinds:
        sys.stdout.write(_kinds())
        return 0
    missing = [name for name in ("out", "count", "photos") if getattr(args, name) is None]
    if missing:
        return failed(f"give {' and '.join('--' + name for name in missing)}", 2)
    from morelli.data_pipeline.maker import Order, Pool

    order = Order(
        first=args.seed, count=args.count, side=args.side, kind=args.kind,
        camera=args.camera, format=args.format, batch=args.shard,
    )  # fmt: skip
    try:
        pool = Pool.from_folders(args.photos, args.generated, args.part)
        return _written(pool, args.out, order, args.workers)
    except (OSError, ValueError) as error:
        return failed(one_line(error))


def _kinds() -> str:
    """Return a line for each kind: its name, its label and what it is."""
    from morelli.data_pipeline.maker.kinds import KINDS, summary_of, verdict_of

    return "".join(f"{kind:17} {verdict_of(kind):10} {summary_of(kind)}\n" for kind in KINDS)


def _written(pool: "Pool", out: Path, order: "Order", workers: int) -> int:
    """Write the set, say what could not be made, and return the exit code."""
    from tqdm import tqdm

    from morelli.data_pipeline.maker import write_samples

    with tqdm(total=order.count, unit="picture", disable=None) as bar:
        written = write_samples(pool, out, order, workers, bar.update)
    for failure in written.failures[:_MOST_SHOWN]:
        complain(failure)
    if written.failures:
        complain(f"{len(written.failures)} pictures could not be made")
    sys.stdout.write(f"{written.manifest}: {written.count} pictures\n")
    return 1 if written.failures else 0
