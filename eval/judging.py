"""A page on which a person judges the sentences of some examinations, and what the marks add up to.

    python -m morelli.eval.judging RESULTS [--count 12]
    python -m morelli.eval.judging RESULTS --marks RESULTS/marks.csv

RESULTS is a folder of `morelli eval NAME --words`. The pictures are drawn by the hash of their ids,
in turn from each true label, so that nobody picks the ones that look well.
"""

import argparse
import base64
import csv
import hashlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from morelli.data_pipeline.schema import Status, Verdict
from morelli.eval.estimates import estimates, ratio_of
from morelli.eval.predictions import AS_IS, FILE, MODEL, Prediction, read_predictions
from morelli.eval.thumbnails import as_uri, environment, grey, opened, outlined, tinted

PAGE, MARKS = "judging.html", "marks.csv"

COLUMNS = ("number", "set", "id", "finding", "status", "sentence", "mark", "note")

JUDGEMENTS = ("true", "false", "unsure")
"""What a mark may be; an empty one is not judged yet."""

_SIDE = 420
"""Longest side of a shown picture, in pixels."""


def drawn(path: Path, count: int) -> list[Prediction]:
    """Draw examinations with words, by the hash of their ids, in turn from each true label.

    Args:
        path: of predictions.jsonl.
        count: at most so many; pictures as they are only.

    Raises:
        OSError: the predictions cannot be read.
        ValueError: a broken line, or none of them has words.
    """
    labels: dict[Verdict, list[Prediction]] = {}
    for one in read_predictions(path):
        if one.version == AS_IS and one.answer is not None:
            labels.setdefault(one.label, []).append(one)
    for some in labels.values():
        some.sort(key=lambda one: hashlib.sha256("\n".join(one.key).encode()).digest())
    turns = zip_longest(*(labels[label] for label in sorted(labels)))
    found = [one for turn in turns for one in turn if one is not None]
    if not found:
        raise ValueError(f"{path} has no words to judge; evaluate with --words first")
    return found[:count]


def rows_of(examinations: Sequence[Prediction]) -> Iterator[dict[str, str]]:
    """Yield the line of each sentence that is to be marked, by `COLUMNS`."""
    for number, one in enumerate(examinations, start=1):
        for finding in one.answer.findings if one.answer else ():
            yield {
                "number": str(number),
                "set": one.set,
                "id": one.id,
                "finding": finding.id,
                "status": str(finding.status),
                "sentence": finding.statement,
                "mark": "",
                "note": "",
            }


def write_page(out: Path, count: int) -> Path:
    """Write the page and, unless one with marks is there, the file for the marks.

    Args:
        out: folder of predictions.jsonl.
        count: of examinations.

    Returns:
        The path of the page.

    Raises:
        ImageError: a picture of them cannot be opened.
        OSError: a file cannot be read or written.
        ValueError: as `drawn`, or as `read_marks` of the file that is there.
    """
    examinations = drawn(out / FILE, count)
    template = environment().get_template("judging.html")
    script = Markup(environment().get_template("judging.js").render())
    digest = hashlib.sha256(script.encode()).digest()
    page = template.render(
        shown=[_shown(number, one) for number, one in enumerate(examinations, start=1)],
        columns=COLUMNS,
        judgements=JUDGEMENTS,
        script=script,
        script_hash=base64.b64encode(digest).decode(),
    )
    (out / PAGE).write_text(page, encoding="utf-8")
    marks = out / MARKS
    if not marks.exists() or not any(row["mark"] for row in read_marks(marks)):
        with marks.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows_of(examinations))
    return out / PAGE


