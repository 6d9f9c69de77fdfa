import cv2
import numpy as np
import pytest
import skimage.data

from morelli.data_pipeline.maker import Pool
from morelli.data_pipeline.maker.donors import Donors
from morelli.data_pipeline.maker.pool import REGENERATORS
from morelli.data_pipeline.maker.regeneration import (
    LATENTS,
    regenerated,
    regenerator,
    reprocess,
)

HOST = np.asarray(skimage.data.astronaut()[:200, 120:330])


@pytest.mark.parametrize("name", LATENTS)
def test_a_network_gives_a_picture_back_in_its_size_and_nearly_its_colours(name: str) -> None:
    for height, width in ((64, 96), (77, 131)):
        view = HOST[:height, :width]
        made = regenerator(name).regenerate(view, np.random.default_rng(0), 0.0)
        assert made.shape == view.shape
        error = np.square(made.astype(float) - view).mean()
        assert 10 * np.log10(255**2 / error) > 20
        assert (made != view).any(axis=-1).mean() > 0.8


@pytest.mark.parametrize("name", LATENTS)
def test_tiles_join_to_what_one_pass_would_give(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network = regenerator(name)
    at_once = network.regenerate(HOST, np.random.default_rng(1), 1.0)
    monkeypatch.setattr("morelli.data_pipeline.maker.regeneration._TILE", 64)
    in_tiles = network.regenerate(HOST, np.random.default_rng(1), 1.0)
    assert np.abs(at_once.astype(int) - in_tiles).max() <= 1


def test_noise_makes_another_picture_and_its_seed_the_same() -> None:
    network = regenerator("nearest")
    quiet, loud, again = (
        network.regenerate(HOST, np.random.default_rng(5), noise) for noise in (0.0, 1.0, 1.0)
    )
    assert np.array_equal(loud, again)
    assert not np.array_equal(quiet, loud)


def test_validation_pictures_go_through_a_network_that_training_never_sees(pool: Pool) -> None:
    assert REGENERATORS["train"] != REGENERATORS["validation"]
    held_out = Pool(pool.photographs, (), part="validation")
    for sources, name in ((pool, "nearest"), (held_out, "subpixel")):
        _, drawn = reprocess(HOST, sources, np.random.default_rng(0))
        assert drawn["network"] == name
        done = regenerated(HOST, Donors(sources, pool.photographs[0]), np.random.default_rng(0))
        assert done.parameters["network"] == name


def test_a_reprocessed_picture_keeps_no_pixel_and_its_size(pool: Pool) -> None:
    for seed in range(4):
        made, _ = reprocess(HOST, pool, np.random.default_rng(seed))
        assert made.shape == HOST.shape
        assert (made == HOST).all(axis=-1).mean() < 0.1
        # What is shown stays the same: coarse copies agree.
        small = [cv2.resize(one, (20, 20), interpolation=cv2.INTER_AREA) for one in (made, HOST)]
        assert np.abs(small[0].astype(float) - small[1]).mean() < 15
