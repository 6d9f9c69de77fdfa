import json

import cv2
import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray

from morelli.data_pipeline.maker.donors import Donors
from morelli.data_pipeline.maker.edits import EDITS
from morelli.data_pipeline.maker.pages import render_page
from morelli.data_pipeline.maker.pool import Pool, Source
from morelli.data_pipeline.maker.shadows import VISIBLE


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
        # Only shadows may go on beyond the mask, and only where they are too faint to be marked.
        apart = np.abs(done.pixels[outside].astype(int) - host[outside])
        shaded = '"shadow"' in json.dumps(done.parameters)
        assert apart.max(initial=0) < (VISIBLE if shaded else 1)


@pytest.mark.parametrize("kind", EDITS)
def test_an_edit_changes_most_of_what_its_mask_covers(kind: str, donors: Donors) -> None:
    host = _host(kind, skimage.data.astronaut()[:256, 100:356])
    changed = []
    for seed in range(12):
        done = EDITS[kind](host, donors, np.random.default_rng(seed))
        inside = done.alpha >= 0.5
        changed.append((done.pixels[inside] != host[inside]).any(axis=-1).mean())
    assert np.median(changed) > 0.8


def test_a_copy_tells_what_was_copied_from_where_nothing_is_altered(donors: Donors) -> None:
    host = np.asarray(skimage.data.astronaut()[:256, 100:356])
    for seed in range(12):
        done = EDITS["copy_move"](host, donors, np.random.default_rng(seed))
        assert done.origin is not None
        origin = done.origin >= 0.5
        assert origin.any()
        assert not (origin & (done.alpha >= 0.5)).any()
        kept = origin & (done.alpha == 0)
        assert np.array_equal(done.pixels[kept], host[kept])


def test_a_copy_that_was_only_moved_equals_its_origin(donors: Donors) -> None:
    host = np.asarray(skimage.data.astronaut()[:256, 100:356])
    matched = 0
    for seed in range(60):
        done = EDITS["copy_move"](host, donors, np.random.default_rng(seed))
        copies = done.parameters["copies"]
        moved_only = len(copies) == 1 and copies[0]["rescale"] == 1.0 and not copies[0]["flip"]
        whole = done.origin is not None and copies[0].get("border") is None
        if not (moved_only and whole) or copies[0]["angle"]:
            continue
        inside = cv2.erode((done.alpha >= 0.999).astype(np.uint8), np.ones((5, 5))) > 0
        ys, xs = np.nonzero(done.origin >= 0.5)
        # The origin's box holds the patch; where part of it is covered, its corner is not known.
        dy, dx = copies[0]["corner"][0] - ys.min(), copies[0]["corner"][1] - xs.min()
        to_y, to_x = np.nonzero(inside)
        ok = (to_y - dy < 256) & (to_x - dx < 256) & (to_y >= dy) & (to_x >= dx)
        same = done.pixels[to_y[ok], to_x[ok]] == host[to_y[ok] - dy, to_x[ok] - dx]
        matched += bool(ok.any()) and bool(same.mean() > 0.99)
    assert matched >= 5


def test_borders_of_copies_are_retouched_now_and_then(donors: Donors) -> None:
    host = np.asarray(skimage.data.astronaut()[:256, 100:356])
    ways = set()
    for seed in range(60):
        done = EDITS["copy_move"](host, donors, np.random.default_rng(seed))
        ways |= {copy.get("border") for copy in done.parameters["copies"]}
    assert ways == {None, "blurred", "in-painted"}


def test_a_cloned_background_tells_what_was_cloned(donors: Donors) -> None:
    host = np.asarray(skimage.data.astronaut()[:256, 100:356])
    told = 0
    for seed in range(30):
        done = EDITS["removal"](host, donors, np.random.default_rng(seed))
        assert (done.origin is not None) == (done.parameters["method"] == "clone")
        if done.origin is not None:
            kept = (done.origin > 0) & (done.alpha == 0)
            assert np.array_equal(done.pixels[kept], host[kept])
            told += bool(kept.any())
    assert told >= 3
