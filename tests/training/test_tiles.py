from itertools import islice
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from morelli.data_pipeline.schema import CLASSES, Verdict
from morelli.model.presets import tiny
from morelli.training import tiles
from morelli.training.tiles import MadeTiles, TilePlan, collate_views, label_of, worker_seeds

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
    monkeypatch.setattr(tiles, "measure", lambda picture, names: ())

    def start(count=3, first_seed=5, overviews=0.0):
        return iter(MadeTiles(None, tiny(), TilePlan((64,), count, overviews, 2, 0.5, first_seed)))

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


def test_the_overview_is_left_out_and_invalid_unless_it_is_asked_for(stream):
    assert not next(stream())["pixel_values"][0].any()
    assert next(stream(overviews=1.0))["pixel_values"][0].any()


def test_the_pictures_of_a_block_are_of_one_size_and_blocks_of_several(monkeypatch, stream):
    sides = []
    monkeypatch.setattr(tiles, "make", lambda pool, seed, side: sides.append(side) or made(seed))
    plan = TilePlan((64, 96, 128), 1, 0.5, 3, 0.5, 0)
    list(islice(iter(MadeTiles(None, tiny(), plan)), 30))
    blocks = np.reshape(sides, (10, 3))
    assert (blocks == blocks[:, :1]).all()
    assert len(set(blocks[:, 0])) > 1


def test_workers_take_different_blocks_that_together_are_all(monkeypatch):
    seeds = []
    for worker in range(3):
        info = SimpleNamespace(id=worker, num_workers=3)
        monkeypatch.setattr(tiles, "get_worker_info", lambda info=info: info)
        seeds += [seed for _, seed in islice(worker_seeds(100, 4), 8)]
    assert sorted(seeds) == list(range(100, 124))


def test_a_picture_too_large_for_scale_1_is_cut_into_wider_tiles_of_as_many_mask_pixels(
    monkeypatch, stream
):
    large = made(0)
    large.mask = np.zeros((200, 200), bool)
    large.mask[30:60, 30:50] = True
    large.pixels = np.zeros((200, 200, 3), np.uint8)
    monkeypatch.setattr(tiles, "make", lambda pool, seed, side: large)
    sample = next(stream(count=9))
    assert sample["pixel_values"].shape[1:] == (9, 128, 128)
    assert sample["truth"].shape[1:] == (16, 16)
    assert sample["truth"][0].sum() * 64 == pytest.approx(600)


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
