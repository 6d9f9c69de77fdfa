"""`morelli eval NAME...`: the arguments of an evaluation and what runs it."""

import argparse
import sys
from pathlib import Path

BENCHMARK_NAMES = (
    "manifest", "misd", "casia1", "columbia", "coverage", "imd2020", "nist16", "autosplice",
    "sid-set", "fakeclue", "synthscars", "genimage",
)  # fmt: skip
"""The keys of `registry.BENCHMARKS`, repeated because importing those takes half a second."""

_HALVES = ("dev", "test", "all")

EVAL_EPILOG = f"""\
Benchmarks: {", ".join(BENCHMARK_NAMES[:6])},
            {", ".join(BENCHMARK_NAMES[6:])}

Examples:
  morelli eval casia1 --layout
  morelli eval casia1 --data CASIA1/ --out results/
  morelli eval columbia coverage --data benchmarks/ --out results/ --transform jpeg resize:0.5
  morelli eval manifest --data mine/ --out results/ --words --limit 100
  morelli eval casia1 --out results/ --only-score
  morelli eval casia1 --data CASIA1/ --out other/ --tool masks-of-other/ --beside results/

Writes predictions.jsonl (a line a picture; a run that is started again goes on), and computes
scores.json, scores.md, scores.csv and scores.html from it alone.

Exit status: 0 done, 1 some inputs failed, 2 the command line is wrong."""


def eval_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of an evaluation."""
    parser.add_argument(
        "names", nargs="+", metavar="NAME", choices=BENCHMARK_NAMES, help="benchmark, see below"
    )
    parser.add_argument(
        "--data", type=Path, metavar="DIR",
        help="folder of the benchmark; of several, the folder that holds DIR/NAME of each",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, metavar="DIR", default=Path("results"),
        help="folder for predictions, maps and scores (default: ./results)",
    )  # fmt: skip
    parser.add_argument(
        "--checkpoint", type=Path, metavar="DIR",
        help="trained checkpoint to score (default: the one that ships with Morelli)",
    )  # fmt: skip
    parser.add_argument(
        "--layout", action="store_true", help="print what the folder must hold, and no more"
    )
    parser.add_argument(
        "--only-score", action="store_true", help="score the predictions that are there"
    )
    parser.add_argument(
        "--half", choices=_HALVES, default="all",
        help="score one half of the pictures, by the hash of their path (default: all)",
    )  # fmt: skip
    parser.add_argument(
        "--sources", nargs="+", metavar="NAME", help="score these parts only (default: all)"
    )
    parser.add_argument(
        "--limit", type=int, metavar="N", help="score at most N pictures of each set, by hash"
    )
    parser.add_argument(
        "--transform", nargs="+", default=[], metavar="NAME[:STRENGTH]",
        help="score the pictures changed, too: jpeg, webp, resize, blur, noise, screenshot, social "
        "or crop; without a strength, the protocol's",
    )  # fmt: skip
    parser.add_argument(
        "--words", action="store_true", help="score the reasons, too; takes about twice as long"
    )
    parser.add_argument(
        "--tool", type=Path, metavar="PATH",
        help="score another tool instead of a checkpoint: a folder with its mask of each picture, "
        'or JSON lines {"id", "map", "score", "verdict"}',
    )  # fmt: skip
    parser.add_argument("--tool-name", metavar="NAME", help="(default: the name of PATH)")
    parser.add_argument(
        "--beside", nargs="+", type=Path, default=[], metavar="DIR",
        help="put the scores in these folders beside, if they are of the same pictures",
    )  # fmt: skip


def run_eval(args: argparse.Namespace) -> int:
    """Run an evaluation and return the exit code."""
    if args.layout:
        return _print_layouts(args.names)
    if args.tool is not None and args.transform:
        return _failed("--transform changes pictures, which --tool has not seen; leave one out", 2)
    if args.data is None and not args.only_score:
        return _failed("give --data DIR, or --only-score for predictions that are there", 2)
    from morelli.eval.benchmarks.registry import BENCHMARKS
    from morelli.eval.evaluate import Selection, look_at, write_scores
    from morelli.eval.external import import_answers
    from morelli.eval.tables import markdown
    from morelli.eval.transforms import read_transforms

    try:
        transforms = read_transforms(args.transform)
    except ValueError as error:
        return _failed(str(error), 2)
    try:
        if not args.only_score:
            chosen = Selection(
                args.names, args.data, args.half, args.sources, args.limit, transforms
            )
            if args.tool is None:
                look_at(chosen.cases(), args.checkpoint, args.out, args.words)
            else:
                name = args.tool_name or args.tool.stem
                import_answers(args.tool, name, chosen.cases(), args.out)
        protocols = {name: BENCHMARKS[name].protocol for name in args.names}
        scores = write_scores(args.out, protocols, args.beside)
    except (OSError, RuntimeError, ValueError, ImportError) as error:
        return _failed(str(error), 1)
    sys.stdout.write(markdown(scores))
    return 0


def _print_layouts(names: list[str]) -> int:
    from morelli.eval.benchmarks.registry import BENCHMARKS

    for name in names:
        one = BENCHMARKS[name]
        parts = (("layout", one.layout), ("protocol", one.protocol), ("from", one.where))
        sys.stdout.write(f"{name}: {one.title}\n")
        for title, text in parts:
            for line in text.splitlines():
                sys.stdout.write(f"  {title + ':':<10}{line}\n")
                title = ""
    return 0


def _failed(message: str, status: int) -> int:
    sys.stderr.write(f"morelli: {' '.join(message.split())}\n")
    return status
