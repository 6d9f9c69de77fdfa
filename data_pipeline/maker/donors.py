"""Crops and cut-out objects of other pictures, each with a history of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from morelli.data_pipeline.maker.frame import Alpha, Pixels
from morelli.data_pipeline.maker.history import Step, apply_steps, draw_jpeg, resize
from morelli.data_pipeline.maker.mattes import Cutout, Shares, refine
from morelli.data_pipeline.maker.pool import Pool, Source
from morelli.data_pipeline.maker.shapes import SHAPES, enlarge, outline

_VARIANTS = 6
"""Objects cut out of one source by colour; each is found once and then kept."""

_LARGEST_PATCH = 1200
"""Side in pixels above which a donor's object is halved before it is scaled: speed only."""

_FACE_MARGIN = 0.35
"""Share of a face's side that is taken along with it, on each side."""

_SCALES_BY_COLOUR = (0.25, 2.2)
_SCALES_OF_OBJECTS = (0.04, 1.6)


@dataclass(frozen=True, slots=True)
class Patch:
    """Something to paste.

    Attributes:
        pixels: (h, w, 3) RGB.
        mask: (h, w) soft mask of what is to be pasted.
        cut: border of the donor that cut the object off: "top", "bottom", "left", "right" or None.
        parameters: everything that was drawn, plain JSON.
    """

    pixels: Pixels
    mask: Alpha
    cut: str | None
    parameters: dict[str, Any]


class Donors:
    """What an edit may take from elsewhere: anything but the host itself.

    Attributes:
        own_objects: what a saliency network found in the host, in the frame of the canvas.
        own_faces: boxes of the host's faces, likewise.
        regenerator: name of the network that regenerates regions.
    """

    def __init__(
        self,
        pool: Pool,
        host: Source,
        own_objects: Sequence[Cutout] = (),
        own_faces: Sequence[Shares] = (),
    ) -> None:
        """Draw from `pool`, never from `host`.

        Args:
            pool: of pictures.
            host: the picture that is edited.
            own_objects: its objects, in the frame of the canvas.
            own_faces: its faces, likewise.
        """
        self.own_objects = tuple(own_objects)
        self.own_faces = tuple(own_faces)
        self.regenerator = pool.regenerator
        self._pool = pool
        self._photographs = [one for one in pool.photographs if one.path != host.path]
        self._generated = list(pool.generated)

    def source(self, rng: np.random.Generator, generated: bool) -> Source:
        """Draw a donor; a photograph if the pool has no generated picture."""
        return self._pool.draw(rng, self._sources(generated), 1)

    def _sources(self, generated: bool) -> Sequence[Source]:
        if generated and self._generated:
            return self._generated
        return self._photographs or self._pool.photographs

    def patch(
        self, rng: np.random.Generator, area: float, generated: bool = False, salient: float = 0.55
    ) -> Patch:
        """Cut out a patch that covers about `area` pixels and give it a history.

        Args:
            rng: the source of every draw.
            area: pixels that the patch should cover.
            generated: whether to take it from a generator's output.
            salient: how often it is an object of a matte, if the pool has any; the others are cut
                out by colour or have drawn outlines.
        """
        found = self._salient(rng, area, generated) if rng.random() < salient else None
        if found is not None:
            return found
        source = self.source(rng, generated)
        return (
            self._by_colour(rng, source, area)
            if rng.random() < 0.7
            else (self._by_outline(rng, source, area))
        )

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

    def face(
        self, rng: np.random.Generator, generated: bool
    ) -> tuple[Pixels, dict[str, Any]] | None:
        """Take the face of somebody else with some of its surroundings; None if there is none."""
        sources = self._pool.with_faces(self._generated if generated else self._photographs)
        if not sources:
            return None
        source = self._pool.draw(rng, sources, 1)
        boxes = self._pool.faces(source)
        view, _ = face_patch(self._pool.read(source), boxes[int(rng.integers(len(boxes)))])
        aged, steps = _aged(rng, view)
        return aged, {"donor": source.name, "history": steps}

    def _salient(self, rng: np.random.Generator, area: float, generated: bool) -> Patch | None:
        """Take an object that a saliency network found; None if no donor has one."""
        sources = self._pool.with_objects(self._sources(generated))
        if not sources:
            return None
        source = self._pool.draw(rng, sources, round(np.sqrt(area)))
        objects = self._pool.objects(source)
        chosen = objects[int(rng.integers(len(objects)))]
        view = chosen.view(self._pool.read(source))
        covered = float((chosen.mask >= 0.5).mean()) * view.shape[0] * view.shape[1]
        scale = float(np.clip(np.sqrt(area / max(covered, 1.0)), *_SCALES_OF_OBJECTS))
        shape = _scaled(view.shape, scale)
        if scale < 0.5:
            # A history of full size would not survive the shrinking, but it would cost its time.
            view = resize(view, *_scaled(shape, 2.0), "area")
        aged, steps = _aged(rng, view)
        pixels = resize(aged, *shape, "area" if scale < 1 else "cubic")
        drawn = {"outline": "matte", "cut": chosen.cut, "scale": scale, "history": steps}
        mask = refine(chosen.mask, pixels)
        return Patch(pixels, mask, chosen.cut, {"donor": source.name, **drawn})

    def _by_colour(self, rng: np.random.Generator, source: Source, area: float) -> Patch:
        """Take an object that stands out from its surroundings by colour."""
        view, coarse = self._pool.cutout(source, int(rng.integers(_VARIANTS)))
        covered = float(coarse.mean()) * view.shape[0] * view.shape[1]
        scale = float(np.clip(np.sqrt(area / covered), *_SCALES_BY_COLOUR))
        return _finished(
            rng,
            source,
            view,
            enlarge(coarse, *_scaled(view.shape, scale)),
            {"outline": "object", "scale": scale},
        )

    def _by_outline(self, rng: np.random.Generator, source: Source, area: float) -> Patch:
        """Take what lies within a drawn outline, mostly at the donor's own resolution."""
        pixels = self._pool.read(source)
        name, mask = outline(rng, area, tuple(SHAPES))
        scale = _scale_to_fit(rng, pixels.shape, mask.shape)
        view = _crop(rng, pixels, _scaled(mask.shape, 1 / scale))
        return _finished(rng, source, view, mask, {"outline": name, "scale": scale})