def _shown(number: int, one: Prediction) -> dict[str, Any]:
    pixels = opened(one.image, _SIDE)
    shape = pixels.shape[:2]
    heat = grey(one.maps.get(MODEL), shape)
    views = [("the picture", as_uri(pixels))]
    if heat is not None and one.verdict is Verdict.TAMPERED:
        views.append(("what is marked as altered", as_uri(tinted(pixels, heat > 127))))
    elif heat is not None:
        views.append(("how strongly each place is suspected", as_uri(tinted(pixels, heat / 255))))
    truth = grey(one.mask, shape)
    if truth is not None:
        views.append(("what was altered in truth", as_uri(outlined(pixels, truth > 127))))
    return {
        "number": number,
        "set": one.set,
        "id": one.id,
        "label": str(one.label),
        "kind": one.kind,
        "verdict": None if one.verdict is None else str(one.verdict),
        "probability": None if one.probability is None else 1 - one.probability[0],
        "views": views,
        "withheld": one.answer.withheld if one.answer else 0,
        "findings": one.answer.findings if one.answer else (),
    }


def read_marks(path: Path) -> list[dict[str, str]]:
    """Read a file of marks.

    Raises:
        OSError: it cannot be read.
        ValueError: a column is missing, or a mark or status is none; the message has the line.
    """
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise ValueError(f"{path}:1: lacks the columns {', '.join(missing)}")
        rows = []
        for row in reader:
            row["mark"] = row["mark"].strip().lower()
            if row["mark"] not in ("", *JUDGEMENTS):
                raise ValueError(
                    f"{path}:{reader.line_num}: {row['mark']!r} is no mark; write "
                    f"{', '.join(JUDGEMENTS)} or nothing"
                )
            if row["status"] not in set(Status):
                raise ValueError(f"{path}:{reader.line_num}: no status {row['status']!r}")
            rows.append(row)
    return rows


def counts_of(rows: Sequence[Mapping[str, str]]) -> dict[str, dict[str, Any]]:
    """Count the marks of each status, and of all.

    Args:
        rows: as `read_marks` gives them.

    Returns:
        status or "all" -> {"true", "false", "unsure", "open", "pictures", "share_true"}: the share
        of true among those marked true or false, with its interval by picture; None if nothing is.
    """
    counts = {}
    for status in ("all", *Status):
        some = [row for row in rows if status in ("all", row["status"])]
        marks = [row["mark"] for row in some]
        counts[str(status)] = {
            **{name: marks.count(name) for name in JUDGEMENTS},
            "open": marks.count(""),
            "pictures": len({_picture(row) for row in some}),
            "share_true": _share_true(some),
        }
    return counts


def _share_true(rows: Sequence[Mapping[str, str]]) -> dict[str, Any] | None:
    decided = [row for row in rows if row["mark"] in ("true", "false")]
    if not decided:
        return None
    pictures = list(dict.fromkeys(map(_picture, decided)))
    total, true = np.zeros(len(pictures)), np.zeros(len(pictures))
    for row in decided:
        total[pictures.index(_picture(row))] += 1
        true[pictures.index(_picture(row))] += row["mark"] == "true"
    share = estimates({"share": ratio_of(true, total)}, np.zeros(len(pictures)))["share"]
    return share.as_json()


def _picture(row: Mapping[str, str]) -> tuple[str, str]:
    return row["set"], row["id"]


def table_of(counts: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the counts as a Markdown table."""
    lines = [
        "| status | true | false | unsure | not judged | pictures | share true [95 %] |",
        "|---|---|---|---|---|---|---|",
    ]
    for status, one in counts.items():
        share = one["share_true"]
        cell = "-" if share is None else "{value:.3f} [{low:.3f}, {high:.3f}]".format(**share)
        numbers = [one[name] for name in ("true", "false", "unsure", "open", "pictures")]
        lines.append(f"| {status} | {' | '.join(map(str, numbers))} | {cell} |")
    return "\n".join(lines) + "\n"


def main(command: Sequence[str]) -> int:
    """Write the page, or print what the marks add up to; return the exit status."""
    parser = argparse.ArgumentParser(prog="judging", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("results", type=Path, help="folder of `morelli eval NAME --words`")
    parser.add_argument("--count", type=int, default=12, help="of examinations (default: 12)")
    parser.add_argument("--marks", type=Path, metavar="FILE", help="count the marks in this file")
    arguments = parser.parse_args(command)
    try:
        if arguments.marks is not None:
            sys.stdout.write(table_of(counts_of(read_marks(arguments.marks))))
        else:
            sys.stdout.write(f"{write_page(arguments.results, arguments.count)}\n")
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
