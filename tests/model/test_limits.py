from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np

from morelli.data_pipeline.images import Picture, picture_from_bytes
from morelli.data_pipeline.instruments import INSTRUMENTS, measure
from morelli.data_pipeline.verifier import cannot_tell
from morelli.model.limits import limits_of


def test_every_instrument_that_cannot_tell_is_named_with_its_reason() -> None:
    blank = cv2.imencode(".png", np.full((200, 260, 3), 200, np.uint8))[1].tobytes()
    readings = measure(picture_from_bytes(blank, "blank.png"))
    limits = limits_of(readings, stability_tested=True)
    silent = [one for one in readings if cannot_tell(one)]
    assert len(silent) > len(INSTRUMENTS) // 2
    for one in silent:
        (limit,) = (limit for limit in limits if f"The {one.instrument} instrument" in limit)
        assert limit.endswith(f"cannot tell on this picture. {one.statement}")
    told = {one.instrument for one in readings} - {one.instrument for one in silent}
    assert not any(f"The {name} instrument" in limit for name in told for limit in limits)


def test_a_screenshot_is_said_to_have_no_jpeg_history() -> None:
    page = np.random.default_rng(0).normal(128, 20, (200, 260, 3)).clip(0, 255).astype(np.uint8)
    screenshot = picture_from_bytes(cv2.imencode(".png", page)[1].tobytes(), "screenshot.png")
    (limit,) = (
        limit
        for limit in limits_of(measure(screenshot, {"jpeg"}), stability_tested=False)
        if "The jpeg instrument" in limit
    )
    assert "no trace of ever having been one" in limit


def test_a_reading_that_is_little_reliable_is_a_limit_without_its_number(
    draw: Callable[..., Picture],
) -> None:
    (noise,) = measure(draw(120, 150), {"noise"})
    assert noise.value is not None
    (*_, limit) = limits_of([replace(noise, reliability=0.1)], stability_tested=True)
    assert limit == "The noise instrument cannot tell on this picture."
    assert noise.statement not in " ".join(limits_of([noise], stability_tested=True))