def face_patch(pixels: Pixels, box: Shares) -> tuple[Pixels, tuple[int, int]]:
    """Return a face and a third of its side around it, reflected beyond the picture's borders.

    Args:
        pixels: (H, W, 3) RGB.
        box: of the face in shares of the picture.

    Returns:
        The patch, and its (top, left) in the picture, which may be negative.
    """
    height, width = pixels.shape[:2]
    margin_x, margin_y = _FACE_MARGIN * (box[2] - box[0]), _FACE_MARGIN * (box[3] - box[1])
    left, right = round((box[0] - margin_x) * width), round((box[2] + margin_x) * width)
    top, bottom = round((box[1] - margin_y) * height), round((box[3] + margin_y) * height)
    rows = slice(max(0, top), min(height, bottom))
    columns = slice(max(0, left), min(width, right))
    beyond = (rows.start - top, bottom - rows.stop, columns.start - left, right - columns.stop)
    view = cv2.copyMakeBorder(pixels[rows, columns], *beyond, cv2.BORDER_REFLECT)
    return np.asarray(view, np.uint8), (top, left)


def _finished(
    rng: np.random.Generator, source: Source, view: Pixels, mask: Alpha, drawn: dict[str, Any]
) -> Patch:
    """Give a donor's view a history and scale it to its mask."""
    aged, steps = _aged(rng, view)
    height, width = mask.shape
    pixels = resize(aged, height, width, "area" if drawn["scale"] < 1 else "cubic")
    return Patch(pixels, mask, None, {"donor": source.name, **drawn, "history": steps})


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
