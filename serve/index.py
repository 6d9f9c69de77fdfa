"""The index of an output folder: every report on one page, the most suspicious first."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from morelli.data_pipeline.schema import Verdict
from morelli.serve.batch import PAGE, THUMBNAIL, write_whole
from morelli.serve.render import environment

INDEX = "index.html"


def write_index(out: Path, records: Iterable[dict[str, Any]]) -> None:
    """Write `index.html` of the records in a log.

    Args:
        out: output folder.
        records: of `morelli.report/1`, reports and failures; only what a line shows is kept.

    Raises:
        OSError: it cannot be written.
    """
    rows, failures = [], []
    for record in records:
        if "error" in record:
            failures.append({"path": record["image"]["path"], **record["error"]})
        else:
            rows.append(_row(record))
    rows.sort(key=lambda row: (-row["manipulated"], row["path"]))
    html = (
        environment()
        .get_template("index.html")
        .render(
            rows=rows,
            failures=failures,
            counts=Counter(row["verdict"] for row in rows),
            verdicts=[verdict.value for verdict in Verdict],
        )
    )
    write_whole(out / INDEX, html.encode(errors="replace"))


def _row(record: dict[str, Any]) -> dict[str, Any]:
    folder = Path(record["map"]["path"]).parent.as_posix()
    return {
        "path": record["image"]["path"],
        "page": f"{folder}/{PAGE}",
        "thumbnail": f"{folder}/{THUMBNAIL}",
        "verdict": record["verdict"],
        "manipulated": 1 - record["probability"]["authentic"],
        "interval": record["interval"],
        "area": record["mask"]["area"] if record["mask"] else 0.0,
        "size": f"{record['image']['width']} x {record['image']['height']}",
        "sha256": record["image"]["sha256"],
    }
