"""`morelli eval NAME...`, `eval calibrate`, `chat` and `speed`: arguments, and what runs them."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from morelli.serve.arguments import OPERATING_POINTS, device_argument, picture_arguments
from morelli.serve.chat_eval_command import CHAT, chat_eval_arguments, run_chat_eval
from morelli.serve.console import failed
from morelli.serve.speed_command import SPEED, run_speed, speed_arguments

if TYPE_CHECKING:
    from morelli.eval.calibrate import Fit

BENCHMARK_NAMES = (
    "manifest", "misd", "casia1", "columbia", "coverage", "imd2020", "nist16", "autosplice",
    "sidset", "sofake", "fakeclue", "synthscars", "genimage", "mmtd", "forgerynet",
    "loki", "forensicsbench",
)  # fmt: skip
"""The keys of `registry.BENCHMARKS`, repeated because importing those takes half a second."""

_HALVES = ("dev", "test", "all")

_CALIBRATE = """Fit the calibrator of a checkpoint on pictures made of photographs that training
leaves out, and how far mild changes move its verdicts; store both, and print what was measured by
folds."""

EVAL_EPILOG = f"""\
Benchmarks: {", ".join(BENCHMARK_NAMES[:6])},
            {", ".join(BENCHMARK_NAMES[6:12])},
            {", ".join(BENCHMARK_NAMES[12:])}

Examples:
  morelli eval casia1 --layout
  morelli eval casia1 --data CASIA1/ --out results/
  morelli eval columbia coverage --data benchmarks/ --out results/ --transform jpeg resize:0.5
  morelli eval manifest --data mine/ --out results/ --words --limit 100
  morelli eval manifest --data mine/ --out results/ --words --readings removed contradicting
  morelli eval casia1 --data CASIA1/ --out results/ --limit 50 --attack pgd:2 typographic
  morelli eval casia1 --out results/ --only-score
  morelli eval casia1 --data CASIA1/ --out other/ --tool masks-of-other/ --beside results/
  morelli eval calibrate --checkpoint runs/x/adapter --photos photos/ --prior 0.02
  morelli eval chat --photos photos/ --out chat/
  morelli eval speed --out speed/ --batch 16

Writes predictions.jsonl (a line a picture; a run that is started again goes on), and computes
scores.json, scores.md, scores.csv and scores.html from it alone.

Exit status: 0 done, 1 some inputs failed, 2 the command line is wrong."""


def eval_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the benchmarks and the calibration, each a command with its own arguments."""
    commands = parser.add_subparsers(metavar="NAME", required=True)
    for name in BENCHMARK_NAMES:
        one = commands.add_parser(name)
        one.add_argument(
            "more", nargs="*", type=_benchmark, metavar="NAME", help="further benchmarks"
        )
        _benchmark_arguments(one)
        one.set_defaults(evaluate=_score, first=name)
    calibration = commands.add_parser("calibrate", description=_CALIBRATE)
    _calibrate_arguments(calibration)
    calibration.set_defaults(evaluate=_calibrate)
    chat = commands.add_parser("chat", description=CHAT)
    chat_eval_arguments(chat)
    chat.set_defaults(evaluate=run_chat_eval)
    speed = commands.add_parser("speed", description=SPEED)
    speed_arguments(speed)
    speed.set_defaults(evaluate=run_speed)


def run_eval(args: argparse.Namespace) -> int:
    """Run what was asked for and return the exit code."""
    status: int = args.evaluate(args)
    return status


def _benchmark(text: str) -> str:
    if text not in BENCHMARK_NAMES:
        known = ", ".join(BENCHMARK_NAMES)
        raise argparse.ArgumentTypeError(f"no benchmark {text!r}; there are {known}")
    return text


def _benchmark_arguments(parser: argparse.ArgumentParser) -> None:
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
        help="score the pictures changed, too: jpeg, webp, resize, blur, noise, screenshot, "
        "social, chain or crop; without a strength, the protocol's",
    )  # fmt: skip
    parser.add_argument(
        "--attack", nargs="+", default=[], metavar="NAME[:STRENGTH]",
        help="score the pictures attacked, too: pgd (ten gradients a picture), typographic, "
        "spectrum, rebuilt or dilution; without a strength, the protocol's",
    )  # fmt: skip
    parser.add_argument(
        "--readings", nargs="+", default=[], choices=("removed", "shuffled", "contradicting"),
        help="score the same pictures, too, with the instruments' text taken out of the prompt, "
        "another picture's, or the opposite of what was read",
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
        help="put the scores in these folders beside, with the differences and their intervals, if "
        "they are of the same pictures",
    )  # fmt: skip
    device_argument(parser)


