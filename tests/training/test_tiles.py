from itertools import islice
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from morelli.data_pipeline.schema import CLASSES, Verdict
from morelli.model.presets import tiny
from morelli.training import tiles
from morelli.training.tiles import MadeTiles, TilePlan, collate_views, label_of

HEIGHT, WIDTH = 80, 150


def made(seed, side=0):
    """A picture with an altered rectangle that lies in the right third."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[21:43, 110:137] = True
    pixels = rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    return SimpleNamespace(data=b"", pixels=pixels, mask=mask, verdict=Verdict.TAMPERED)


@pytest.fixture
def stream(monkeypatch):
    """Give a function that streams made pictures, the maker and the instruments left out."""
    monkeypatch.setattr(tiles, "make", lambda pool, seed, side: made(seed))
    monkeypatch.setattr(tiles, "picture_from_bytes", lambda data, name: None)
    monkeypatch.setattr(tiles, "measure", lambda picture: ())

    def start(count=3, first_seed=5):
        return iter(MadeTiles(None, tiny(), TilePlan((64,), count, 0.5, first_seed)))

    return start


def corner_of(view):
    """Read a tile's upper left pixel from its x and y channels."""
    return round(float(view[-2, 0, 0]) * WIDTH - 0.5), round(float(view[-1, 0, 0]) * HEIGHT - 0.5)


def test_the_truth_of_a_tile_is_the_mean_of_its_mask_under_each_output_pixel(stream):
    sample = next(stream())
    mask = np.zeros((HEIGHT + 64, WIDTH + 64), np.float32)
    mask[:HEIGHT, :WIDTH] = made(5).mask
    assert sample["truth"].shape == (3, 16, 16)
    for view, truth in zip(sample["pixel_values"][1:], sample["truth"], strict=True):
        x, y = corner_of(view)
        for row in range(16):
            for column in range(16):
                under = mask[y + 4 * row :, x + 4 * column :][:4, :4]
                assert truth[row, column].item() == pytest.approx(under.mean())


def test_the_first_tile_holds_altered_pixels(stream):
    for sample in islice(stream(), 8):
        assert sample["truth"][0].sum() > 0


def test_no_tile_is_taken_twice(stream):
    for sample in islice(stream(count=4), 8):
        corners = [corner_of(view) for view in sample["pixel_values"][1:]]
        assert len(set(corners)) == len(corners)


def test_the_overview_is_left_out_and_invalid(stream):
    assert not next(stream())["pixel_values"][0].any()


def test_the_same_first_seed_gives_the_same_stream(stream):
    for one, other in islice(zip(stream(), stream(), strict=True), 3):
        torch.testing.assert_close(one, other)
    first, second = islice(stream(), 2)
    assert not torch.equal(first["pixel_values"], second["pixel_values"])


def test_a_label_is_an_index_of_the_classes():
    assert CLASSES[label_of(made(0))] is Verdict.TAMPERED


def test_collating_pads_short_pictures_with_invalid_views_and_no_truth(stream):
    long, short = next(stream(count=4)), next(stream(count=2))
    batch = collate_views([long, short])
    assert batch["pixel_values"].shape == (2, 5, 9, 64, 64)
    assert batch["truth"].shape == (2, 4, 16, 16)
    assert torch.equal(batch["pixel_values"][0], long["pixel_values"])
    assert torch.equal(batch["pixel_values"][1, :3], short["pixel_values"])
    assert not batch["pixel_values"][1, 3:].any()
    assert not batch["truth"][1, 2:].any()
    assert batch["labels"].tolist() == [1, 1]
