"""Arguments that several commands share, and readers of numbers that say what would be right."""

import argparse
import math
from collections.abc import Callable
from pathlib import Path


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
