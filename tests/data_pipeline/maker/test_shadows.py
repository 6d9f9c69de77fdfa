import numpy as np
import pytest

from morelli.data_pipeline.maker.frame import Edited
from morelli.data_pipeline.maker.shadows import VISIBLE, cast_shadow

CORNER = (60, 90)


def _cast(seed: int, surface: str, level: int = 200) -> tuple[np.ndarray, Edited]:
    """Let a tall box in the middle of an even host cast a shadow."""
    host = np.full((200, 240, 3), level, np.uint8)
    mask = np.zeros((80, 40), np.float32)
    mask[5:70, 5:35] = 1
    return host, cast_shadow(np.random.default_rng(seed), host, mask, CORNER, surface)


@pytest.mark.parametrize("surface", ["ground", "wall"])
def test_a_shadow_only_darkens_and_the_mask_is_where_it_does_visibly(surface: str) -> None:
    for seed in range(20):
        host, done = _cast(seed, surface)
        darker = host.astype(int) - done.pixels
        assert darker.min() >= 0
        assert np.array_equal(done.alpha > 0, darker.max(axis=2) >= VISIBLE)
        assert done.alpha.any()
        assert done.parameters["visible"] == VISIBLE


def test_on_black_nothing_is_seen_and_nothing_marked() -> None:
    host, done = _cast(0, "ground", level=6)
    assert not done.alpha.any()
    assert (host - done.pixels).max() < VISIBLE


def test_shadows_fall_away_from_the_brighter_side() -> None:
    mask = np.ones((80, 30), np.float32)
    ramp = np.linspace(90, 230, 240).astype(np.uint8)
    host = np.repeat(np.tile(ramp, (200, 1))[..., None], 3, axis=2)
    away = []
    for seed in range(60):
        done = cast_shadow(np.random.default_rng(seed), host, mask, (60, 105), "ground")
        away.append(float(np.nonzero(done.alpha)[1].mean()) < 120)
        assert done.parameters["light"] == ("right" if away[-1] else "left")
    assert 0.75 < np.mean(away) < 1


def test_a_shadow_on_the_ground_meets_the_foot_of_its_object() -> None:
    for seed in range(20):
        _, done = _cast(seed, "ground")
        foot = CORNER[0] + 70
        assert done.alpha[foot - 4 : foot + 4, CORNER[1] + 5 : CORNER[1] + 35].any()


def test_a_shadow_is_softer_far_from_the_foot_than_near_it() -> None:
    """The widest step across the edge stands for its sharpness."""
    sharper = []
    for seed in range(40):
        host, done = _cast(seed, "ground")
        shade = (host.astype(float) - done.pixels).mean(axis=2)
        if done.parameters["down"] < 0.2:
            continue
        foot, height = CORNER[0] + 70, 80
        near = shade[foot + round(0.25 * done.parameters["down"] * height)]
        far = shade[foot + round(0.7 * done.parameters["down"] * height)]
        steps = [np.abs(np.diff(row)).max() / max(row.max(), 1e-6) for row in (near, far)]
        sharper.append(steps[0] > steps[1])
    assert len(sharper) >= 5
    assert np.mean(sharper) > 0.8


def test_an_object_outside_the_picture_casts_no_shadow_in_it() -> None:
    host = np.full((100, 100, 3), 200, np.uint8)
    mask = np.ones((30, 20), np.float32)
    done = cast_shadow(np.random.default_rng(0), host, mask, (-400, 20), "wall")
    assert np.array_equal(done.pixels, host)
