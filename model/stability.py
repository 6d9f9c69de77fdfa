"""Does the verdict survive what a messenger or a web site does to a picture?

Five mild changes of a copy of the picture are put to the model, and how far each moves the
verdict's logits is laid on those of the picture. The copy is the picture itself, unless that is
large; then it is reduced, and the movement is that from the copy as it is, so that reducing is not
taken for a lack of stability. The movement is shrunk before by slopes that the calibrator knows.
How well that agrees with whole examinations of changed pictures is measured by
`morelli.eval.stability`.

What is saved: of a changed copy the overview is encoded anew, and the instruments whose maps the
checkpoint takes are read anew; the tiles' features are those of the picture, and copies within it
are not searched for again. Nothing is located and nothing is written.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from morelli.data_pipeline.images import Limits, Picture, picture_from_bytes
from morelli.data_pipeline.instruments import measure
from morelli.data_pipeline.schema import Box, Measurement, Verdict
from morelli.model.calibration import Calibrator, Decision
from morelli.model.cpm import verdict_of_one
from morelli.model.forgery_vlm import ForgeryVLM
from morelli.model.processing import ForgeryProcessor, layout_for
from morelli.model.views import pack, stack_maps
from morelli.model.vision import ViewFeatures, encode, joined, select_tiles

Pixels = NDArray[np.uint8]
"""(H, W, 3) sRGB in the image frame."""

MOST_PIXELS = 900_000
"""Of a picture that is changed as it is."""

COPY_PIXELS = 280_000
"""Of the copy of a larger one, which takes a baseline of its own."""

CARRIED = frozenset({"copy-move"})
"""Instruments whose reading of the whole picture is laid on the copies: made to withstand just such
changes, and by far the slowest of those whose maps are taken."""

_LARGER, _SMALLER = 1.25, 0.75

_LEAST_SIDE = 48
"""In pixels, of a copy of a strip; cropping takes one more."""

_LIMITS = Limits(min_side=_LEAST_SIDE - 1)


def _saved(pixels: Pixels, quality: int | None = None) -> Picture:
    """Save pixels as JPEG of this quality, or as PNG, and open the result."""
    stream = BytesIO()
    image = Image.fromarray(np.ascontiguousarray(pixels))
    if quality is None:
        image.save(stream, "PNG", compress_level=0)
    else:
        image.save(stream, "JPEG", quality=quality)
    return picture_from_bytes(stream.getvalue(), "copy", _LIMITS)


def _resized(pixels: Pixels, factor: float) -> Picture:
    size = [max(_LEAST_SIDE, round(side * factor)) for side in pixels.shape[1::-1]]
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return _saved(np.asarray(cv2.resize(pixels, size, interpolation=method), np.uint8))


def _cropped(pixels: Pixels) -> Picture:
    return _saved(pixels[1:, 1:])


CHANGES: Mapping[str, Callable[[Pixels], Picture]] = {
    "JPEG 90": partial(_saved, quality=90),
    "JPEG 75": partial(_saved, quality=75),
    "resize 0.75": partial(_resized, factor=_SMALLER),
    "one-pixel crop": _cropped,
    "resize 1.25": partial(_resized, factor=_LARGER),
}
"""What is done to the copy, one at a time; what is no JPEG by nature is saved as PNG."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of the picture as it is.

    Attributes:
        picture: the whole of it.
        measurements: of the whole picture.
        features: of all its views.
        logits: (3,) raw verdict logits.
    """

    picture: Picture
    measurements: Sequence[Measurement]
    features: ViewFeatures
    logits: NDArray[np.float64]


@torch.inference_mode()
def drift(
    model: ForgeryVLM, processor: ForgeryProcessor, seen: Seen, dtype: torch.dtype
) -> NDArray[np.float64]:
    """Measure how far each change moves the verdict's logits on a copy of a picture.

    Args:
        model: in inference mode.
        processor: of the model.
        seen: of the picture.
        dtype: that the encoders multiply in.

    Returns:
        (5, 3) differences of raw verdict logits, a row for each of `CHANGES`.
    """
    picture = seen.picture
    copy = reduced(picture)
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        copies = list(pool.map(lambda change: change(copy.pixels), CHANGES.values()))
        if copy is not picture:
            copies.append(copy)
        shown = list(pool.map(partial(_shown, processor, seen, copy), copies))
    tiles = select_tiles(seen.features)
    after = [_logits(model, processor, prompt, view, tiles, dtype) for prompt, view in shown]
    before = seen.logits if copy is picture else after.pop()
    moved: NDArray[np.float64] = np.stack(after) - before
    return moved


def reduced(picture: Picture) -> Picture:
    """Return a copy of `COPY_PIXELS`, the picture itself if it has no more than `MOST_PIXELS`."""
    pixels = picture.height * picture.width
    if pixels <= MOST_PIXELS:
        return picture
    return _resized(picture.pixels, math.sqrt(COPY_PIXELS / pixels))


def settled(
    calibrator: Calibrator,
    logits: NDArray[np.float64],
    moved: NDArray[np.float64],
    prior: float,
) -> tuple[Decision, list[dict[str, Any]]]:
    """Decide on a picture, given what mild changes do to it.

    A change that leads to another verdict widens the interval until it holds the probability after
    the change; if it then holds the threshold too, the verdict is inconclusive. So it is where a
    change turns tampered into synthetic or the reverse, which the interval does not tell apart.

    Args:
        calibrator: of the checkpoint.
        logits: (3,) verdict logits of the whole picture, joined with what its map says.
        moved: (5, 3) by how much `CHANGES` move the raw ones of the copy.
        prior: base rate that the probability is stated for.

    Returns:
        The decision, and the report's list of {"transform", "probability", "verdict"}, where
        probability is 1 - p(authentic) after the change.
    """
    moved = calibrator.movement(tuple(CHANGES), moved)
    alone = calibrator.decide(logits, prior)
    after = [calibrator.decide(logits + one, prior) for one in moved]
    flipped = [n for n, one in enumerate(after) if one.verdict is not alone.verdict]
    decision = calibrator.decide(logits, prior, [logits + moved[n] for n in flipped])
    altered = {Verdict.TAMPERED, Verdict.SYNTHETIC}
    if altered <= {decision.verdict, *(after[n].verdict for n in flipped)}:
        decision = replace(decision, verdict=Verdict.INCONCLUSIVE)
    return decision, [
        {
            "transform": name,
            "probability": 1 - one.probability[Verdict.AUTHENTIC],
            "verdict": one.verdict.value,
        }
        for name, one in zip(CHANGES, after, strict=True)
    ]


def _shown(
    processor: ForgeryProcessor, seen: Seen, copy: Picture, changed: Picture
) -> tuple[str, NDArray[np.float32]]:
    """Return what the model is shown of a changed copy: the prompt and its (1, C, S, S) overview.

    Args:
        processor: of the model.
        seen: of the picture.
        copy: as it is.
        changed: the copy after a change.
    """
    config, frame = processor.config, (changed.height, changed.width)
    readings = _read(seen.measurements, config.map_names, changed)
    # As wide as in a whole examination; of a reduced copy, as wide as the copy's own baseline.
    whole = frame if copy is seen.picture else (copy.height, copy.width)
    where = layout_for(config, *frame, scale=config.scale(*whole))
    maps = stack_maps(readings, config.map_names, *frame)
    return processor.prompt(readings, *frame), pack(changed.pixels, maps, where, ())


def _read(
    measurements: Sequence[Measurement], names: Collection[str], changed: Picture
) -> list[Measurement]:
    """Return the named readings of a changed copy, in the order of those of the picture."""
    known = {one.instrument: one for one in measure(changed, set(names) - CARRIED)}
    for one in measurements:
        if one.instrument in CARRIED:
            known[one.instrument] = _carried(one, changed.height, changed.width)
    return [known[one.instrument] for one in measurements if one.instrument in known]


def _carried(reading: Measurement, height: int, width: int) -> Measurement:
    """Lay a reading of the whole picture on a copy of this size in pixels."""
    if reading.map is None:
        return replace(reading, box=None)
    down, across = height / reading.map.shape[0], width / reading.map.shape[1]
    box = reading.box
    if box is not None:
        x0, y0 = int(box.x0 * across), int(box.y0 * down)
        x1, y1 = math.ceil(box.x1 * across), math.ceil(box.y1 * down)
        box = Box(x0, y0, max(x0 + 1, min(width, x1)), max(y0 + 1, min(height, y1)))
    heat = cv2.resize(reading.map, (width, height), interpolation=cv2.INTER_AREA)
    return replace(reading, map=np.asarray(heat, np.float32), box=box)


def _logits(
    model: ForgeryVLM,
    processor: ForgeryProcessor,
    prompt: str,
    view: NDArray[np.float32],
    tiles: ViewFeatures,
    dtype: torch.dtype,
) -> NDArray[np.float64]:
    """Read the (3,) raw verdict logits from a prompt, an overview and the features of tiles."""
    overview = encode(model.model.vision, [view], dtype)
    output = model(
        input_ids=torch.tensor([processor.encode(prompt)], device=model.device),
        features=joined([overview, tiles], 1), use_cache=False, logits_to_keep=1,
    )  # fmt: skip
    return verdict_of_one(output.logits[:, -1], processor)
