"""How the commands speak: results on standard output, one line a complaint on standard error."""

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from morelli.model.examiner import Examiner
    from morelli.serve.elsewhere import Elsewhere


class LoadingError(Exception):
    """The model cannot be loaded; the message says in one line why."""


def say(text: str) -> None:
    """Print a result at once, whatever reads it."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def complain(text: str) -> None:
    """Print what went wrong, or what somebody who watches should know."""
    sys.stderr.write(f"morelli: {text.rstrip()}\n")


def failed(reason: str, status: int = 1) -> int:
    """Complain, and return the exit status."""
    complain(reason)
    return status


def one_line(error: Exception) -> str:
    """Return an error's message without line breaks."""
    return " ".join(str(error).split())


def examiner_settings(args: argparse.Namespace) -> dict[str, Any]:
    """Return the arguments of `Examiner.load` that `arguments.model_arguments` read."""
    names = ("prior", "stability", "operating_point", "device")
    return {name: getattr(args, name) for name in names}


def load_examiner(args: argparse.Namespace) -> "Examiner":
    """Load the model that `arguments.model_arguments` asked for; takes some seconds.

    Raises:
        LoadingError: it is missing or damaged, or its base weights are; there is no such device or
            operating point.
    """
    from morelli.model.base_weights import PullError
    from morelli.model.checkpoint import CheckpointError
    from morelli.model.examiner import Examiner

    try:
        return Examiner.load(args.checkpoint, **examiner_settings(args))
    except (CheckpointError, PullError, ValueError) as error:
        raise LoadingError(one_line(error)) from error


def connect_backend(args: argparse.Namespace) -> "Elsewhere | None":
    """Connect to the server that `arguments.backend_argument` names, if it names one.

    Raises:
        LoadingError: there is none at that address, or it has no model.
    """
    if args.backend is None:
        return None
    from morelli.serve.elsewhere import Elsewhere, ElsewhereError

    try:
        return Elsewhere.connect(args.backend, os.environ.get("MORELLI_BACKEND_KEY"))
    except ElsewhereError as error:
        raise LoadingError(one_line(error)) from error
