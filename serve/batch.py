"""The examine loop: many files in, a folder of reports out; one bad file never stops the rest."""

import logging
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from morelli.data_pipeline.images import (
    ImageError,
    Limits,
    Picture,
    open_picture,
    write_map,
    write_mask,
)
from morelli.data_pipeline.report import ErrorReport, Report, ReportPaths, to_line, validate
from morelli.serve.render import Views, encoded, overlay, render_html

REPORTS = "reports.jsonl"
PAGE = "report.html"

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
        _append(out / REPORTS, b"")
    except OSError as error:
        raise _refused(out, error) from error


def examine_all(
    examiner: Examines,
    inputs: Iterable[str],
    out: Path,
    limits: Limits,
    progress: Callable[[Outcome], None],
) -> int:
    """Examine every input and write its report; return how many could not be examined.

    Each picture gets a folder `<stem>-<first 8 digits of its SHA-256>` with its page and images;
    when all of that is written, its line is appended to `reports.jsonl`, so a line never points
    to files that are not there. A run into the same folder appends: the last line of a picture
    is the one that its folder belongs to.

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
    failed = 0
    for path in inputs:
        outcome = _examine_one(examiner, path, out, limits)
        failed += outcome.page is None
        try:
            _append(out / REPORTS, to_line(outcome.record).encode() + b"\n")
        except OSError as error:
            raise _refused(out, error) from error
        progress(outcome)
    return failed


def _examine_one(examiner: Examines, path: str, out: Path, limits: Limits) -> Outcome:
    try:
        report = examiner.examine(open_picture(path, limits))
        return _write(report, out)
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


def _write(report: Report, out: Path) -> Outcome:
    """Write everything of a report but its line in `reports.jsonl`."""
    folder = out / _folder_name(report.picture)
    paths = _paths(report, folder.name)
    record = report.as_json(paths)
    validate(record)
    views = Views.of(report)
    page = folder / PAGE
    html = render_html(record, views)
    try:
        folder.mkdir(exist_ok=True)
        _write_images(report, paths, out)
        # A file name that is no valid text must not keep a report from being written.
        page.write_bytes(html.encode(errors="replace"))
    except OSError as error:
        raise _refused(folder, error) from error
    return Outcome(record, report.where, page)


def _write_images(report: Report, paths: ReportPaths, out: Path) -> None:
    """Write the images at full size, and take away those of an earlier run that no longer hold."""
    write_map(report.map, out / paths.map)
    folder = (out / paths.map).parent
    if report.mask is None:
        (folder / "mask.png").unlink(missing_ok=True)
        (folder / "overlay.png").unlink(missing_ok=True)
    else:
        write_mask(report.mask, folder / "mask.png")
        marked = overlay(report.picture.pixels, report.mask)
        (folder / "overlay.png").write_bytes(encoded(marked, ".png"))
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


def _append(path: Path, line: bytes) -> None:
    """Append with a single write, so that writers side by side never mix their lines."""
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(handle, line)
    finally:
        os.close(handle)


def _refused(path: Path, error: OSError) -> OutputError:
    return OutputError(f"{path}: cannot be written to ({error.strerror}); choose another --out")
