import numpy as np
import skimage.data

from morelli.data_pipeline.maker.history import Step, apply_steps
from morelli.data_pipeline.maker.print_scan import at_an_angle, draw_print, print_and_capture


def test_a_print_is_the_picture_in_less_contrast_and_repeats() -> None:
    pixels = np.asarray(skimage.data.coffee())[:256, :320]
    for seed in range(6):
        drawn = draw_print(np.random.default_rng(seed))
        seen = print_and_capture(pixels, drawn)
        assert np.array_equal(seen, print_and_capture(pixels, drawn))
        assert seen.shape == pixels.shape
        assert np.ptp(np.percentile(seen, [1, 99])) < np.ptp(np.percentile(pixels, [1, 99]))
        shown = np.asarray(at_an_angle(pixels, drawn))
        levels = [values.mean(axis=2).ravel() for values in (shown, seen)]
        assert np.corrcoef(levels)[0, 1] > 0.95


def test_nothing_beside_the_print_is_seen() -> None:
    white = np.full((200, 300, 3), 255, np.uint8)
    for seed in range(6):
        drawn = draw_print(np.random.default_rng(seed)) | {"uneven": 0.0, "dots": 0.0}
        seen = print_and_capture(white, drawn).astype(float)
        rim, middle = seen[:3].mean(), seen[90:110].mean()
        assert abs(rim - middle) < 1.5


def test_masks_are_seen_at_the_same_angle_as_the_print() -> None:
    pixels = np.full((200, 240, 3), 240, np.uint8)
    pixels[60:120, 80:160] = 10
    alpha = (pixels[..., 0] < 128).astype(np.float32)
    for seed in range(6):
        step = Step("print", draw_print(np.random.default_rng(seed)))
        done, moved = apply_steps(pixels, np.dstack([alpha, 1 - alpha]), [step])
        dark = done.mean(axis=2) < (done.max() / 2 + done.min() / 2)
        assert (dark != (moved[..., 0] >= 0.5)).mean() < 0.02
        assert np.allclose(moved.sum(axis=2), 1, atol=1e-3)
