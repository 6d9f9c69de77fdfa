from io import BytesIO
from zipfile import ZipFile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from morelli.data_pipeline.masks import (
    from_npz,
    from_polygons,
    from_rle,
    to_npz,
    to_polygons,
    to_rle,
)

MASKS = arrays.arrays(bool, st.tuples(st.integers(1, 40), st.integers(1, 40)))


@given(MASKS)
def test_run_lengths_and_npz_give_every_mask_back(mask: np.ndarray) -> None:
    assert (from_rle(to_rle(mask), *mask.shape) == mask).all()
    assert (from_npz(to_npz(mask), *mask.shape) == mask).all()


def test_run_lengths_are_those_of_coco() -> None:
    mask = np.zeros((5, 4), bool)
    mask[1:4, 1:3] = True
    # Written by pycocotools 2.0.11 for the same mask.
    assert to_rle(mask) == {"size": [5, 4], "counts": "63204"}
    assert (from_rle({"size": [5, 4], "counts": [6, 3, 2, 3, 6]}, 5, 4) == mask).all()


@pytest.mark.parametrize("counts", ["6", "000", [6, 3], [25, -5], "o"])
def test_run_lengths_that_do_not_fill_the_picture_are_refused(counts: object) -> None:
    with pytest.raises(ValueError, match="run lengths"):
        from_rle({"size": [5, 4], "counts": counts}, 5, 4)


def test_polygons_give_a_blob_back() -> None:
    rows, columns = np.mgrid[:40, :50]
    mask = (rows - 18) ** 2 + (columns - 25) ** 2 < 150
    assert (from_polygons(to_polygons(mask), 40, 50) == mask).all()


def test_a_polygon_needs_three_points() -> None:
    with pytest.raises(ValueError, match="three"):
        from_polygons([[1, 2, 3, 4]], 9, 9)


def test_a_mask_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="4 x 3 pixels but its picture 3 x 4"):
        from_npz(to_npz(np.ones((3, 4), bool)), 4, 3)


def test_an_npz_bomb_is_refused_before_it_is_unpacked() -> None:
    buffer = BytesIO()
    with ZipFile(buffer, "w") as archive:
        archive.writestr("mask.npy", b"")
        archive.infolist()[0].file_size = 10**12
    with pytest.raises(ValueError, match="unpacks to"):
        from_npz(buffer.getvalue(), 4, 4)
