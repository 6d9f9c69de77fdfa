"""Does the verdict survive what a messenger or a web site does to a picture?

A reduced copy of the picture and five mild changes of it are put to the model at once. How far each
change moves the verdict's logits on the copy is laid on those of the whole picture, so that
reducing, which moves them as well, is not taken for a lack of stability. It is shrunk before by
slopes that the calibrator knows, since a copy moves more than the whole picture does. How well that
agrees with whole examinations of changed pictures is measured by `morelli.eval.stability`.

What is saved: each copy is read in one view, which stands for the overview and for the tile; only
the instruments whose maps the checkpoint takes are read, and copies within the picture are not
searched for again; nothing is located and nothing is written.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from io import BytesIO
from itertools import groupby
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
from morelli.model.config import ForgeryVLMConfig
from morelli.model.cpm import verdict_logits
from morelli.model.forgery_vlm import ForgeryVLM
from morelli.model.processing import ForgeryProcessor, layout_for
from morelli.model.views import pack, stack_maps
from morelli.model.vision import ViewFeatures, encode

Pixels = NDArray[np.uint8]
"""(H, W, 3) sRGB in the image frame."""

MOST_PIXELS = 500_000
"""Of a copy; with most presets one view holds fewer."""

CARRIED = frozenset({"copy-move"})
"""Instruments whose reading of the whole picture is laid on the copies: made to withstand just such
changes, and by far the slowest of those whose maps are taken."""

_LARGER, _SMALLER = 1.25, 0.75
_WIDEST = 2
"""Views of scale 1 that the longer side of a copy takes; the enlarged one takes more."""

_LEAST_SIDE = 48
"""In pixels, of a copy of a strip; cropping takes one more."""

_LIMITS = Limits(min_side=_LEAST_SIDE - 1)


def _saved(pixels: Pixels, quality: int | None = None) -> Picture:
    """Save pixels as JPEG of this quality, or as PNG, and open the result."""
    stream = BytesIO()
    image = Image.fromarray(np.ascontiguousarray(pixels))
    if quality is None:
        image.save(stream, "PNG", compress_level=1)
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


@torch.inference_mode()
def drift(
    model: ForgeryVLM,
    processor: ForgeryProcessor,
    picture: Picture,
    measurements: Sequence[Measurement],
    dtype: torch.dtype,
) -> NDArray[np.float64]:
    """Measure how far each change moves the verdict's logits on a reduced copy of a picture.

    Args:
        model: in inference mode.
        processor: of the model.
        picture: the whole picture.
        measurements: of the whole picture.
        dtype: that the encoders multiply in.

    Returns:
        (5, 3) differences of raw verdict logits, a row for each of `CHANGES`.
    """
    copy = reduced(picture, processor.config)
    copies = [copy, *(change(copy.pixels) for change in CHANGES.values())]
    names = processor.config.map_names
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        readings = list(pool.map(partial(_read, picture, measurements, names), copies))
        usual = max(copy.height, copy.width)
        shown = list(pool.map(partial(_shown, processor, usual), copies, readings))
    logits = _logits(model, processor, shown, dtype)
    moved: NDArray[np.float64] = logits[1:] - logits[0]
    return moved


def reduced(picture: Picture, config: ForgeryVLMConfig) -> Picture:
    """Return a copy whose enlargement fits one view of the widest scale, the picture if it does."""
    height, width = picture.height, picture.width
    side = min(_WIDEST * config.view_size, config.scales * config.view_size // _LARGER)
    factor = min(side / max(height, width), math.sqrt(MOST_PIXELS / (height * width)))
    return picture if factor >= 1 else _resized(picture.pixels, factor)


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
        logits: (3,) raw verdict logits of the whole picture.
        moved: (5, 3) by how much `CHANGES` move those of the copy.
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


def _read(
    picture: Picture, measurements: Sequence[Measurement], names: Collection[str], copy: Picture
) -> list[Measurement]:
    """Return the named readings of a copy, in the order of those of the whole picture."""
    if copy is picture:
        return list(measurements)
    known = {one.instrument: one for one in measure(copy, set(names) - CARRIED)}
    for one in measurements:
        if one.instrument in CARRIED:
            known[one.instrument] = _carried(one, copy.height, copy.width)
    return [known[one.instrument] for one in measurements if one.instrument in known]


def _shown(
    processor: ForgeryProcessor, usual: int, copy: Picture, readings: Sequence[Measurement]
) -> tuple[str, NDArray[np.float32]]:
    """Return what the model is shown of a copy: the prompt and its (1, C, S, S) view.

    Args:
        processor: of the model.
        usual: longer side in pixels of the copy as it is, for which the view has room at least.
        copy: as it is or changed.
        readings: of the copy.
    """
    config, frame = processor.config, (copy.height, copy.width)
    maps = stack_maps(readings, config.map_names, *frame)
    needed = -(-max(*frame, usual) // config.view_size)
    where = layout_for(config, *frame, scale=min(config.scales, needed))
    view = pack(copy.pixels, maps, where, overview=False)[1:]
    return processor.prompt(readings, *frame), view


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
    shown: Sequence[tuple[str, NDArray[np.float32]]],
    dtype: torch.dtype,
) -> NDArray[np.float64]:
    """Read the (n, 3) raw verdict logits of n copies in one forward pass."""
    prompts, views = zip(*shown, strict=True)
    tokens = processor(text=prompts, padding=True, return_tensors="pt")
    output = model(
        **tokens.to(model.device),
        features=_features(model, views, dtype), use_cache=False, logits_to_keep=1,
    )  # fmt: skip
    logits = verdict_logits(
        output.logits[:, -1], processor.verdict_ids, processor.config.verdict_temperature
    )
    found: NDArray[np.float64] = logits.cpu().double().numpy()
    return found


def _features(
    model: ForgeryVLM, views: Sequence[NDArray[np.float32]], dtype: torch.dtype
) -> ViewFeatures:
    """Encode n (1, C, S, S) views, and let each stand for its copy's overview and its one tile.

    Views beside each other that have the same S are encoded together.
    """
    alike = groupby(views, key=lambda view: view.shape[-1])
    seen = encode(model.model.vision, [np.concatenate(list(some)) for _, some in alike], dtype)
    order, count = torch.arange(len(views), device=model.device), len(views)
    both = seen.select(order.repeat(2))
    return replace(
        both, picture=order.repeat(2), view=order.new_tensor([0, 1]).repeat_interleave(count),
        batch=count,
    )  # fmt: skip
