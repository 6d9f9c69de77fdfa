import cv2
import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray

from morelli.data_pipeline.maker.donors import Donors
from morelli.data_pipeline.maker.edits import EDITS
from morelli.data_pipeline.maker.pages import render_page
from morelli.data_pipeline.maker.pool import Pool, Source


@pytest.fixture(scope="module")
def donors(tmp_path_factory: pytest.TempPathFactory) -> Donors:
    folder = tmp_path_factory.mktemp("donors")
    sources = []
    for name in ("coffee", "chelsea", "astronaut"):
        path = folder / f"{name}.png"
        cv2.imwrite(str(path), getattr(skimage.data, name)()[..., ::-1])
        sources.append(Source(path, name, name, 300, 1.0))
    return Donors(Pool(sources[:2], sources[2:]), sources[0], own_faces=[(0.3, 0.3, 0.7, 0.7)])


def _host(kind: str, photograph: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the photograph, or a page if only pages can be edited so."""
    if kind != "document":
        return photograph
    return render_page(np.random.default_rng(0), 256, 256)[0]


@pytest.mark.parametrize("kind", EDITS)
def test_an_edit_changes_nothing_outside_its_mask(kind: str, donors: Donors) -> None:
    host = _host(kind, skimage.data.rocket()[60:316, 200:456])
    for seed in range(12):
        done = EDITS[kind](host, donors, np.random.default_rng(seed))
        assert done.pixels.shape == host.shape
        assert done.pixels.dtype == np.uint8
        assert done.alpha.shape == host.shape[:2]
        assert 0 <= done.alpha.min() <= done.alpha.max() <= 1 + 1e-6
        touched = cv2.dilate((done.alpha >= 0.5).astype(np.uint8), np.ones((25, 25), np.uint8))
        outside = touched == 0
        assert np.array_equal(done.pixels[outside], host[outside])


@pytest.mark.parametrize("kind", EDITS)
def test_an_edit_changes_most_of_what_its_mask_covers(kind: str, donors: Donors) -> None:
    host = _host(kind, skimage.data.astronaut()[:256, 100:356])
    changed = []
    for seed in range(12):
        done = EDITS[kind](host, donors, np.random.default_rng(seed))
        inside = done.alpha >= 0.5
        changed.append((done.pixels[inside] != host[inside]).any(axis=-1).mean())
    assert np.median(changed) > 0.8
