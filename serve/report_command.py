"""`morelli report`: many pictures in, a folder of reports out, resumable and in shards."""

import argparse
import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from morelli.serve.arguments import count, model_arguments, pixels, size_argument, trust_argument
from morelli.serve.console import (
    LoadingError,
    complain,
    examiner_settings,
    failed,
    load_examiner,
    one_line,
)

if TYPE_CHECKING:
    from morelli.model.examiner import Examiner
    from morelli.serve.batch import Outcome
    from morelli.serve.job import Counts

EPILOG = """\
Examples:
  morelli report photos/ --out case-17
  morelli report evidence.zip scans/**/*.tif list.csv --out case-17 --explain suspicious
  morelli report photos/ --out case-17 --retry-failed
  morelli report photos/ --out case-17 --shard 3/16
  morelli report --merge --out case-17
  morelli report /shared/photos/ --out s3://bucket/case-17 --engine ray --cluster head:6379

With --shard, each of 16 machines does a part into the same folder; --merge joins them afterwards.
Folders, globs, .zip archives and manifests (.csv or .jsonl with "path" or "image", .txt) may be
mixed. Each picture gets its folder; index.html lists them, most suspicious first; reports.jsonl
holds one object a picture, run.json what examined them, custody.jsonl a hash-chained log.
Killed at any moment, the same command goes on where it ended.

Exit status: 0 done, 1 some inputs failed, 2 the command line is wrong."""

EXPLAIN: dict[str, Callable[[str], bool]] = {
    "all": lambda verdict: True,
    "suspicious": lambda verdict: verdict != "authentic",
    "none": lambda verdict: False,
}
"""Which verdicts get words, by what is asked for."""

_MOST_LANES = 8


