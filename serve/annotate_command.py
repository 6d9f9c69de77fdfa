"""`morelli data annotate`: its arguments and what runs it."""

import argparse
import os
import sys
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from morelli.serve.arguments import count
from morelli.serve.console import complain, failed, one_line

if TYPE_CHECKING:
    from morelli.data_pipeline.annotation import Tally
    from morelli.data_pipeline.annotator import Annotator

KEY_VARIABLE = "MORELLI_ANNOTATOR_KEY"

_MOST_SHOWN = 20
_LOOKED_AT = 8
"""Pictures that an estimate is made from."""

EPILOG = f"""\
Examples:
  morelli data annotate synth/manifest.jsonl --out taught.jsonl
  morelli data annotate my.jsonl --out new.jsonl --endpoint http://gpu:8001/v1 --model M --workers 8
  morelli data annotate my.jsonl --out new.jsonl --model M --estimate --prices 0.4 1.6

Measures every picture and writes an answer in the grammar and a conversation into a new manifest.
Without --endpoint the teacher's grammar writes. With it, an OpenAI-compatible server does; its key
is read from the variable {KEY_VARIABLE}. It is told the label, how the picture was made and
the readings, and shown a copy of 768 pixels unless --no-pictures. Every claim that comes back is
held against the readings; what is not true is dropped, asked for anew once, and at last left to
the grammar. Answers are kept in --cache, and a run that was stopped asks nothing twice.

Exit status: 0 done, 1 some pictures could not be used or the server gave no answer, 2 the command
line is wrong."""


def annotate_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `data annotate`."""
    parser.add_argument("manifest", type=Path, metavar="FILE", help="manifest.jsonl with labels")
    parser.add_argument("--out", type=Path, required=True, metavar="NEW", help="manifest to write")
    parser.add_argument("--seed", type=int, default=0, help="of the grammar's wording (default: 0)")
    parser.add_argument(
        "--turns", type=int, choices=range(7), default=2, metavar="N",
        help="most questions that follow the first answer (default: 2)",
    )  # fmt: skip
    parser.add_argument(
        "--workers", type=count, default=1, metavar="N", help="pictures at once (default: 1)"
    )
    parser.add_argument("--endpoint", metavar="URL", help="where an OpenAI-compatible API begins")
    parser.add_argument("--model", metavar="NAME", help="which of its models to ask")
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help="answers (default: NEW's folder/annotations)"
    )
    parser.add_argument(
        "--no-pictures", action="store_true", help="tell the model of pictures without showing them"
    )
    parser.add_argument(
        "--prices", type=float, nargs=2, metavar=("IN", "OUT"),
        help="of a million tokens sent and received, for estimate and account",
    )  # fmt: skip
    parser.add_argument(
        "--estimate", action="store_true", help="print what it would take, and stop"
    )


def run_annotate(args: argparse.Namespace) -> int:
    """Annotate a manifest and return the exit code."""
    if (args.endpoint is None) != (args.model is None):
        return failed("give --endpoint URL and --model NAME together, or neither", 2)
    if args.estimate and args.endpoint is None:
        return failed("the grammar costs nothing; --estimate goes with --endpoint", 2)
    from morelli.data_pipeline.annotator import AnnotatorError

    try:
        if args.estimate:
            return _estimated(args)
        return _annotated(args)
    except (AnnotatorError, OSError, ValueError) as error:
        return failed(one_line(error))


def _estimated(args: argparse.Namespace) -> int:
    from morelli.data_pipeline.annotation import estimate
    from morelli.data_pipeline.checks.rows import about_tokens
    from morelli.data_pipeline.manifest import rows_of

    total = sum(1 for _ in rows_of(args.manifest))
    some = (row for _, row in islice(rows_of(args.manifest), _LOOKED_AT))
    sent, received = estimate(some, total, not args.no_pictures, about_tokens)
    words = f"{total} pictures: about {sent:,} tokens sent and {received:,} received"
    if args.prices:
        words += f", {(sent * args.prices[0] + received * args.prices[1]) / 1e6:,.2f} to pay"
    sys.stdout.write(words + "\n")
    return 0


def _annotated(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    from morelli.data_pipeline.annotation import Manner, Tally, annotated
    from morelli.data_pipeline.annotator import Annotator
    from morelli.data_pipeline.manifest import rows_of, write_rows

    annotator = None
    if args.endpoint:
        cache = args.cache or args.out.parent / "annotations"
        annotator = Annotator(args.endpoint, args.model, cache, os.environ.get(KEY_VARIABLE))
    tally = Tally(0, 0, 0, [])
    manner = Manner(annotator, not args.no_pictures, args.turns, args.seed, args.workers)
    rows = annotated(rows_of(args.manifest), tally, manner)
    write_rows(tqdm(rows, unit="picture", disable=None), args.out)
    for line in tally.unreadable[:_MOST_SHOWN]:
        complain(f"{args.manifest}: {line}")
    sys.stdout.write(f"{args.out}: {_account(tally, annotator, args.prices)}\n")
    return 1 if tally.unreadable else 0


def _account(tally: "Tally", annotator: "Annotator | None", prices: list[float] | None) -> str:
    words = f"{tally.written} conversations"
    if annotator is None:
        return words
    spent = annotator.spent
    words += (
        f", {tally.by_model} by {annotator.model}, {tally.dropped} lines of it dropped;"
        f" {spent.asked} answers asked for, {spent.kept} kept from before,"
        f" {spent.sent:,} tokens sent and {spent.received:,} received"
    )
    if prices:
        words += f", {spent.cost((prices[0], prices[1])):,.2f} to pay"
    return words
