"""`morelli examine IMAGE...`: verdict, where and why in the terminal, and a report of each."""

import argparse
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from morelli.serve.arguments import model_arguments, pixels, size_argument
from morelli.serve.console import LoadingError, complain, failed, load_examiner, one_line, say

if TYPE_CHECKING:
    from morelli.serve.batch import Outcome

EPILOG = """\
Examples:
  morelli examine photo.jpg
  morelli examine *.jpg --out case-17/ --prior 0.02
  morelli examine photo.jpg --json | jq .verdict

Each picture gets a folder with its page (report.html), mask.png, overlay.png, map.png and
the maps of the instruments; reports.jsonl gets one object a picture. A file that cannot be
examined gets an object with the reason, and the others are still examined.

The base rate matters: the same evidence means less where manipulations are rare. State it
with --prior.

Exit status: 0 done, 1 some inputs failed, 2 the command line is wrong."""


def examine_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `morelli examine`."""
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="picture file to examine")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("reports"),
        metavar="DIR",
        help="folder that the reports are written to (default: ./reports)",
    )
    parser.add_argument(
        "--json", action="store_true", help="print the report objects, one a line, and no more"
    )
    model_arguments(parser)
    size_argument(parser)


def run_examine(args: argparse.Namespace) -> int:
    """Examine each picture in turn; return the exit code."""
    from morelli.data_pipeline.images import Limits
    from morelli.serve.batch import OutputError, examine_all, open_folder

    try:
        # Asked first, since loading a model only to find no place for its report wastes seconds.
        open_folder(args.out)
    except OutputError as error:
        return failed(one_line(error))

    try:
        examiner = load_examiner(args)
        limits = Limits(max_pixels=pixels(args.max_pixels))
        show = _shower(len(args.images), args.json)
        refused = examine_all(examiner, args.images, args.out, limits, show)
    except (LoadingError, OutputError) as error:
        return failed(one_line(error))
    return 1 if refused else 0


def _shower(total: int, as_json: bool) -> Callable[["Outcome"], None]:
    """Return what prints each outcome, under a progress bar if there are several."""
    from tqdm import tqdm

    from morelli.data_pipeline.report import to_line
    from morelli.serve.render import printable, render_text

    bar = tqdm(total=total, unit="image", file=sys.stderr, disable=None if total > 1 else True)
    width = min(shutil.get_terminal_size().columns, 100)

    def show(outcome: "Outcome") -> None:
        bar.clear()
        if outcome.page is None:
            complain(printable(outcome.record["error"]["message"]))
        if as_json:
            say(to_line(outcome.record))
        elif outcome.page is not None:
            say(render_text(outcome.record, outcome.where, outcome.page, width) + "\n")
        bar.update()
        if bar.n == total:
            bar.close()

    return show
