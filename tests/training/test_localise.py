import cv2
import numpy as np
import pytest
import torch

from morelli.model.forgery_vlm import ForgeryVLM
from morelli.model.presets import tiny
from morelli.model.views import layout, pack
from morelli.training.localise import localise_terms
from morelli.training.tiles import SYNTHETIC

AUTHENTIC, TAMPERED = 0, 1


def picture(seed, altered):
    """Return two tiles of a smooth picture, noisy where altered, and their truth."""
    rng = np.random.default_rng(seed)
    pixels = cv2.resize(rng.integers(60, 190, (4, 6, 3), dtype=np.uint8), (120, 64)).astype(int)
    mask = np.zeros((64, 120), bool)
    if altered:
        x, y = rng.integers(0, 70), rng.integers(0, 30)
        mask[y : y + 24, x : x + 40] = True
    pixels += mask[..., None] * rng.integers(-40, 41, pixels.shape)
    where = layout(64, 120, 64, 8)
    maps = np.zeros((3, 64, 120), np.float32)
    views = pack(pixels.astype(np.uint8), maps, where, overview=False)
    truth = [
        mask[:, x : x + 64].reshape(16, 4, 16, 4).mean((1, 3), dtype=np.float32)
        for x, _ in where.corners
    ]
    return torch.from_numpy(views), torch.from_numpy(np.stack(truth))


@pytest.fixture(scope="module")
def batch():
    labels = [TAMPERED, AUTHENTIC, TAMPERED, SYNTHETIC]
    pictures = [picture(seed, label == TAMPERED) for seed, label in enumerate(labels)]
    return {
        "pixel_values": torch.stack([views for views, _ in pictures]),
        "truth": torch.stack([truth for _, truth in pictures]),
        "labels": torch.tensor(labels),
    }


@pytest.fixture
def model():
    torch.manual_seed(0)
    return ForgeryVLM(tiny())


def test_four_pictures_are_soon_learned_by_heart(model, batch):
    model.train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    history = []
    for _ in range(80):
        loss = sum(localise_terms(model, batch).values())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        history.append(loss.item())
        if np.mean(history[-5:]) < 0.5 * np.mean(history[:3]):
            break
    assert np.mean(history[-5:]) < 0.5 * np.mean(history[:3])


def test_every_term_is_a_finite_number(model, batch):
    terms = localise_terms(model, batch)
    assert set(terms) == {"mask_cross_entropy", "mask_dice", "tile", "verdict"}
    assert all(term.shape == () and term.isfinite() for term in terms.values())


@torch.no_grad()
def test_the_mask_of_a_synthetic_picture_is_unknown(model, batch):
    model.eval()
    plain = localise_terms(model, batch)
    truth = batch["truth"].clone()
    truth[3] = 1.0
    changed = localise_terms(model, {**batch, "truth": truth})
    torch.testing.assert_close(changed, plain)


@torch.no_grad()
def test_tiles_that_only_pad_the_batch_change_nothing(model, batch):
    model.eval()
    plain = localise_terms(model, batch)
    views, truth = batch["pixel_values"], batch["truth"]
    padded = {
        "pixel_values": torch.cat([views, views.new_zeros(4, 2, *views.shape[2:])], dim=1),
        "truth": torch.cat([truth, truth.new_ones(4, 2, 16, 16)], dim=1),
        "labels": batch["labels"],
    }
    terms = localise_terms(model, padded)
    torch.testing.assert_close(terms, plain, atol=1e-5, rtol=1e-5)
