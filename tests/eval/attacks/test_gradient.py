from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from morelli.data_pipeline.images import Picture
from morelli.data_pipeline.instruments import measure
from morelli.data_pipeline.schema import Verdict
from morelli.eval.attacks import gradient
from morelli.eval.attacks.aim import Aim, saved
from morelli.eval.attacks.gradient import mislead
from morelli.model import examiner


@pytest.fixture
def picture() -> Picture:
    rng = np.random.default_rng(0)
    pixels = np.clip(rng.normal(90, 40, (64, 72, 3)), 0, 255).astype(np.uint8)
    pixels[:10], pixels[-10:] = 0, 255
    return saved(pixels, "made.png")


@pytest.fixture
def fixed(picture: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the instruments read the same of every picture.

    A model with random weights hangs on each digit of the readings more than on all pixels.
    """
    read = measure(picture)
    monkeypatch.setattr(gradient, "measure", lambda *_: read)
    monkeypatch.setattr(examiner, "measure", lambda *_: read)


def right_side(looking: Any, picture: Picture, label: Verdict) -> float:
    authentic = looking.look(picture).probability["authentic"]
    return float(authentic if label is Verdict.AUTHENTIC else 1 - authentic)


@pytest.mark.parametrize("label", [Verdict.AUTHENTIC, Verdict.TAMPERED, Verdict.SYNTHETIC])
def test_it_lowers_the_probability_of_what_is_true_and_more_so_with_more_room(
    label: Verdict, picture: Picture, random_examiner: Any, fixed: None
) -> None:
    aim = Aim(random_examiner, picture, label)
    before = right_side(random_examiner, picture, label)
    left = [
        right_side(random_examiner, mislead(aim, radius, steps=3).picture, label)
        for radius in (0, 1, 8)
    ]
    assert left[0] == before
    assert left[2] < left[1] < before


def test_it_finds_its_way_through_the_map_too(
    picture: Picture, random_examiner: Any, fixed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    weighed = replace(random_examiner.calibrator, map_weights=(0.0, 3.0, 0.0))
    checkpoint = replace(random_examiner.checkpoint, calibrator=weighed)
    monkeypatch.setattr(random_examiner, "checkpoint", checkpoint)
    verdict = gradient._Verdict(random_examiner, Verdict.AUTHENTIC)
    error, slope = verdict.error(picture, True)
    stated = random_examiner.look(picture).probability["authentic"]
    assert error == pytest.approx(np.log(1 / stated - 1), abs=1e-3)
    assert slope is not None

    def after(signs: Any) -> float:
        moved = np.clip(picture.pixels + 4 * signs, 0, 255).astype(np.uint8)
        return verdict.error(saved(moved, "moved"), False)[0]

    rng = np.random.default_rng(0)
    blind = [after(rng.choice([-1, 1], slope.shape)) for _ in range(4)]
    assert after(np.sign(slope)) > max(error, *blind)


def test_it_does_more_than_noise_of_the_same_size(
    picture: Picture, random_examiner: Any, fixed: None
) -> None:
    aim = Aim(random_examiner, picture, Verdict.AUTHENTIC)
    before = right_side(random_examiner, picture, aim.label)
    rng = np.random.default_rng(0)
    noise = [
        before - right_side(random_examiner, saved(noisy, "noisy"), aim.label)
        for noisy in (
            np.clip(picture.pixels + rng.choice([-4, 4], picture.pixels.shape), 0, 255).astype(
                np.uint8
            )
            for _ in range(4)
        )
    ]
    attacked = right_side(random_examiner, mislead(aim, 4, steps=3).picture, aim.label)
    assert before - attacked > max(map(abs, noise))


def test_nothing_that_was_tried_was_worse_for_the_attack_than_what_it_returns(
    picture: Picture, random_examiner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []
    error = gradient._Verdict.error

    def noted(*words: Any) -> Any:
        tried.append(error(*words))
        return tried[-1]

    monkeypatch.setattr(gradient._Verdict, "error", noted)
    attacked = mislead(Aim(random_examiner, picture, Verdict.TAMPERED), 2, steps=3)
    monkeypatch.undo()
    reached, _ = gradient._Verdict(random_examiner, Verdict.TAMPERED).error(attacked.picture, False)
    assert len(tried) == 4
    assert reached == pytest.approx(max(one for one, _ in tried), abs=1e-5)


@pytest.mark.parametrize("radius", [0, 1, 2, 4])
def test_no_level_moves_further_than_the_radius_after_rounding(
    radius: int, picture: Picture, random_examiner: Any
) -> None:
    attacked = mislead(Aim(random_examiner, picture, Verdict.TAMPERED), radius, steps=2)
    assert attacked.picture.format == "PNG"
    moved = attacked.picture.pixels.astype(int) - picture.pixels
    assert np.abs(moved).max() == radius


def test_a_radius_between_levels_is_refused(picture: Picture, random_examiner: Any) -> None:
    with pytest.raises(ValueError, match=r"whole, got 1\.5"):
        mislead(Aim(random_examiner, picture, Verdict.TAMPERED), 1.5)


def test_the_gradient_foretells_what_small_steps_do(
    picture: Picture, random_examiner: Any, fixed: None
) -> None:
    verdict = gradient._Verdict(random_examiner, Verdict.AUTHENTIC)
    error, slope = verdict.error(picture, True)
    assert slope is not None
    assert verdict.error(picture, False) == (pytest.approx(error, abs=1e-5), None)
    rng = np.random.default_rng(0)
    foretold, done = [], []
    for _ in range(10):
        step = np.sign(slope) * rng.choice([1, 1, -1], slope.shape) * rng.choice([-1, 1])
        step[(picture.pixels < 1) | (picture.pixels > 254)] = 0
        moved = saved((picture.pixels + step).astype(np.uint8), "moved")
        foretold.append(float((slope * step).sum()) / 255)
        done.append(verdict.error(moved, False)[0] - error)
    assert np.corrcoef(foretold, done)[0, 1] > 0.9
    assert np.dot(foretold, done) / np.dot(foretold, foretold) == pytest.approx(1, abs=0.35)


def test_the_slope_of_a_map_that_is_the_detail_itself_is_the_details_own() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(60, 190, (40, 48, 3), np.uint8)
    # a map that rises with detail, held against one that falls with it
    grain = np.abs(np.diff(pixels.astype(np.float32).mean(2), axis=1, append=0)) / 255
    rising = torch.nn.functional.avg_pool2d(
        torch.from_numpy(grain)[None], 17, 1, padding=8, count_include_pad=False
    ).numpy()
    ones = np.ones_like(rising)
    up = gradient._through_maps(pixels, rising, ones)
    down = gradient._through_maps(pixels, 1 - rising, ones)
    assert up.shape == (3, 40, 48)
    assert np.abs(up).max() > 0
    np.testing.assert_allclose(up, -down, atol=1e-4 * np.abs(up).max())
    flat = gradient._through_maps(pixels, np.full_like(rising, 0.5), ones)
    assert np.abs(flat).max() < 1e-6 * np.abs(up).max()
