"""`morelli train STAGE`: the arguments of each training stage and what runs it."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from morelli.data_pipeline.config import ConfigError, configure


def localise_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the first stage."""
    _shared_arguments(parser)
    parser.add_argument(
        "--start",
        type=Path,
        metavar="PATH",
        help="adapter folder to go on from, or the first experiment's weights (default: none)",
    )


def instruct_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the second stage."""
    _shared_arguments(parser)
    parser.add_argument(
        "--start", type=Path, required=True, metavar="DIR", help="the first stage's adapter folder"
    )


def _shared_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--photos", type=Path, required=True, metavar="DIR",
        help="untouched photographs, listed in DIR/manifest.csv",
    )  # fmt: skip
    parser.add_argument(
        "--generated", type=Path, metavar="DIR",
        help="generated pictures, likewise (default: none, and no synthetic class)",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR",
        help="folder of the run; a run found there goes on from its last checkpoint",
    )  # fmt: skip
    parser.add_argument("--config", type=Path, metavar="FILE", help="TOML file of settings")
    parser.add_argument(
        "settings", nargs="*", metavar="NAME=VALUE", help="single settings, such as loop.steps=200"
    )


def run_localise(args: argparse.Namespace) -> int:
    """Run the first stage and return the exit code."""
    from morelli.training.localise import LocaliseConfig, run

    base = LocaliseConfig(photos=args.photos, generated=args.generated, out=args.out)
    return _run(args, replace(base, start=args.start), run)


def run_instruct(args: argparse.Namespace) -> int:
    """Run the second stage and return the exit code."""
    from morelli.training.instruct import InstructConfig, run

    base = InstructConfig(
        photos=args.photos, generated=args.generated, out=args.out, start=args.start
    )
    return _run(args, base, run)


def _run(args: argparse.Namespace, base: Any, run: Any) -> int:
    from morelli.model.base_weights import PullError

    try:
        config = configure(base, args.config, args.settings)
    except ConfigError as error:
        sys.stderr.write(f"morelli: {error}\n")
        return 2
    try:
        folder = run(config)
    except (PullError, OSError) as error:
        sys.stderr.write(f"morelli: {error}\n")
        return 1
    sys.stdout.write(f"{folder}\n")
    return 0
