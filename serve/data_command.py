"""`morelli data convert`, `validate` and `show`: their arguments and what runs them."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from morelli.serve.console import complain, failed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from morelli.data_pipeline.converters import Skipped
    from morelli.data_pipeline.manifest import Row

DATA_SETS = (
    "autosplice", "brgen", "casia1", "casia2", "columbia", "coverage", "ddvqa", "dgm4", "doctamper",
    "fakeclue", "forgerynet", "genimage", "imd2020", "misd", "mmfr", "mmtd", "nist16", "rtm",
    "sidset", "sofake", "synthscars",
)  # fmt: skip
FORMATS = ("llava", "parquet", "sharegpt", "swift", "trl")
"""The keys of `converters.DATA_SETS` and `FORMATS`, repeated because importing those takes long."""

_MOST_SHOWN = 20

CONVERT_EPILOG = f"""\
Data sets, as published: {", ".join(DATA_SETS[:8])},
  {", ".join(DATA_SETS[8:16])},
  {", ".join(DATA_SETS[16:])}
Instruction formats: {", ".join(FORMATS)}

Examples:
  morelli data convert casia2 CASIA2/ --out casia2/
  morelli data convert llava mine.json --out mine/
  morelli data convert manifest mine/manifest.jsonl --to swift --out for-swift/
  morelli data convert casia2 --layout

Writes DIR/manifest.jsonl and, where the source has them otherwise, masks as PNG and packed
pictures as files. Pictures that are files stay where they are. An archive is unpacked to
DIR/unpacked, unless it holds links, paths that lead outside or a bomb.

What cannot be used is listed.

Exit status: 0 done, 1 something could not be used, 2 the command line is wrong."""

VALIDATE_EPILOG = """\
Examples:
  morelli data validate mine/manifest.jsonl
  morelli data validate mine/manifest.jsonl --fix mine/repaired.jsonl --context 2048

Every problem is named with file and line: missing and broken pictures, masks of another size or
not black and white, <image> marks that do not fit, words that contradict the label, empty and
repeated answers, near-duplicates and sources across splits, conversations too long for the
context, and shortcuts: how well size, format, JPEG quality and metadata alone tell the label.
A run that was stopped goes on where it was.

Exit status: 0 nothing wrong, 1 problems found, 2 the command line is wrong."""

SHOW_EPILOG = """\
Example:
  morelli data show mine/manifest.jsonl --out sheet.html --count 60

Writes one HTML file, with everything in it: pictures, outlines of the masks, conversations."""


def convert_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `data convert`."""
    parser.add_argument(
        "name", choices=(*DATA_SETS, *FORMATS, "manifest"), metavar="NAME",
        help="what the source is: a data set, a format, or manifest",
    )  # fmt: skip
    parser.add_argument(
        "source",
        nargs="?",
        type=Path,
        metavar="PATH",
        help="its folder or file, or a zip or tar of it",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder to write to")
    parser.add_argument(
        "--to", choices=("manifest", *FORMATS), default="manifest", metavar="FORMAT",
        help=f"write another format than a manifest: {', '.join(FORMATS)}",
    )  # fmt: skip
    parser.add_argument(
        "--layout", action="store_true", help="print the layout that is expected, and stop"
    )


def run_convert(args: argparse.Namespace) -> int:
    """Convert and return the exit code."""
    from morelli.data_pipeline.converters import CONVERTERS, LayoutError

    if args.layout and args.name in CONVERTERS:
        sys.stdout.write(CONVERTERS[args.name].expected.strip("\n") + "\n")
        return 0
    if args.source is None or args.out is None:
        return failed("give the source's PATH and --out DIR", 2)
    skipped: list[Skipped] = []
    try:
        written, count = _converted(args.name, args.source, args.to, args.out, skipped)
    except (LayoutError, ValueError, OSError) as error:
        return failed(str(error))
    for entry in skipped[:_MOST_SHOWN]:
        complain(str(entry))
    if skipped:
        complain(f"{len(skipped)} entries could not be used")
    sys.stdout.write(f"{written}: {count} pictures\n")
    return 1 if skipped else 0


def _converted(
    name: str, source: Path, to: str, out: Path, skipped: "list[Skipped]"
) -> tuple[Path, int]:
    """Return the file written and the number of its pictures."""
    from tqdm import tqdm

    from morelli.data_pipeline.archives import is_archive, unpack
    from morelli.data_pipeline.converters import WRITERS, rows
    from morelli.data_pipeline.manifest import rows_of, write_rows

    out.mkdir(parents=True, exist_ok=True)
    if is_archive(source):
        source = unpack(source, out / "unpacked")
    found: Iterator[Row]
    if name == "manifest":
        found = (row for _, row in rows_of(source))
    else:
        found = rows(name, source, out, skipped.append)
    count = 0

    def counted() -> "Iterator[Row]":
        nonlocal count
        for row in tqdm(found, unit="picture", disable=None):
            count += 1
            yield row

    if to == "manifest":
        written = out / "manifest.jsonl"
        write_rows(counted(), written)
    else:
        written = WRITERS[to](counted(), out)
    return written, count


def validate_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `data validate`."""
    parser.add_argument("manifest", type=Path, metavar="FILE", help="manifest.jsonl to check")
    parser.add_argument(
        "--fix", type=Path, metavar="NEW", help="write a manifest with what is safely repaired"
    )
    parser.add_argument(
        "--context", type=int, default=2048, metavar="N",
        help="tokens that the model can read at once (default: 2048)",
    )  # fmt: skip
    parser.add_argument(
        "--fresh", action="store_true", help="start anew even if a stopped run could go on"
    )


def run_validate(args: argparse.Namespace) -> int:
    """Check a manifest and return the exit code."""
    from tqdm import tqdm

    from morelli.data_pipeline.checks import Options, validate

    try:
        size = args.manifest.stat().st_size
        with tqdm(total=size, unit="B", unit_scale=True, disable=None) as bar:
            options = Options(context=args.context, fix=args.fix, fresh=args.fresh)
            report = validate(args.manifest, options, bar.update)
    except OSError as error:
        return failed(str(error))
    sys.stdout.write(report.text() + "\n")
    return 1 if report.wrong else 0


def show_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `data show`."""
    parser.add_argument("manifest", type=Path, metavar="FILE", help="manifest.jsonl to look at")
    parser.add_argument(
        "--out", type=Path, default=Path("sheet.html"), metavar="FILE",
        help="page to write (default: ./sheet.html)",
    )  # fmt: skip
    parser.add_argument(
        "--count", type=int, default=48, metavar="N", help="how many pictures (default: 48)"
    )
    parser.add_argument("--seed", type=int, default=0, help="draws other pictures (default: 0)")


def run_show(args: argparse.Namespace) -> int:
    """Write a contact sheet and return the exit code."""
    from morelli.data_pipeline.manifest import ManifestError
    from morelli.data_pipeline.sheet import write_sheet

    try:
        shown = write_sheet(args.manifest, args.out, args.count, args.seed)
    except (ManifestError, OSError) as error:
        return failed(str(error))
    sys.stdout.write(f"{args.out}: {shown} pictures\n")
    return 0
