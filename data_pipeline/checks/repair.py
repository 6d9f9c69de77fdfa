"""Writes a manifest with what a check found and what can safely be repaired."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from morelli.data_pipeline.checks.problem import BINARY_MASK, DROP, MOVE, ONE_IMAGE_MARK
from morelli.data_pipeline.checks.rows import IMAGE
from morelli.data_pipeline.checks.state import State
from morelli.data_pipeline.images import open_picture, write_mask
from morelli.data_pipeline.manifest import ManifestError, Row, Turn, row_of, write_rows
from morelli.data_pipeline.masks import MASK_LIMITS


def write_repaired(manifest: Path, state: State, to: Path) -> int:
    """Write the repaired manifest and return the number of its rows.

    Rows that cannot be used are left out; masks are cut to black and white, in new files beside
    the new manifest; a picture is marked once in its conversation; rows that leak into another
    split move to the split in which their source or their twin was seen first.

    Raises:
        OSError: it cannot be written.
    """
    return write_rows(_repaired(manifest, state, to), to)


def _repaired(manifest: Path, state: State, to: Path) -> Iterator[Row]:
    with manifest.open("rb") as file:
        for number, line in enumerate(file, start=1):
            repairs = state.repairs(number)
            if not line.strip() or DROP in repairs:
                continue
            try:
                row = row_of(line, f"{manifest}:{number}", manifest.parent)
            except ManifestError:
                continue
            for repair in repairs:
                row = _mended(row, repair, to)
            yield row


def _mended(row: Row, repair: str, to: Path) -> Row:
    if repair == ONE_IMAGE_MARK:
        return replace(row, conversation=_marked_once(row.conversation))
    if repair == BINARY_MASK:
        sample = row.sample
        mask = _binary(sample.mask, to.parent / f"{to.stem}-masks" / f"{sample.id}.png")
        origin = _binary(sample.origin, to.parent / f"{to.stem}-origins" / f"{sample.id}.png")
        return replace(row, sample=replace(sample, mask=mask, origin=origin))
    if repair.startswith(MOVE):
        return replace(row, extra={**row.extra, "split": repair.removeprefix(MOVE)})
    return row


def _binary(mask: Path | None, to: Path) -> Path | None:
    """Write a mask anew in black and white, and return where."""
    if mask is None:
        return None
    to.parent.mkdir(parents=True, exist_ok=True)
    write_mask(open_picture(mask, MASK_LIMITS).pixels.max(axis=2) > 127, to)
    return to


def _marked_once(conversation: tuple[Turn, ...]) -> tuple[Turn, ...]:
    turns = [replace(t, text=t.text.replace(IMAGE, "").strip()) for t in conversation]
    first = next((index for index, turn in enumerate(turns) if turn.role == "user"), 0)
    turns[first] = replace(turns[first], text=f"{IMAGE}\n{turns[first].text}")
    return tuple(turns)
