from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

from morelli.data_pipeline.maker import Pool
from morelli.data_pipeline.maker.donors import Donors, face_patch
from morelli.data_pipeline.maker.face_swaps import face
from morelli.data_pipeline.maker.faces import read_faces
from morelli.data_pipeline.maker.find_faces import FaceFinder, find_faces
from morelli.data_pipeline.maker.pool import Source

ASTRONAUT = np.asarray(skimage.data.astronaut())
FACE = (0.34, 0.13, 0.54, 0.33)
"""Of the astronaut, in shares of her picture."""


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> tuple[Pool, Path]:
    """A pool of the astronaut and her mirror image, looked through for faces; and the folder."""
    folder = tmp_path_factory.mktemp("portraits")
    sources = []
    for name, pixels in (("her", ASTRONAUT), ("mirrored", ASTRONAUT[:, ::-1])):
        path = folder / f"{name}.png"
        Image.fromarray(pixels).save(path)
        sources.append(Source(path, name, name, 512, 1.0))
    found = folder / "faces"
    assert find_faces([one.path for one in sources], found) == 2
    assert find_faces([one.path for one in sources], found) == 0
    return Pool(sources, (), faces=found), found


def test_a_face_is_found_where_it_is_and_kept_under_the_pictures_bytes(
    faces: tuple[Pool, Path],
) -> None:
    pool, folder = faces
    ((x0, y0, x1, y1),) = pool.faces(pool.photographs[0])
    assert read_faces(folder, pool.photographs[0].path) == ((x0, y0, x1, y1),)
    # Her eyes and her mouth.
    for x, y in ((0.40, 0.21), (0.48, 0.21), (0.44, 0.28)):
        assert x0 < x < x1
        assert y0 < y < y1


def test_no_face_is_found_where_none_is() -> None:
    finder = FaceFinder()
    for pixels in (skimage.data.coffee(), skimage.data.rocket(), ASTRONAUT[300:]):
        assert finder.faces(np.asarray(pixels)) == []


def test_a_patch_beyond_the_border_is_filled_and_says_where_it_lies() -> None:
    patch, (top, left) = face_patch(ASTRONAUT, (-0.05, 0.1, 0.15, 0.3))
    assert (top, left) == (15, -61)
    assert patch.shape[:2] == (174, 174)
    assert np.array_equal(patch[:, 61:], ASTRONAUT[15:189, :113])


@pytest.mark.parametrize("way", ["self", "swap"])
def test_a_face_is_changed_inside_its_box_and_nowhere_else(
    way: str, faces: tuple[Pool, Path]
) -> None:
    pool, _ = faces
    host, seen = pool.photographs[0], 0
    donors = Donors(pool, host, own_faces=[FACE])
    for seed in range(30):
        done = face(ASTRONAUT, donors, np.random.default_rng(seed))
        if done.parameters["way"] != way:
            continue
        seen += 1
        changed = (done.pixels != ASTRONAUT).any(axis=-1)
        assert changed.any()
        assert not changed[done.alpha == 0].any()
        rows, columns = np.nonzero(done.alpha >= 0.5)
        assert 0.1 * 512 < rows.min() <= rows.max() < 0.42 * 512
        assert 0.28 * 512 < columns.min() <= columns.max() < 0.6 * 512
        assert ("donor" in done.parameters) == (way == "swap")
    assert seen


def test_without_a_face_nothing_is_changed(faces: tuple[Pool, Path]) -> None:
    pool, _ = faces
    for own in ([], [(1.2, 0.1, 1.4, 0.3)], [(0.5, 0.5, 0.51, 0.51)]):
        donors = Donors(pool, pool.photographs[0], own_faces=own)
        done = face(ASTRONAUT, donors, np.random.default_rng(0))
        assert done.pixels is ASTRONAUT
        assert not done.alpha.any()
