"""`morelli chat IMAGE`: an examination, and questions about it, in the terminal."""

import argparse
import sys
import threading
from typing import TYPE_CHECKING

from morelli.serve.arguments import model_arguments
from morelli.serve.console import LoadingError, failed, load_examiner

if TYPE_CHECKING:
    from morelli.data_pipeline.report import Report
    from morelli.model.conversation import Turn
    from morelli.model.look import Look
    from morelli.serve.desk import Desk

EPILOG = """\
Examples:
  morelli chat photo.jpg
  echo "Where is it altered?" | morelli chat photo.jpg

An empty line or Ctrl-D ends it, Ctrl-C stops an answer, /clear forgets what was said. Replies
cannot change the verdict. A chat is called limited if `morelli eval chat` did not measure it, or
found it weak."""


def chat_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `morelli chat`."""
    parser.add_argument("image", metavar="IMAGE", help="picture file to examine and ask about")
    model_arguments(parser)


def run_chat(args: argparse.Namespace) -> int:
    """Examine, then answer until there are no more questions; return the exit code."""
    from morelli.data_pipeline.images import ImageError, open_picture

    try:
        # Asked first: a model need not be loaded to find that there is no picture.
        picture = open_picture(args.image)
    except ImageError as error:
        return failed(error.message)

    from morelli.serve.desk import Desk, Waiting
    from morelli.serve.downloads import record_of
    from morelli.serve.render import render_text

    try:
        desk = Desk(load_examiner(args))
    except LoadingError as error:
        return failed(str(error))
    seen = [
        step for step in desk.watch(picture, threading.Event()) if not isinstance(step, Waiting)
    ]
    report = seen[-1].report
    sys.stdout.write(render_text(record_of(report), report.where, None) + "\n")
    _converse(desk, seen[-1].look, report)
    return 0


def _converse(desk: "Desk", look: "Look", report: "Report") -> None:
    """Answer questions from standard input until it ends."""
    from morelli.model.conversation import Turn, is_limited

    asked = sys.stdin.isatty()
    if asked:
        kind = "Limited chat" if is_limited(report.validation) else "Chat"
        sys.stdout.write(f"\n{kind}: replies are not checked. An empty line ends it.\n")
    turns: list[Turn] = []
    while question := _question(asked):
        if question == "/clear":
            turns = []
            continue
        turns.append(Turn(question))
        turns[-1] = Turn(question, _answer(desk, look, report, turns))


def _question(asked: bool) -> str:
    if asked:
        sys.stdout.write("\n> ")
        sys.stdout.flush()
    return sys.stdin.readline().strip()


def _answer(desk: "Desk", look: "Look", report: "Report", turns: "list[Turn]") -> str:
    """Write an answer as it comes, and return it; Ctrl-C ends the answer only."""
    from morelli.serve.desk import Waiting
    from morelli.serve.render import printable

    stop, text, withheld = threading.Event(), "", 0
    try:
        for said in desk.answer(look, report, list(turns), stop):
            if isinstance(said, Waiting):
                continue
            new = said.text[len(text) :].split("\n")
            sys.stdout.write("\n".join(map(printable, new)))
            sys.stdout.flush()
            text, withheld = said.text, said.withheld
    except KeyboardInterrupt:
        stop.set()
    if not text:
        sys.stdout.write("(no answer that can be shown)")
    sys.stdout.write(f" ({withheld} withheld that denied the verdict)\n" if withheld else "\n")
    return text
