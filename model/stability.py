"""Does the verdict survive what a messenger or a web site does to a picture?

A part of the picture at its own resolution, around the place that is suspected most, and five mild
changes of it are put to the model at once. How far each change moves the verdict's logits on the
part is laid on those of the whole picture. A reduced copy of the whole would have lost the traces
already that a mild change may wipe out. How well this agrees with whole examinations of changed
pictures is measured by `morelli.eval.stability`.

What is saved: each copy is read in one view, which stands for the overview and for the tile; only
the instruments whose maps the checkpoint takes are read; nothing is located and nothing is written.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
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
from morelli.data_pipeline.schema import Measurement, Verdict
from morelli.model.calibration import Calibrator, Decision
from morelli.model.config import ForgeryVLMConfig
from morelli.model.cpm import verdict_logits
from morelli.model.forgery_vlm import ForgeryVLM
from morelli.model.processing import ForgeryProcessor, layout_for
from morelli.model.views import Layout, pack, stack_maps
from morelli.model.vision import Evidence, ViewFeatures, encode

Pixels = NDArray[np.uint8]
"""(H, W, 3) sRGB in the image frame."""

MOST_PIXELS = 500_000
"""Of the part, before it is enlarged; with most presets a view holds fewer."""

_GRID = 8
"""Parts begin on the grid of JPEG's blocks, so that they keep their place on it."""

_LARGER, _SMALLER = 1.25, 0.75
_LIMITS = Limits(min_side=48)
"""What is left of the smallest pictures that are examined."""


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
    size = [round(side * factor) for side in pixels.shape[1::-1]]
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return _saved(np.asarray(cv2.resize(pixels, size, interpolation=method), np.uint8))


def _cropped(pixels: Pixels) -> Picture:
    return _saved(pixels[1:, 1:])


CHANGES: Mapping[str, Callable[[Pixels], Picture]] = {
    "JPEG 90": partial(_saved, quality=90),
    "JPEG 75": partial(_saved, quality=75),
    "resize 0.75": partial(_resized, factor=_SMALLER),
    "resize 1.25": partial(_resized, factor=_LARGER),
    "one-pixel crop": _cropped,
}
"""What is done to the copy, one at a time; what is no JPEG by nature is saved as PNG."""


@torch.inference_mode()
def drift(
    model: ForgeryVLM,
    processor: ForgeryProcessor,
    picture: Picture,
    measurements: Sequence[Measurement],
    place: tuple[int, int],
    dtype: torch.dtype,
) -> NDArray[np.float64]:
    """Measure how far each change moves the verdict's logits on a part of a picture.

    Args:
        model: in inference mode.
        processor: of the model.
        picture: the whole picture.
        measurements: of the whole picture, which are those of a part that is all of it.
        place: x and y of the middle of the part, in image pixels.
        dtype: that the encoders multiply in.

    Returns:
        (5, 3) differences of raw verdict logits, a row for each of `CHANGES`.
    """
    part = part_of(picture, place, processor.config)
    copies = [part, *(change(part.pixels) for change in CHANGES.values())]
    known = [measurements if one is picture else None for one in copies]
    scale = _scale(picture, processor.config)
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        shown = list(pool.map(partial(_shown, processor, scale), copies, known))
    logits = _logits(model, processor, shown, dtype)
    moved: NDArray[np.float64] = logits[1:] - logits[0]
    return moved


def most_suspected(evidence: Evidence | None, where: Layout) -> tuple[int, int]:
    """Return x and y of the middle of the tile that the encoders suspect most, in image pixels.

    Args:
        evidence: of the picture; without it, the middle of the picture is taken.
        where: the layout that its tiles were cut by.
    """
    if evidence is None:
        return where.width // 2, where.height // 2
    # the overview comes first
    x, y = where.corners[int(evidence.view_logits[1:].argmax())]
    return x + where.size // 2, y + where.size // 2


def part_of(picture: Picture, place: tuple[int, int], config: ForgeryVLMConfig) -> Picture:
    """Return a part of a picture whose enlargement fits a view, the picture if all of it does.

    The views are of one scale more than those of the picture where there is one, since models are
    trained on such too, and they hold twice as much.

    Args:
        picture: the whole picture.
        place: x and y of what should be in the middle, in image pixels.
        config: of the model.
    """
    side = min(_scale(picture, config) * config.view_size // _LARGER, math.sqrt(MOST_PIXELS))
    if max(picture.height, picture.width) <= side:
        return picture
    rows = _stretch(picture.height, place[1], int(side))
    columns = _stretch(picture.width, place[0], int(side))
    return _saved(picture.pixels[rows, columns])


def _scale(picture: Picture, config: ForgeryVLMConfig) -> int:
    """Return the scale of the views that the part and its changes are read in."""
    needed = math.ceil(_LARGER * max(picture.height, picture.width) / config.view_size)
    return min(config.scales, config.scale(picture.height, picture.width) + 1, needed)


def _stretch(length: int, middle: int, side: int) -> slice:
    start = min(max(0, middle - side // 2), max(0, length - side)) // _GRID * _GRID
    return slice(start, min(length, start + side))


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
        moved: (5, 3) by how much `CHANGES` move them.
        prior: base rate that the probability is stated for.

    Returns:
        The decision, and the report's list of {"transform", "probability", "verdict"}, where
        probability is 1 - p(authentic) after the change.
    """
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
    processor: ForgeryProcessor,
    scale: int,
    copy: Picture,
    known: Sequence[Measurement] | None,
) -> tuple[str, NDArray[np.float32]]:
    """Return what the model is shown of a copy: the prompt and its (1, C, S, S) view."""
    config = processor.config
    read = measure(copy, config.map_names) if known is None else known
    maps = stack_maps(read, config.map_names, copy.height, copy.width)
    where = layout_for(config, copy.height, copy.width, scale)
    view = pack(copy.pixels, maps, where, overview=False)[1:]
    return processor.prompt(read, copy.height, copy.width), view


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
        input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"],
        features=_features(model, np.concatenate(views), dtype), use_cache=False, logits_to_keep=1,
    )  # fmt: skip
    logits = verdict_logits(
        output.logits[:, -1], processor.verdict_ids, processor.config.verdict_temperature
    )
    found: NDArray[np.float64] = logits.double().numpy()
    return found


def _features(model: ForgeryVLM, views: NDArray[np.float32], dtype: torch.dtype) -> ViewFeatures:
    """Encode (n, C, S, S) views, and let each stand for its copy's overview and its one tile."""
    count = len(views)
    seen = encode(model.model.vision, [views], dtype)
    order = torch.arange(count)
    both = seen.select(order.repeat(2))
    return replace(
        both, picture=order.repeat(2), view=order.new_tensor([0, 1]).repeat_interleave(count),
        batch=count,
    )  # fmt: skip
