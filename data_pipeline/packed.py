"""Files inside shards: a path may go on below a .tar or .parquet file, as `a/00000.tar/7.jpg`.

So a manifest can name pictures and masks wherever they lie, and whoever opens pictures reads them
there. Only what a shard's own index names is read; nothing is unpacked to the disk. Pictures in
published tables have no file names; `cells` names them.
"""

import functools
import tarfile
from pathlib import Path
from typing import Any

from morelli.data_pipeline.cells import (
    Version,
    has_cell,
    is_cell,
    opened_parquet,
    read_cell,
    version_of,
)

SHARDS = (".tar", ".parquet")
"""Suffixes of the files that hold others."""

_PICTURE_COLUMNS = ("images", "mask", "origin")
"""Columns of a parquet shard whose cells hold {"bytes", "path"}, or a list with one such."""


def read_packed(path: Path, most: int = -1) -> bytes | None:
    """Return a member of a shard, or its first `most` bytes; None if the path names none.

    Raises:
        OSError: the shard cannot be read.
    """
    if is_cell(path):
        data = read_cell(path)
        return data if data is None or most < 0 else data[:most]
    shard, place = path.parent, _place(path)
    if place is None:
        return None
    if shard.suffix == ".parquet":
        return _cells(shard, version_of(shard), place[0])[path.name]
    with shard.open("rb") as file:
        file.seek(place[0])
        return file.read(place[1] if most < 0 else min(most, place[1]))


def bytes_of(path: Path) -> bytes:
    """Return the bytes of a file or of a member of a shard.

    Raises:
        OSError: there is none.
    """
    data = read_packed(path)
    return path.read_bytes() if data is None else data


def is_there(path: Path) -> bool:
    """Tell whether a path names a file, or a member of a shard.

    Raises:
        OSError: the shard cannot be read.
    """
    if is_cell(path):
        return has_cell(path)
    return path.is_file() or _place(path) is not None


def _place(path: Path) -> tuple[int, int] | None:
    """Return where a member lies: offset and size in a tar, row group and size in a table."""
    shard = path.parent
    if shard.suffix not in SHARDS or not shard.is_file():
        return None
    index = _tar_index if shard.suffix == ".tar" else _parquet_index
    return index(shard, version_of(shard)).get(path.name)


@functools.lru_cache(maxsize=256)
def _tar_index(shard: Path, _: Version) -> dict[str, tuple[int, int]]:
    """Return offset and size of each file by name."""
    try:
        with tarfile.open(shard, "r:") as archive:
            return {one.name: (one.offset_data, one.size) for one in archive if one.isreg()}
    except tarfile.TarError as error:
        raise OSError(f"{shard}: is no whole tar archive ({error})") from error


@functools.lru_cache(maxsize=256)
def _parquet_index(shard: Path, version: Version) -> dict[str, tuple[int, int]]:
    """Return row group and size of each file by name."""
    return {
        name: (group, len(data))
        for group in range(opened_parquet(shard).num_row_groups)
        for name, data in _cells(shard, version, group).items()
    }


@functools.lru_cache(maxsize=2)
def _cells(shard: Path, _: Version, group: int) -> dict[str, bytes]:
    """Return the files in a row group by name; the last two groups read are kept."""
    file = opened_parquet(shard)
    columns = [name for name in _PICTURE_COLUMNS if name in file.schema_arrow.names]
    table = file.read_row_group(group, columns=columns)
    cells: list[Any] = []
    for row in table.to_pylist():
        cells += [*(row["images"] or ()), row["mask"], row.get("origin")]
    return {cell["path"]: cell["bytes"] for cell in cells if cell and cell["bytes"]}
