"""Scores a checkpoint on other people's forgeries and on made ones, beside baselines.

    python -m morelli.eval.yardsticks --forgeries DIR --out DIR [--checkpoint DIR] [--half dev]

The short form of `morelli eval manifest` for sets of this project: the dev half, as it is and saved
at JPEG quality 90. Nothing here is used to choose a threshold of the model.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from morelli.eval.benchmarks.item import checked
from morelli.eval.benchmarks.manifests import HALVES
from morelli.eval.evaluate import Selection, look_at, write_scores
from morelli.eval.made_sets import MADE_SETS, made_items
from morelli.eval.predict import Case, cases_of
from morelli.eval.tables import markdown
from morelli.eval.transforms import Transform


def _arguments(command: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="yardsticks", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--forgeries", type=Path, help="folder with manifest.csv; only read")
    parser.add_argument("--out", type=Path, required=True, help="predictions, maps and scores")
    parser.add_argument("--checkpoint", type=Path, help="default: the one that ships")
    parser.add_argument("--half", choices=HALVES, default="dev", help="of the forgeries, by hash")
    parser.add_argument("--sources", nargs="+", metavar="NAME", help="default: all of them")
    parser.add_argument(
        "--reencode", nargs="*", type=int, default=[90], metavar="QUALITY",
        help="score everything saved at these JPEG qualities, too (default: 90)",
    )  # fmt: skip
    parser.add_argument(
        "--made", nargs=2, type=Path, metavar=("PHOTOS", "GENERATED"),
        help="make and score validation sets of these folders, too",
    )  # fmt: skip
    parser.add_argument("--only-score", action="store_true", help="score what is predicted")
    arguments = parser.parse_args(command)
    if not (arguments.forgeries or arguments.made or arguments.only_score):
        parser.error("nothing to score: give --forgeries, --made or --only-score")
    return arguments


def _cases(arguments: argparse.Namespace) -> list[Case]:
    """List what the command asks for."""
    cases: list[Case] = []
    saved = [Transform("jpeg", quality) for quality in arguments.reencode]
    if arguments.forgeries:
        chosen = Selection(
            ["manifest"], arguments.forgeries, arguments.half, arguments.sources, changes=saved
        )
        cases += chosen.cases()
    if arguments.made:
        photos, generated = arguments.made
        for name, wanted in MADE_SETS.items():
            made = made_items(photos, generated, arguments.out / "made", name)
            cases += cases_of(checked(made), saved if wanted.reencoded else ())
    return cases


def main(command: Sequence[str]) -> int:
    """Predict what is missing, score everything, print the tables; return the exit status."""
    arguments = _arguments(command)
    try:
        if not arguments.only_score:
            look_at(_cases(arguments), arguments.checkpoint, arguments.out, words=False)
        scores = write_scores(arguments.out, {})
    except (OSError, ValueError, RuntimeError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(markdown(scores))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
