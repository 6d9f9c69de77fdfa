"""The examine loop: many files in, a folder of reports out; one bad file never stops the rest."""

import logging
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from morelli.data_pipeline.images import (
    ImageError,
    Limits,
    Picture,
    open_picture,
    write_map,
    write_mask,
)
from morelli.data_pipeline.report import ErrorReport, Report, ReportPaths, validate
from morelli.data_pipeline.whole_files import whole
from morelli.serve.journal import Journal, JournalError
from morelli.serve.pdf import pdf_of
from morelli.serve.render import Views, encoded, overlay, render_html, thumbnail

REPORTS = "reports.jsonl"
PAGE = "report.html"
THUMBNAIL = "thumbnail.jpg"

Result = TypeVar("Result")

_log = logging.getLogger(__name__)


class OutputError(Exception):
    """The output folder cannot be written to; there is no use in going on."""


class Examines(Protocol):
    """What the loop asks of an examiner."""

    def examine(self, picture: Picture) -> Report:
        """Examine one picture."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one input.

    Attributes:
        record: the object that was appended to `reports.jsonl`.
        where: the place of the mask in words, or None.
        page: the HTML page, or None if the file could not be examined.
    """

    record: dict[str, Any]
    where: str | None
    page: Path | None


def open_folder(out: Path) -> None:
    """Make the output folder and see that it can be written to, before any work is spent on it.

    Raises:
        OutputError: it cannot.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        Journal(out / REPORTS)
    except (OSError, JournalError) as error:
        raise refused(out, error) from error


def examine_all(
    examiner: Examines,
    inputs: Iterable[str],
    out: Path,
    limits: Limits,
    progress: Callable[[Outcome], None],
) -> int:
    """Examine every input and write its report; return how many could not be examined.

    Each picture gets a folder `<stem>-<first 8 digits of its SHA-256>` with its page and images;
    when all of that is written, its line goes to `reports.jsonl`, so a line never points to files
    that are not there. A picture that is examined again takes the place of its earlier line.

    Args:
        examiner: anything that examines a picture.
        inputs: paths as given; they are reported as given.
        out: output folder, made if need be.
        limits: how large a file may be.
        progress: called after each input, in order.

    Raises:
        OutputError: the output folder cannot be written to.
    """
    open_folder(out)
    journal = Journal(out / REPORTS)
    failed = 0
    for path in inputs:
        outcome = attempt(path, partial(_examined, examiner, path, out, limits))
        failed += outcome.page is None
        try:
            journal.put(outcome.record, supersedes=f"path:{path}")
        except OSError as error:
            raise refused(out, error) from error
        progress(outcome)
    return failed


def _examined(examiner: Examines, path: str, out: Path, limits: Limits) -> Outcome:
    return write_report(examiner.examine(open_picture(path, limits)), out)


def attempt(path: str, work: Callable[[], Result]) -> Result | Outcome:
    """Do a part of the examination of a file; what it raises becomes the record of a failure.

    Raises:
        OutputError: the output folder cannot be written to.
    """
    try:
        return work()
    except ImageError as error:
        return _failure(path, error.code, error.message)
    except OutputError:
        raise
    except Exception as error:  # noqa: BLE001 - the boundary at which one file fails alone
        _log.debug("%r could not be examined", path, exc_info=True)
        reason = f"{path}: our own failure, {type(error).__name__}: {error}"
        return _failure(path, "internal", " ".join(reason.split()))


def _failure(path: str, code: str, message: str) -> Outcome:
    return Outcome(ErrorReport(path, code, message).as_json(), None, None)


def write_report(report: Report, out: Path, pdf: bool = False) -> Outcome:
    """Write everything of a report but its line in `reports.jsonl`.

    Args:
        report: to write.
        out: output folder.
        pdf: also write it as PDF.

    Raises:
        OutputError: the output folder cannot be written to.
    """
    folder = out / _folder_name(report.picture)
    paths = _paths(report, folder.name)
    record = report.as_json(paths)
    validate(record)
    views = Views.of(report)
    page = folder / PAGE
    html = render_html(record, views)
    try:
        folder.mkdir(exist_ok=True)
        for left in folder.glob(".*.part"):  # by a run that was killed
            left.unlink(missing_ok=True)
        _write_images(report, paths, out)
        # A file name that is no valid text must not keep a report from being written.
        write_whole(page, html.encode(errors="replace"))
        if pdf and (printed := pdf_of(record, views)) is not None:
            write_whole(page.with_suffix(".pdf"), printed)
    except OSError as error:
        raise refused(folder, error) from error
    return Outcome(record, report.where, page)


def _write_images(report: Report, paths: ReportPaths, out: Path) -> None:
    """Write the images at full size, and take away those of an earlier run that no longer hold."""
    write_map(report.map, out / paths.map)
    folder = (out / paths.map).parent
    write_whole(folder / THUMBNAIL, thumbnail(report))
    if report.mask is None:
        (folder / "mask.png").unlink(missing_ok=True)
        (folder / "overlay.png").unlink(missing_ok=True)
    else:
        write_mask(report.mask, folder / "mask.png")
        marked = overlay(report.picture.pixels, report.mask)
        write_whole(folder / "overlay.png", encoded(marked, ".png"))
    for item in report.measurements:
        if item.map is not None:
            write_map(item.map, out / paths.instruments[item.instrument])


def _paths(report: Report, folder: str) -> ReportPaths:
    return ReportPaths(
        map=f"{folder}/map.png",
        mask=f"{folder}/mask.png" if report.mask is not None else None,
        instruments={
            item.instrument: f"{folder}/instrument-{item.instrument}.png"
            for item in report.measurements
            if item.map is not None
        },
    )


def _folder_name(picture: Picture) -> str:
    # Short and plain, since a stem may be as long as the file system allows and hold anything.
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", Path(picture.path).stem)[:60]
    return f"{stem}-{picture.sha256[:8]}"


def write_whole(path: Path, data: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    with whole(path) as unfinished:
        unfinished.write_bytes(data)


def refused(path: Path, error: Exception) -> OutputError:
    """Return the error of a folder that cannot be written to."""
    reason = getattr(error, "strerror", None) or str(error)
    return OutputError(f"{path}: cannot be written to ({reason}); choose another --out")
