"""`morelli train regenerator`: its arguments and what runs it."""

import argparse
import logging
import sys
from pathlib import Path

from morelli.serve.arguments import photos_argument, settings_arguments
from morelli.serve.console import failed, one_line

EPILOG = """\
example:
  morelli train regenerator --photos photos --out nets steps=8000

Trains the small autoencoders by which the maker of training pictures regenerates photographs, and
writes an ONNX file each; it goes on from those in DIR. Those that ship were trained so.
Options and their defaults: training/regenerator.py."""


def regenerator_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of training the maker's autoencoders."""
    photos_argument(parser)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for the ONNX files"
    )
    settings_arguments(parser, "steps=2000")


def run_regenerator(args: argparse.Namespace) -> int:
    """Train, and return the exit code."""
    from morelli.data_pipeline.config import ConfigError, configure
    from morelli.training.regenerator import RegeneratorConfig, run

    base = RegeneratorConfig(photos=args.photos, out=args.out)
    try:
        config = configure(base, args.config, args.settings)
    except ConfigError as error:
        return failed(str(error), 2)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        folder = run(config)
    except (OSError, ValueError) as error:
        return failed(one_line(error))
    sys.stdout.write(f"{folder}\n")
    return 0
