from pathlib import Path

import cv2
import numpy as np
import pytest

from morelli.data_pipeline.maker.documents import document, text_boxes
from morelli.data_pipeline.maker.donors import Donors
from morelli.data_pipeline.maker.fonts import PILLOW, set_line, typefaces
from morelli.data_pipeline.maker.pages import render_page
from morelli.data_pipeline.maker.pool import Pool, Source


@pytest.fixture
def donors(tmp_path: Path) -> Donors:
    host = Source(tmp_path / "page", "page", "page", 256, 1.0)
    return Donors(Pool([host], []), host)


def test_words_are_found_where_they_were_set() -> None:
    page = np.full((120, 300, 3), 240, np.uint8)
    strokes = set_line("Total", PILLOW, 24)
    height, width = strokes.shape
    page[40 : 40 + height, 60 : 60 + width] = (240 * (1 - strokes[..., None])).astype(np.uint8)
    letters, words = text_boxes(page)
    assert len(letters) >= 4
    ((x0, y0, x1, y1),) = words
    assert (x0, x1) == pytest.approx((60, 60 + width), abs=5)
    assert (y0, y1) == pytest.approx((40, 40 + height), abs=5)


def test_a_bare_page_has_no_words_and_stays_as_it_is(donors: Donors) -> None:
    page = np.full((120, 300, 3), 240, np.uint8)
    done = document(page, donors, np.random.default_rng(0))
    assert np.array_equal(done.pixels, page)
    assert not done.alpha.any()


def test_forged_words_lie_within_the_mask(donors: Donors) -> None:
    for seed in range(10):
        rng = np.random.default_rng(seed)
        page, _ = render_page(rng, 240, 240)
        done = document(page, donors, rng)
        assert done.alpha.any()
        # Ink is soft at its edges, a pixel or two beyond the strokes that the mask counts.
        near = cv2.dilate(done.alpha, np.ones((7, 7), np.uint8)) > 0
        assert np.array_equal(done.pixels[~near], page[~near])
        assert done.alpha.mean() < 0.3


def test_pages_differ_by_seed_and_repeat_by_seed() -> None:
    one, again, other = (render_page(np.random.default_rng(seed), 200, 180) for seed in (1, 1, 2))
    assert np.array_equal(one[0], again[0])
    assert one[1] == again[1]
    assert one[0].shape == (200, 180, 3)
    assert not np.array_equal(one[0], other[0])


def test_every_layout_comes_up_and_only_screenshots_have_no_grain() -> None:
    layouts = set()
    for seed in range(40):
        page, drawn = render_page(np.random.default_rng(seed), 200, 200)
        layouts.add(drawn["layout"])
        spread = page[-6:, :6].reshape(-1, 3).std(axis=0).max()
        assert (spread == 0) == (drawn["layout"] == "screenshot")
    assert layouts == {"letter", "receipt", "form", "card", "screenshot"}


def test_copied_words_tell_what_they_were_copied_from(donors: Donors) -> None:
    told = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        page, _ = render_page(rng, 240, 240)
        done = document(page, donors, rng)
        copied = any("from" in word for word in done.parameters["words"])
        if done.origin is None:
            continue
        assert copied
        assert np.array_equal(done.pixels[done.origin > 0], page[done.origin > 0])
        told += 1
    assert told >= 10


def test_careful_forgers_keep_closer_to_what_stands_there(donors: Donors) -> None:
    steps: dict[bool, list[float]] = {True: [], False: []}
    for seed in range(40):
        rng = np.random.default_rng(seed)
        page, _ = render_page(rng, 240, 240)
        done = document(page, donors, rng).parameters
        steps[done["careful"]] += [abs(w["offset"]) for w in done["words"] if "offset" in w]
    assert np.mean(steps[True]) < np.mean(steps[False])


def test_every_typeface_here_sets_text() -> None:
    for name in typefaces():
        strokes = set_line("Hg 12.50", name, 20)
        assert strokes.max() > 0.9
        assert 10 < strokes.shape[0] < 40


def test_every_typeface_here_draws_each_letter_differently() -> None:
    for name in typefaces():
        drawn = {set_line(letter, name, 20).tobytes() for letter in "aegnRH5"}
        assert len(drawn) == 7, name