def report_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `morelli report`."""
    parser.add_argument("inputs", nargs="*", metavar="INPUT", help="folder, glob, manifest or zip")
    parser.add_argument(
        "--out",
        required=True,
        metavar="DIR",
        help="output folder; with --engine ray on storage that all machines share, or an address "
        "for fsspec",
    )
    model_arguments(parser)
    parser.add_argument(
        "--explain",
        choices=EXPLAIN,
        default="all",
        help="which pictures get words; the verdict, map and mask come for all (default: all)",
    )
    parser.add_argument("--pdf", action="store_true", help="write each report as PDF, too")
    parser.add_argument(
        "--retry-failed", action="store_true", help="try again what could not be examined before"
    )
    parser.add_argument(
        "--shard", type=_shard, metavar="I/N", help="do part I of N; the parts make the whole"
    )
    parser.add_argument(
        "--merge", action="store_true", help="join the logs of all shards in --out, and no more"
    )
    parser.add_argument(
        "--at-once",
        type=count,
        metavar="N",
        help="pictures examined at a time, each on cores of its own and with memory of its own "
        f"(default: one a core, at most {_MOST_LANES})",
    )
    parser.add_argument(
        "--engine",
        choices=["local", "ray"],
        default="local",
        help="where to examine: on this machine, or on a cluster, for which Morelli's extra "
        "`cluster` has to be installed on all of its machines (default: local)",
    )
    parser.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="of the cluster's head, such as head:6379 or ray://head:10001 (default: begin one on "
        "this machine)",
    )
    trust_argument(parser)
    size_argument(parser)


def run_report(args: argparse.Namespace) -> int:
    """Examine a batch, or merge its shards; return the exit code."""
    from morelli.serve.batch import OutputError

    if bool(args.inputs) == args.merge:
        return failed("give inputs, or --merge without any", 2)
    if (refusal := _misfit(args)) is not None:
        return failed(refusal, 2)
    try:
        if args.merge:
            counts = _merged(args)
        else:
            counts = _on_cluster(args) if args.engine == "ray" else _examined(args)
    except (OutputError, _UnusableError) as error:
        return failed(str(error), 1)
    complain(
        f"{counts.examined} examined, {counts.known} known before, "
        f"{counts.failed} failed; see {args.out.rstrip('/')}/index.html"
    )
    return 1 if counts.failed else 0


def _misfit(args: argparse.Namespace) -> str | None:
    """Return why the arguments do not go together, None if they do."""
    if args.engine == "local":
        if "://" in args.out:
            return f"{args.out}: an address needs --engine ray; give a folder"
        return "--cluster needs --engine ray" if args.cluster else None
    if args.shard or args.merge:
        return "--engine ray shares out the work itself: leave --shard and --merge out"
    if any(given.lower().endswith(".zip") for given in args.inputs):
        return "--engine ray reads files by their paths on all machines: unpack the archive there"
    return None


class _UnusableError(Exception):
    """The model or the inputs cannot be used."""


def _merged(args: argparse.Namespace) -> "Counts":
    from morelli.serve.job import merge

    return merge(Path(args.out))


def _examined(args: argparse.Namespace) -> "Counts":
    from tqdm import tqdm

    from morelli.data_pipeline.images import Limits
    from morelli.serve.inputs import InputsError, all_inputs, check_given
    from morelli.serve.job import Job, Shard
    from morelli.serve.lanes import Way
    from morelli.serve.opening import cores, opener

    limits = Limits(max_pixels=pixels(args.max_pixels))
    shard: Shard = Shard(*args.shard) if args.shard else Shard()
    way = Way(args.at_once or min(cores(), _MOST_LANES), EXPLAIN[args.explain], args.pdf)
    try:
        for given in args.inputs:
            check_given(given)
        # Begun first, since its processes start while the model is loaded.
        with opener(args.trust_files, way.lanes) as opens:
            examiner = load_examiner(args)
            examiner.measure = opens.measure
            job = Job(Path(args.out), _settings(examiner, args), shard, args.retry_failed)
            inputs = all_inputs(args.inputs, limits)
            with (
                tqdm(unit="image", file=sys.stderr, disable=None) as bar,
                examiner.sharing_cores(way.lanes),
            ):
                return job.run(examiner, inputs, limits, _shower(bar), way, opens.open)
    except (InputsError, LoadingError, ValueError) as error:
        raise _UnusableError(one_line(error)) from error


def _on_cluster(args: argparse.Namespace) -> "Counts":
    from tqdm import tqdm

    from morelli.data_pipeline.images import Limits
    from morelli.serve.inputs import InputsError, all_inputs, check_given
    from morelli.serve.lanes import Way

    try:
        from morelli.serve.cluster import Work, connect, load_shipped, run_on_cluster
    except ImportError as error:
        raise _UnusableError(
            f"{error.name} is missing; install the extra: pip install 'morelli[cluster]'"
        ) from error
    limits = Limits(max_pixels=pixels(args.max_pixels))
    try:
        for given in args.inputs:
            check_given(given)
        # Loaded here as well, so that what is wrong with it is said before machines are asked.
        here = argparse.Namespace(**vars(args) | {"device": "cpu"})
        settings = _settings(load_examiner(here), args)
        checkpoint = str(args.checkpoint.absolute()) if args.checkpoint else None
        work = Work(
            partial(load_shipped, checkpoint, examiner_settings(args)),
            args.out if "://" in args.out else str(Path(args.out).absolute()),
            limits, Way(1, EXPLAIN[args.explain], args.pdf), args.trust_files,
            gpus=int(args.device != "cpu"),
        )  # fmt: skip
        connect(args.cluster)
        inputs = all_inputs(args.inputs, limits)
        with tqdm(unit="image", file=sys.stderr, disable=None) as bar:
            return run_on_cluster(
                work, settings, inputs, _shower(bar), args.at_once, args.retry_failed
            )
    except (InputsError, LoadingError, ValueError) as error:
        raise _UnusableError(one_line(error)) from error


def _settings(examiner: "Examiner", args: argparse.Namespace) -> dict[str, Any]:
    """Return what the reports of a folder must have in common."""
    return {
        "schema": "morelli.report/1",
        "model": {
            "name": examiner.checkpoint.name,
            "version": examiner.checkpoint.version,
            "sha256": examiner.checkpoint.sha256,
        },
        "prior": examiner.prior,
        "stability": args.stability,
        "operating_point": args.operating_point,
        "explain": args.explain,
        "max_pixels": args.max_pixels,
    }


def _shower(bar: Any) -> Callable[["Outcome | None"], None]:
    from morelli.serve.render import printable

    def show(outcome: "Outcome | None") -> None:
        if outcome is not None and outcome.page is None:
            bar.write(f"morelli: {printable(outcome.record['error']['message'])}", file=sys.stderr)
        bar.update()

    return show


def _shard(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise argparse.ArgumentTypeError(f"{text!r} is not I/N with I from 1 to N, such as 3/16")
    return int(found[1]), int(found[2])
