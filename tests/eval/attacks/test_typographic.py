import numpy as np
import pytest

from morelli.data_pipeline.schema import CLASSES
from morelli.eval.attacks.typographic import NEUTRAL, WRONG, overlaid, with_sign

PLACES = [(0, 0), (0, 1), (1, 0), (1, 1)]


@pytest.mark.parametrize("draw", [with_sign, overlaid])
@pytest.mark.parametrize("size", [(64, 64), (120, 400), (700, 500)])
def test_the_words_fit_into_any_picture_and_can_be_seen(draw, size) -> None:
    grey = np.full((*size, 3), 110, np.uint8)
    for lines in (NEUTRAL, *WRONG.values()):
        drawn = draw(grey, None, lines, 6)
        changed = (drawn != grey).any(2)
        assert drawn.shape == grey.shape
        assert 0.005 < changed.mean() < 0.6


@pytest.mark.parametrize("draw", [with_sign, overlaid])
@pytest.mark.parametrize(("below", "right"), PLACES)
def test_the_words_keep_off_what_was_altered(draw, below: int, right: int) -> None:
    grey = np.full((300, 400, 3), 110, np.uint8)
    mask = np.zeros((300, 400), bool)
    mask[below * 200 : below * 200 + 100, right * 250 : right * 250 + 150] = True
    drawn = draw(grey, mask, NEUTRAL, 4)
    assert not (drawn != grey).any(2)[mask].any()


def test_the_words_never_name_the_true_class_and_the_neutral_ones_none() -> None:
    names = [str(name) for name in CLASSES]
    for label, lines in WRONG.items():
        said = " ".join(lines).lower()
        assert str(label) not in said
        assert any(name in said for name in names)
    assert not any(name in " ".join(NEUTRAL).lower() for name in names)


def test_a_sign_hides_what_lies_below_and_an_overlay_lets_it_through() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
    for draw, hidden in ((with_sign, True), (overlaid, False)):
        drawn = draw(noise, None, NEUTRAL, 8)
        changed = (drawn != noise).any(2)
        assert (drawn[changed].std() < 100) or not hidden
        assert np.corrcoef(drawn[changed].ravel(), noise[changed].ravel())[0, 1] > 0.2 or hidden
