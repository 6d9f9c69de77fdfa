"""`morelli eval chat`: its arguments and what runs it."""

import argparse
import sys
from pathlib import Path

from morelli.serve.arguments import count, device_argument, picture_arguments
from morelli.serve.console import failed

CHAT = """Ask about made pictures of photographs that training leaves out: questions of eight kinds
(verdict, where, why, how sure, false premise, off topic, limit, planted text), worded otherwise
than any lesson. Replies are held against the report of each picture by the rules in
eval/chat_rules.py. Writes predictions.jsonl, a line a picture, and computes scores.json, scores.md
and scores.html from it alone; a run that is started again goes on."""


def chat_eval_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what is asked of whom, and where it is kept."""
    picture_arguments(parser, required=False)
    parser.add_argument(
        "--checkpoint", type=Path, metavar="DIR",
        help="trained checkpoint to ask (default: the one that ships with Morelli)",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, metavar="DIR", default=Path("chat"),
        help="folder for replies and scores (default: ./chat)",
    )  # fmt: skip
    parser.add_argument(
        "--count", type=count, metavar="N", default=300, help="questions (default: 300)"
    )
    parser.add_argument(
        "--only-score", action="store_true", help="score the replies that are there"
    )
    device_argument(parser)
    parser.add_argument(
        "--store", action="store_true",
        help="write the figures into the checkpoint: pages call its chat limited unless they are "
        "good, and reports cite them",
    )  # fmt: skip


def run_chat_eval(args: argparse.Namespace) -> int:
    """Ask, score, print the table and return the exit code."""
    if args.photos is None and not args.only_score:
        return failed("give --photos DIR, or --only-score for replies that are there", 2)
    if args.store and args.checkpoint is None:
        return failed("--store writes into a checkpoint; name it with --checkpoint DIR", 2)
    from morelli.eval.chat_scores import markdown, store, write_scores

    try:
        if not args.only_score:
            _ask(args)
        scores = write_scores(args.out)
        if args.store:
            store(args.checkpoint, scores)
    except (OSError, RuntimeError, ValueError) as error:
        return failed(str(error), 1)
    sys.stdout.write(markdown(scores))
    return 0


def _ask(args: argparse.Namespace) -> None:
    """Examine and ask, as far as it was not done before."""
    from morelli.data_pipeline.maker import Pool
    from morelli.eval.chat import converse, made_pictures
    from morelli.model.examiner import Examiner

    pool = Pool.from_folders(args.photos, args.generated, "validation")
    examiner = Examiner.load(args.checkpoint, stability=False, device=args.device)
    told = tuple(examiner.model.config.map_names)
    identity = examiner.checkpoint.sha256
    converse(examiner, told, identity, made_pictures(pool), args.out, args.count)
