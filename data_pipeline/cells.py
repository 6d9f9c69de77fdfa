"""Pictures in the cells of published tables, by paths that go on below the table.

`a.parquet/image:7` is the picture in column image of row 7, counted from 0; `a.tsv/7` is that of
the row whose index is 7, as base64 (the tables of VLMEvalKit). A listing names such paths without
reading a picture, so that a table of a hundred gigabytes is listed and nothing is unpacked.
"""

import base64
import binascii
import csv
import functools
import re
from bisect import bisect_right
from collections.abc import Iterator
from io import StringIO
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

Version = tuple[int, int]
"""What changes when a file is written anew; a cache's key beside its path."""

_CELL: Final = re.compile(r"(\w+):(\d+)")
_LONGEST_FIELD: Final = 2**31 - 1
_LONGEST_REFERENCE: Final = 64
"""Characters of a picture field that is no picture, but the index of the row that holds it."""


def version_of(path: Path) -> Version:
    """Return what changes when a file is written anew."""
    status = path.stat()
    return status.st_mtime_ns, status.st_size


def cell_path(table: Path, column: str, row: int) -> Path:
    """Return the path of the picture in a column of a row of a parquet file."""
    return table / f"{column}:{row}"


def is_cell(path: Path) -> bool:
    """Tell whether a path lies in a table and is like those of `cell_path` or of rows with tabs."""
    table = path.parent
    named = table.suffix == ".tsv" or (table.suffix == ".parquet" and _CELL.fullmatch(path.name))
    return bool(named) and table.is_file()


def has_cell(path: Path) -> bool:
    """Tell whether the row of a cell's path exists, without reading its picture.

    Raises:
        OSError: the table cannot be read.
    """
    table, version = path.parent, version_of(path.parent)
    if table.suffix == ".tsv":
        return path.name in _tsv_index(table, version)
    column, row = _column_and_row(path)
    return column in opened_parquet(table).schema_arrow.names and row < _starts(table, version)[-1]


def read_cell(path: Path) -> bytes | None:
    """Return the picture that a cell's path names, None if there is none.

    Raises:
        OSError: the table cannot be read, or the cell holds no base64.
    """
    if not has_cell(path):
        return None
    table, version = path.parent, version_of(path.parent)
    if table.suffix == ".tsv":
        return _tsv_picture(table, *_tsv_index(table, version)[path.name])
    column, row = _column_and_row(path)
    starts = _starts(table, version)
    group = bisect_right(starts, row) - 1
    return _pictures(table, version, column, group)[row - starts[group]]


def tsv_rows(table: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of a table with tabs; a picture field holds the index of the row that has it.

    Raises:
        OSError: the file cannot be read, or is no such table.
    """
    for row, _ in _tsv_records(table):
        if len(row["image"]) > _LONGEST_REFERENCE:
            row["image"] = row["index"]
        yield row


def opened_parquet(table: Path) -> Any:
    """Open a parquet file.

    Raises:
        OSError: it is none, or pyarrow is not installed.
    """
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise OSError(f"{table}: needs the package pyarrow: pip install 'morelli[data]'") from None
    try:
        return parquet.ParquetFile(table)
    except ArrowException as error:
        raise OSError(f"{table}: is no whole parquet file ({error})") from error


def _column_and_row(path: Path) -> tuple[str, int]:
    column, _, row = path.name.partition(":")
    return column, int(row)


@functools.lru_cache(maxsize=1024)
def _starts(table: Path, _: Version) -> tuple[int, ...]:
    """Return the first row of each row group, and the number of rows."""
    metadata = opened_parquet(table).metadata
    counts = (metadata.row_group(group).num_rows for group in range(metadata.num_row_groups))
    return tuple(accumulate(counts, initial=0))


@functools.lru_cache(maxsize=2)
def _pictures(table: Path, _: Version, column: str, group: int) -> list[bytes | None]:
    """Return the pictures in a column of a row group; those of the last two read are kept."""
    cells = opened_parquet(table).read_row_group(group, columns=[f"{column}.bytes"])
    return [cell and cell["bytes"] for cell in cells.column(column).to_pylist()]


@functools.lru_cache(maxsize=2)
def _tsv_index(table: Path, _: Version) -> dict[str, tuple[int, int]]:
    """Return where the row of each index lies that holds a picture: its first byte and its size."""
    return {
        row["index"]: place
        for row, place in _tsv_records(table)
        if len(row["image"]) > _LONGEST_REFERENCE
    }


def _tsv_records(table: Path) -> Iterator[tuple[dict[str, str], tuple[int, int]]]:
    """Yield each row with its first byte and its size; quoted fields may hold line ends."""
    csv.field_size_limit(_LONGEST_FIELD)
    with table.open("rb") as file:
        position = 0

        def lines() -> Iterator[str]:
            nonlocal position
            for line in file:
                position += len(line)
                yield line.decode(errors="replace")

        reader = csv.reader(lines(), delimiter="\t")
        header: list[str] = []
        start = 0
        try:
            for fields in reader:
                if not header:
                    header = fields
                    _check_header(header, table)
                elif len(fields) != len(header):
                    wrong = f"has {len(fields)} fields, the header {len(header)}"
                    raise OSError(f"{table}:{reader.line_num}: {wrong}")
                else:
                    yield dict(zip(header, fields, strict=True)), (start, position - start)
                start = position
        except csv.Error as error:
            raise OSError(f"{table}:{reader.line_num}: {error}") from None


def _check_header(header: list[str], table: Path) -> None:
    missing = {"index", "image"} - set(header)
    if missing:
        raise OSError(f"{table}:1: lacks the columns {', '.join(sorted(missing))}")


def _tsv_picture(table: Path, start: int, size: int) -> bytes:
    with table.open("rb") as file:
        header = next(csv.reader([file.readline().decode()], delimiter="\t"))
        file.seek(start)
        text = StringIO(file.read(size).decode(errors="replace"), newline="")
    row = dict(zip(header, next(csv.reader(text, delimiter="\t")), strict=True))
    try:
        return base64.b64decode(row["image"], validate=True)
    except binascii.Error as error:
        raise OSError(f"{table}: index {row['index']}: {error}") from None