def _calibrate_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--checkpoint", type=Path, required=True, metavar="DIR", help="it is written to"
    )
    picture_arguments(parser)
    parser.add_argument("--count", type=int, metavar="N", default=200, help="(default: 200)")
    parser.add_argument(
        "--sides", type=int, nargs="+", default=[256, 384, 448], metavar="PIXELS",
        help="longest sides of the pictures (default: 256 384 448)",
    )  # fmt: skip
    parser.add_argument(
        "--operating-point", choices=OPERATING_POINTS,
        help="decide from now on so that little is missed (screening), errors are even (balanced) "
        "or few are accused (evidence), whatever --prior; default: by the stated probability",
    )  # fmt: skip
    parser.add_argument(
        "--prior", type=float, metavar="P",
        help="print the share of true alarms where this share of all pictures is manipulated",
    )  # fmt: skip
    parser.add_argument(
        "--readings", type=Path, metavar="FILE",
        help="keep what was read here, and trials of mild changes beside it, so that a run that is "
        "stopped goes on",
    )  # fmt: skip
    parser.add_argument(
        "--tried", type=int, metavar="N", default=40,
        help="try mild changes on this many of the pictures, to learn how far what is told of them "
        "can be trusted; 0 trusts it wholly (default: 40)",
    )  # fmt: skip


def _calibrate(args: argparse.Namespace) -> int:
    if args.prior is not None and not 0 < args.prior < 1:
        return failed(f"--prior must lie between 0 and 1, got {args.prior}", 2)
    from morelli.data_pipeline.maker import Pool
    from morelli.eval.calibrate import calibrate

    try:
        pool = Pool.from_folders(args.photos, args.generated, "validation")
        fitted = calibrate(
            args.checkpoint, pool, args.count, tuple(args.sides), args.operating_point,
            args.readings, args.tried,
        )  # fmt: skip
    except (OSError, RuntimeError, ValueError) as error:
        return failed(str(error), 1)
    _print_fit(fitted, args.prior)
    return 0


def _print_fit(fitted: "Fit", prior: float | None) -> None:
    from morelli.eval.stability import table

    for name, figure in fitted.figures.items():
        sys.stdout.write(
            f"{name}: {figure['value']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}]\n"
        )
    for point in fitted.points:
        false, found = point.false_positives, point.recall
        sys.stdout.write(
            f"{point.name}: from {point.threshold_at_even_odds:.3f} at even odds, "
            f"finds {found.value:.1%}, "
            f"false alarms {false.value:.1%} [{false.low:.1%}, {false.high:.1%}] of {false.n}"
        )
        if prior is not None:
            sys.stdout.write(f", true alarms {point.precision(prior):.1%} at {prior:g}")
        sys.stdout.write("\n")
    if fitted.stability:
        slopes = ", ".join(
            f"{name} {slope:.2f}" for name, slope in fitted.calibrator.slopes.items()
        )
        sys.stdout.write(f"mild changes, told from a copy with slopes {slopes}:\n")
        sys.stdout.write(table(fitted.stability))


def _score(args: argparse.Namespace) -> int:
    names = list(dict.fromkeys([args.first, *args.more]))
    if args.layout:
        return _print_layouts(names)
    if args.tool is not None and (args.transform or args.attack or args.readings):
        return failed(
            "--transform, --attack and --readings change what is seen, which --tool has not; "
            "leave one out", 2
        )  # fmt: skip
    if args.data is None and not args.only_score:
        return failed("give --data DIR, or --only-score for predictions that are there", 2)
    from morelli.eval.attacks import Attack
    from morelli.eval.benchmarks.registry import BENCHMARKS
    from morelli.eval.evaluate import Selection, look_at, write_scores
    from morelli.eval.external import import_answers
    from morelli.eval.tables import markdown
    from morelli.eval.transforms import Transform

    try:
        changes: list[Transform | Attack] = [*Transform.read(args.transform)]
        changes += Attack.read(args.attack)
    except ValueError as error:
        return failed(str(error), 2)
    try:
        if not args.only_score:
            chosen = Selection(names, args.data, args.half, args.sources, args.limit, changes,
                               args.readings)  # fmt: skip
            if args.tool is None:
                look_at(chosen.cases(), args.checkpoint, args.out, args.words, args.device)
            else:
                tool = args.tool_name or args.tool.stem
                import_answers(args.tool, tool, chosen.cases(), args.out)
        protocols = {name: BENCHMARKS[name].protocol for name in names}
        scores = write_scores(args.out, protocols, args.beside)
    except (OSError, RuntimeError, ValueError, ImportError) as error:
        return failed(str(error), 1)
    sys.stdout.write(markdown(scores))
    return 0


def _print_layouts(names: list[str]) -> int:
    from morelli.eval.benchmarks.registry import BENCHMARKS

    for name in names:
        one = BENCHMARKS[name]
        parts = (("layout", one.layout), ("protocol", one.protocol), ("from", one.where))
        sys.stdout.write(f"{name}: {one.title}\n")
        for title, text in parts:
            heads = [f"{title}:", *[""] * text.count("\n")]
            for head, line in zip(heads, text.splitlines(), strict=True):
                sys.stdout.write(f"  {head:<10}{line}\n")
    return 0
