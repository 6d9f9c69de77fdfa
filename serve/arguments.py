"""Arguments that several commands share, and readers of numbers that say what would be right."""

import argparse
import math
from collections.abc import Callable
from pathlib import Path

OPERATING_POINTS = ("screening", "balanced", "evidence")
"""The names of `eval.operating_points.CHOICES`, repeated here because importing those takes a
second."""


def model_arguments(parser: argparse.ArgumentParser) -> None:
    """Add which checkpoint to use, how, and for which base rate to state probabilities."""
    parser.add_argument(
        "--checkpoint",
        type=Path,
        metavar="DIR",
        help="trained checkpoint to examine with (default: the one that ships with Morelli)",
    )
    parser.add_argument(
        "--prior",
        type=number(0, 0.999),
        metavar="P",
        help="share of manipulated pictures among those you examine, such as 0.02 for an insurer; "
        "the probability is stated for it (default: 0.5, even odds)",
    )
    parser.add_argument(
        "--no-stability",
        dest="stability",
        action="store_false",
        help="do not try what mild changes do to each verdict, which takes a second or two a "
        "picture; the report says so",
    )
    parser.add_argument(
        "--operating-point",
        choices=OPERATING_POINTS,
        help="decide at a threshold that was measured when the checkpoint was calibrated, the same "
        "at every base rate: screening misses little, balanced errs evenly, evidence accuses "
        "rarely (default: the stated probability decides, at one half)",
    )
    device_argument(parser)


def device_argument(parser: argparse.ArgumentParser) -> None:
    """Add what the model computes on."""
    parser.add_argument(
        "--device",
        default="cpu",
        metavar="NAME",
        help="what the model computes on, such as cuda or cuda:1 for a GPU; files are opened and "
        "measured by the processor anywhere (default: cpu)",
    )


def backend_argument(parser: argparse.ArgumentParser) -> None:
    """Add the server that answers questions in place of the local model."""
    parser.add_argument(
        "--backend",
        metavar="URL",
        help="OpenAI-compatible server that answers the questions about a picture, such as "
        "http://127.0.0.1:8001/v1 (key: MORELLI_BACKEND_KEY). It is told the report in words, "
        "never the picture; verdict, mask and reasons stay those of the checkpoint (default: the "
        "checkpoint answers)",
    )


def photos_argument(parser: argparse.ArgumentParser, required: bool = True) -> None:
    """Add the photographs that pictures are made of."""
    parser.add_argument(
        "--photos",
        type=Path,
        required=required,
        metavar="DIR",
        help="untouched photographs, listed in DIR/manifest.csv",
    )


def picture_arguments(parser: argparse.ArgumentParser, required: bool = True) -> None:
    """Add the photographs and generated pictures that pictures are made of."""
    photos_argument(parser, required)
    parser.add_argument(
        "--generated",
        type=Path,
        metavar="DIR",
        help="generated pictures, likewise (default: none, and no synthetic class)",
    )


def settings_arguments(parser: argparse.ArgumentParser, example: str) -> None:
    """Add a file of settings, and single ones such as `example`."""
    parser.add_argument("--config", type=Path, metavar="FILE", help="TOML file of settings")
    parser.add_argument(
        "settings", nargs="*", metavar="NAME=VALUE", help=f"single settings, such as {example}"
    )


def size_argument(parser: argparse.ArgumentParser) -> None:
    """Add the largest picture to open, in megapixels."""
    parser.add_argument(
        "--max-pixels",
        type=number(0, 200),
        default=50,
        metavar="N",
        help="largest picture to open, in megapixels, at most 200 (default: 50)",
    )


def trust_argument(parser: argparse.ArgumentParser) -> None:
    """Add whether files are opened in this process."""
    parser.add_argument(
        "--trust-files",
        action="store_true",
        help="open files in this process, not in children with limits of memory and time: for "
        "files that you made yourself",
    )


def pixels(megapixels: float) -> int:
    """Return megapixels as a number of pixels, at least 1."""
    return max(1, round(megapixels * 1_000_000))


def number(low: float, high: float) -> Callable[[str], float]:
    """Return what reads a number above `low` and at most `high` from the command line."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low < value <= high:
            raise argparse.ArgumentTypeError(
                f"{text!r} is not a number above {low:g} and at most {high:g}"
            )
        return value

    return read


def count(text: str) -> int:
    """Read a whole number of 1 or more from the command line."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)
