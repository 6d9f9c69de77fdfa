"""Pictures in the cells of published tables are found by row and read alone."""

import base64
import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from morelli.data_pipeline.cells import cell_path, read_cell, tsv_rows
from morelli.data_pipeline.images import ImageError, open_picture
from morelli.data_pipeline.packed import is_there, read_packed


def encoded(folder: Path, level: int) -> bytes:
    path = folder / f"{level}.png"
    Image.fromarray(np.full((70, 80, 3), level, np.uint8)).save(path)
    return path.read_bytes()


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Return five rows in row groups of two; picture n is grey n, row 3 has no mask."""
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    rows: list[dict[str, Any]] = [
        {
            "image": {"bytes": encoded(tmp_path, level), "path": None},
            "mask": None if level == 3 else {"bytes": b"mask %d" % level, "path": None},
            "label": level,
        }
        for level in range(5)
    ]
    path = tmp_path / "test.parquet"
    parquet.write_table(pyarrow.Table.from_pylist(rows), path, row_group_size=2)
    return path


@pytest.fixture
def tabs(tmp_path: Path) -> Path:
    """Return a table with tabs; row 7 has the picture of row a, one question has two lines."""
    path = tmp_path / "Bench.tsv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter="\t")
        writer.writerow(["index", "image", "question"])
        for index, level, question in (
            ("a", 10, 'First\nsaid "é"'),
            ("b", 20, "x"),
            ("7", None, "y"),
        ):
            picture = "a" if level is None else base64.b64encode(encoded(tmp_path, level)).decode()
            writer.writerow([index, picture, question])
    return path


def test_each_row_of_a_parquet_file_gives_its_own_picture(table: Path) -> None:
    for row in range(5):
        assert open_picture(cell_path(table, "image", row)).pixels.max() == row
    assert read_packed(cell_path(table, "mask", 4)) == b"mask 4"
    assert read_packed(cell_path(table, "mask", 4), most=2) == b"ma"
    assert read_cell(cell_path(table, "mask", 3)) is None


def test_rows_and_columns_that_are_not_there_are_not_found(table: Path) -> None:
    assert is_there(cell_path(table, "image", 4))
    for path in (cell_path(table, "image", 5), cell_path(table, "other", 0)):
        assert not is_there(path)
        with pytest.raises(ImageError, match="no such file"):
            open_picture(path)
    assert not is_there(cell_path(table.with_name("gone.parquet"), "image", 0))


def test_a_table_with_tabs_is_listed_without_pictures_and_read_by_index(tabs: Path) -> None:
    assert list(tsv_rows(tabs)) == [
        {"index": "a", "image": "a", "question": 'First\nsaid "é"'},
        {"index": "b", "image": "b", "question": "x"},
        {"index": "7", "image": "a", "question": "y"},
    ]
    assert open_picture(tabs / "a").pixels.max() == 10
    assert open_picture(tabs / "b").pixels.max() == 20
    assert is_there(tabs / "b")
    assert not is_there(tabs / "7")


def test_a_table_that_is_none_is_named(tabs: Path) -> None:
    with tabs.open("a") as file:
        file.write("c\t" + "!" * 100 + "\tz\n")
    with pytest.raises(ImageError, match=r"Bench\.tsv: index c"):
        open_picture(tabs / "c")
    with tabs.open("a") as file:
        file.write("d\te\n")
    with pytest.raises(OSError, match=r"Bench\.tsv:7: has 2 fields, the header 3"):
        list(tsv_rows(tabs))
    tabs.write_text("index\tquestion\n")
    with pytest.raises(OSError, match=r"Bench\.tsv:1: lacks the columns image"):
        list(tsv_rows(tabs))
