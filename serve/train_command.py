"""`morelli train STAGE`: the arguments of each training stage and what runs it."""

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from morelli.data_pipeline.config import ConfigError, configure
from morelli.serve.arguments import picture_arguments, settings_arguments
from morelli.serve.console import failed, one_line, say

STRATEGIES = ("ddp", "fsdp", "zero2", "zero3")
"""The names of `strategy.STRATEGIES`, repeated here because importing those takes seconds."""


LOCALISE_EPILOG = """example:
  morelli train localise --photos photos --generated generated --out runs/localise loop.steps=2000

Pictures are forged while it trains. Options and their defaults: training/localise.py."""

INSTRUCT_EPILOG = """example:
  morelli train instruct --start runs/localise/adapter --photos photos --out runs/instruct

Options and their defaults: training/instruct.py."""

SFT_EPILOG = """examples:
  morelli train sft --data my.jsonl --out runs/mine
  torchrun --nproc_per_node 8 -m morelli.serve.cli train sft --data my.jsonl --out runs/mine

Each line of the manifest is a picture: {"id", "image", "mask", "verdict", "source"}. All of it is
checked first, and split by source. The run holds the settings, the curves, a comparison with
before, samples and a checkpoint: morelli examine photo.jpg --checkpoint runs/mine
Options and their defaults: training/sft.py."""

GRPO_EPILOG = """example:
  morelli train grpo --photos photos --generated generated --out runs/grpo policy.steps=200

Answers are sampled and rewarded: verdict, mask, evidence that the instruments confirm, form.
Options and their defaults: training/grpo.py; the rewards: training/rewards."""

MERGE_EPILOG = """example:
  morelli merge runs/mine --out mine-merged"""

EXPORT_EPILOG = """example:
  morelli export runs/mine --out mine-export

As merge; the language part is written to DIR/language too, for other tools."""

PUSH_EPILOG = """examples:
  morelli push runs/mine --to you/mine
  morelli push runs/mine --to you/mine --send

The first prints what would be sent, and needs no network. The second sends it, to a private
repository unless --public is given, as the account of `hf auth login` or HF_TOKEN. HF_ENDPOINT
names another hub than huggingface.co."""


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


def sft_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of a fine-tune on one's own pictures."""
    parser.add_argument(
        "--data", type=Path, required=True, metavar="FILE",
        help="manifest of your labelled pictures, JSON lines",
    )  # fmt: skip
    _start_arguments(parser)
    _run_arguments(parser)


def grpo_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of training by reward."""
    picture_arguments(parser)
    _start_arguments(parser)
    _run_arguments(parser)


def merge_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of merging and of exporting."""
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a run or a checkpoint")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="new folder of the merged checkpoint"
    )


def push_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of sending a checkpoint to a model hub."""
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a run or a checkpoint")
    parser.add_argument(
        "--to", required=True, metavar="OWNER/NAME", help="repository on the hub, made if missing"
    )
    parser.add_argument("--send", action="store_true", help="send it; else only say what would go")
    parser.add_argument("--public", action="store_true", help="let everybody see a new repository")


def _start_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--start", type=Path, metavar="DIR",
        help="checkpoint or run to go on from (default: the one that ships)",
    )  # fmt: skip
    parser.add_argument(
        "--preset", metavar="NAME", help="begin this configuration anew instead of a checkpoint"
    )
    parser.add_argument(
        "--quantise", choices=("none", "4bit"),
        help="round the language model's frozen weights (default: none)",
    )  # fmt: skip


def _shared_arguments(parser: argparse.ArgumentParser) -> None:
    picture_arguments(parser)
    _run_arguments(parser)


def _run_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR",
        help="folder of the run; a run found there goes on from its last checkpoint",
    )  # fmt: skip
    parser.add_argument(
        "--strategy", choices=STRATEGIES,
        help="how the processes that torchrun starts share the work (default: ddp)",
    )  # fmt: skip
    settings_arguments(parser, "loop.steps=200")


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


def run_sft(args: argparse.Namespace) -> int:
    """Fine-tune on one's own pictures and return the exit code."""
    from morelli.training.sft import SFTConfig, run

    base = SFTConfig(data=args.data, out=args.out, start=args.start, preset=args.preset)
    return _run(args, base, run)


def run_grpo(args: argparse.Namespace) -> int:
    """Train by reward and return the exit code."""
    from morelli.training.grpo import GRPOConfig, run

    base = GRPOConfig(
        photos=args.photos, generated=args.generated, out=args.out, start=args.start,
        preset=args.preset,
    )  # fmt: skip
    return _run(args, base, run)


def run_merge(args: argparse.Namespace) -> int:
    """Merge an adapter into its base weights and return the exit code."""
    from morelli.training.export import merge

    return _finish(lambda: merge(args.run, args.out))


def run_export(args: argparse.Namespace) -> int:
    """Merge and write the language part apart too; return the exit code."""
    from morelli.training.export import export

    return _finish(lambda: export(args.run, args.out))


def run_push(args: argparse.Namespace) -> int:
    """Say what would be sent to a model hub, or send it; return the exit code."""
    from morelli.model.checkpoint import CheckpointError
    from morelli.training.push import PushError, parcel_of, push

    try:
        parcel = parcel_of(args.run, args.to)
        say(str(parcel))
        say(push(parcel, args.public) if args.send else "Nothing was sent; add --send to send it.")
    except (CheckpointError, PushError, OSError) as error:
        return failed(one_line(error))
    return 0


def _run(args: argparse.Namespace, base: Any, run: Callable[[Any], Path]) -> int:
    part = "policy" if hasattr(base, "policy") else "loop"
    flags = [f'{part}.strategy="{args.strategy}"'] if args.strategy else []
    if getattr(args, "quantise", None):
        flags.append(f'quantise="{args.quantise}"')
    try:
        config = configure(base, args.config, [*flags, *args.settings])
    except ConfigError as error:
        return failed(str(error), 2)
    return _finish(lambda: run(config))


def _finish(work: Callable[[], Path]) -> int:
    """Do the work and print where its result lies, or say what stopped it."""
    from torch import OutOfMemoryError

    from morelli.model.base_weights import PullError
    from morelli.model.checkpoint import CheckpointError
    from morelli.training.resuming import TrainingError

    try:
        folder = work()
    except OutOfMemoryError as error:
        return failed(
            f"{str(error).splitlines()[0]} Take fewer pictures a batch and accumulate "
            "more batches a step; the last checkpoint is kept."
        )
    except (CheckpointError, PullError, TrainingError, OSError, ValueError) as error:
        return failed(str(error))
    sys.stdout.write(f"{folder}\n")
    return 0
