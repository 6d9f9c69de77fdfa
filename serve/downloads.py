"""The report of a visitor's picture as files to take away: HTML, JSON and PDF."""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from morelli.data_pipeline.report import Report, ReportPaths, validate
from morelli.serve.pdf import pdf_of
from morelli.serve.render import Views, percent, render_html, render_text
from morelli.serve.sessions import Exhibit

if TYPE_CHECKING:
    from morelli.model.look import Look


def exhibit_of(label: str, look: "Look", report: Report) -> Exhibit:
    """Return what a session keeps of a picture, as far as it is known by now."""
    exhibit = Exhibit(label, look, report, record_of(report), Views.of(report))
    exhibit.text = render_text(exhibit.record, report.where, None)
    return exhibit


def record_of(report: Report) -> dict[str, Any]:
    """Return the record of a report whose images are inside its HTML page, not beside it."""
    name = _stem(report)
    maps = {item.instrument: f"{name}.html" for item in report.measurements if item.map is not None}
    mask = f"{name}.html" if report.mask is not None else None
    return report.as_json(ReportPaths(map=f"{name}.html", mask=mask, instruments=maps))


def finish(exhibit: Exhibit, folder: Path) -> None:
    """Write the HTML page and the JSON object of a finished report.

    Raises:
        OSError: the folder cannot be written to.
        ReportError: the report contradicts itself.
    """
    validate(exhibit.record)
    exhibit.text = render_text(exhibit.record, exhibit.report.where, None)
    # A folder of its own, since a picture may be given twice and is forgotten one at a time.
    folder /= exhibit.label.partition(".")[0]
    folder.mkdir(parents=True, exist_ok=True)
    html = folder / f"{_stem(exhibit.report)}.html"
    html.write_bytes(render_html(exhibit.record, exhibit.views).encode(errors="replace"))
    record = html.with_suffix(".json")
    record.write_text(json.dumps(exhibit.record, indent=1, allow_nan=False) + "\n")
    exhibit.files = {"html": html, "json": record}


def write_pdf(exhibit: Exhibit) -> bool:
    """Write the report as PDF beside the others; False where it cannot be, or its session ended."""
    if "html" not in exhibit.files:
        return False
    pdf = exhibit.files["html"].with_suffix(".pdf")
    data = pdf_of(exhibit.record, exhibit.views)
    if data is None:
        return False
    try:
        pdf.write_bytes(data)
    except FileNotFoundError:
        return False
    exhibit.files["pdf"] = pdf
    return True


def headline(exhibit: Exhibit) -> str:
    """Return a report in one line: verdict, probability and interval."""
    record = exhibit.record
    low, high = record["interval"]
    chance = percent(1 - record["probability"]["authentic"])
    return f"{record['verdict']}, {chance} manipulated ({percent(low)} to {percent(high)})"


def _stem(report: Report) -> str:
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", Path(report.picture.path).stem)[:60] or "picture"
    return f"morelli-{stem}-{report.picture.sha256[:8]}"
