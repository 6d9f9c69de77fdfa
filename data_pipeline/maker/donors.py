"""Crops and cut-out objects of other pictures, each with a history of its own."""

from typing import Any

import numpy as np

from morelli.data_pipeline.maker.frame import Alpha, Pixels
from morelli.data_pipeline.maker.history import Step, apply_steps, draw_jpeg, resize
from morelli.data_pipeline.maker.pool import Pool, Source
from morelli.data_pipeline.maker.shapes import SHAPES, enlarge, outline

_VARIANTS = 6
"""Objects cut out of one source; each is found once and then kept."""

_LARGEST_PATCH = 1200
"""Side in pixels above which a donor's object is halved before it is scaled: speed only."""


class Donors:
    """What an edit may take from elsewhere: anything but the host itself."""

    def __init__(self, pool: Pool, host: Source) -> None:
        """Draw from `pool`, never from `host`."""
        self._pool = pool
        self._photographs = [one for one in pool.photographs if one.path != host.path]
        self._generated = list(pool.generated)

    def source(self, rng: np.random.Generator, generated: bool) -> Source:
        """Draw a donor; a photograph if the pool has no generated picture."""
        if generated and self._generated:
            return self._pool.draw(rng, self._generated, 1)
        return self._pool.draw(rng, self._photographs or self._pool.photographs, 1)

    def patch(
        self, rng: np.random.Generator, area: float, generated: bool = False
    ) -> tuple[Pixels, Alpha, dict[str, Any]]:
        """Cut out a patch that covers about `area` pixels and give it a history.

        Most patches are objects cut out by colour and scaled by 0.25 to 2.2, the others have
        drawn outlines and are taken at the donor's own resolution.

        Args:
            rng: the source of every draw.
            area: pixels that the patch should cover.
            generated: whether to take it from a generator's output.

        Returns:
            (h, w, 3) pixels, (h, w) mask of the patch, and what was drawn.
        """
        source = self.source(rng, generated)
        if rng.random() < 0.7:
            view, coarse = self._pool.cutout(source, int(rng.integers(_VARIANTS)))
            covered = float(coarse.mean()) * view.shape[0] * view.shape[1]
            scale = float(np.clip(np.sqrt(area / covered), 0.25, 2.2))
            shape, name = (_scaled(view.shape, scale), "object")
            mask = enlarge(coarse, *shape)
        else:
            pixels = self._pool.read(source)
            name, mask = outline(rng, area, tuple(SHAPES))
            scale = _scale_to_fit(rng, pixels.shape, mask.shape)
            shape = (mask.shape[0], mask.shape[1])
            view = _crop(rng, pixels, _scaled(mask.shape, 1 / scale))
        patch, steps = _aged(rng, view)
        drawn = {"donor": source.name, "outline": name, "scale": scale, "history": steps}
        return resize(patch, *shape, "area" if scale < 1 else "cubic"), mask, drawn

    def crop(
        self, rng: np.random.Generator, height: int, width: int, generated: bool
    ) -> tuple[Pixels, dict[str, Any]]:
        """Take a (height, width, 3) crop of a donor, enlarged only if the donor is too small."""
        source = self.source(rng, generated)
        pixels = self._pool.read(source)
        scale = _scale_to_fit(rng, pixels.shape, (height, width))
        view, steps = _aged(rng, _crop(rng, pixels, _scaled((height, width), 1 / scale)))
        filtered = resize(view, height, width, "area" if scale < 1 else "cubic")
        return filtered, {"donor": source.name, "scale": scale, "history": steps}


def _scaled(shape: tuple[int, ...], scale: float) -> tuple[int, int]:
    return max(4, round(shape[0] * scale)), max(4, round(shape[1] * scale))


def _scale_to_fit(
    rng: np.random.Generator, donor: tuple[int, ...], wanted: tuple[int, ...]
) -> float:
    """Draw 1 or a rescale of 0.5 to 2 that the donor is large enough for."""
    least = max(wanted[0] / donor[0], wanted[1] / donor[1])
    drawn = float(np.exp(rng.uniform(np.log(0.5), np.log(2)))) if rng.random() < 0.5 else 1.0
    return max(drawn, least)


def _crop(rng: np.random.Generator, pixels: Pixels, size: tuple[int, int]) -> Pixels:
    height, width = min(size[0], pixels.shape[0]), min(size[1], pixels.shape[1])
    top = int(rng.integers(pixels.shape[0] - height + 1))
    left = int(rng.integers(pixels.shape[1] - width + 1))
    return pixels[top : top + height, left : left + width]


def _aged(rng: np.random.Generator, view: Pixels) -> tuple[Pixels, list[dict[str, Any]]]:
    """Give a donor's view a compression or a small resize of its own, half of the time."""
    if max(view.shape[:2]) > _LARGEST_PATCH:
        view = resize(view, *_scaled(view.shape, 0.5), "area")
    steps = []
    if rng.random() < 0.2:
        factor = float(rng.uniform(0.7, 1.3))
        steps.append(Step("resize", {"factor": factor, "filter": "linear"}))
    if rng.random() < 0.4:
        steps.append(Step("jpeg", draw_jpeg(rng)))
    aged, _ = apply_steps(view, np.zeros(view.shape[:2], np.float32), steps)
    return aged, [step.as_json() for step in steps]
