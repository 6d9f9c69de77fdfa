"""Computes every score from predictions.jsonl, the maps beside it and the true masks, alone.

Predictions are read one after the other. Of each only what figures need is kept, about a kilobyte
beside its words, however large the picture; curves are kept in a file.
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from morelli.data_pipeline.images import ImageError, read_mask
from morelli.data_pipeline.schema import Verdict
from morelli.eval.curves import Curves
from morelli.eval.pixel_metrics import LEVELS, PixelCounts
from morelli.eval.predictions import MODEL, Prediction, lines_at, read_predictions
from morelli.eval.readings import MapReading, Reading
from morelli.eval.summary import robustness_of, summary_of, transferred_thresholds
from morelli.eval.text_metrics import Embed
from morelli.eval.text_summary import told_of

SCHEMA = "morelli.scores/1"
THRESHOLD = 0.5
"""At which maps are scored; fixed before anything was looked at."""

_WORKERS = 2
_AHEAD = 64
"""Predictions that are read before their turn."""

_Group = tuple[str, str]


def score(path: Path, embed: Embed | None = None) -> dict[str, Any]:
    """Score every set and version that predictions.jsonl holds, in its order.

    Args:
        path: of predictions.jsonl.
        embed: the sentence encoder for references; the pulled one if None.

    Returns:
        {"schema", "threshold", "checkpoint", "sets", "robustness", "told"} as `summary_of`,
        `robustness_of` and `told_of` describe them; a figure that a set does not define is null.

    Raises:
        ImportError, RuntimeError: see `words_of`.
        OSError: the predictions or a map cannot be read.
        ValueError: a broken line, a map that is none, or a mask of another size than its map; the
            message has file and line.
    """
    groups: dict[_Group, list[Reading]] = {}
    checkpoints = set()
    for one, reading in readings_of(path):
        checkpoints.add(one.checkpoint)
        groups.setdefault((one.set, one.version), []).append(reading)
    if not groups:
        raise ValueError(f"{path} is empty; there is nothing to score")
    thresholds = transferred_thresholds(groups)
    sets = [
        summary_of(name, version, readings, thresholds[name, version], THRESHOLD, embed)
        for (name, version), readings in tqdm(
            groups.items(), unit="set", desc="figures", disable=None
        )
    ]
    _name_files(path, [row for one in sets for row in one["gallery"].values()])
    return {
        "schema": SCHEMA,
        "threshold": THRESHOLD,
        "checkpoint": sorted(checkpoints),
        "sets": sets,
        "robustness": robustness_of(groups, sets),
        "told": told_of(groups, sets),
    }


def _name_files(path: Path, rows: Sequence[list[dict[str, Any]]]) -> None:
    """Let each picture of the galleries name its files in place of its line."""
    shown = [one for row in rows for one in row]
    known = lines_at(path, {one["place"] for one in shown})
    for one in shown:
        said = known[one.pop("place")]
        one["image"] = str(said.image)
        one["mask"] = None if said.mask is None else str(said.mask)
        one["map"] = str(said.maps[MODEL]) if MODEL in said.maps else None


def readings_of(path: Path) -> Iterator[tuple[Prediction, Reading]]:
    """Yield each prediction with what its maps and words come to, in order.

    Raises:
        OSError, ValueError: as `score`.
    """
    bar = tqdm(unit="picture", desc="scoring", disable=None)
    read = partial(read_maps, curves=Curves())
    with ThreadPoolExecutor(_WORKERS) as pool, bar:
        for some in _some_at_a_time(read_predictions(path)):
            for one, reading in zip(some, pool.map(read, some), strict=True):
                bar.update()
                yield one, reading


def _some_at_a_time(predictions: Iterator[Prediction]) -> Iterator[list[Prediction]]:
    while some := list(islice(predictions, _AHEAD)):
        yield some


def read_maps(one: Prediction, curves: Curves) -> Reading:
    """Return all that the figures need to know of one prediction; its F1 curves go to `curves`.

    Raises:
        ValueError: a map or the mask cannot be used; the message has file and line.
    """
    levels = {method: _levels(one, path) for method, path in one.maps.items()}
    truth = _mask(one, {heat.shape for heat in levels.values()})
    if truth is None and one.label is Verdict.AUTHENTIC and levels:
        truth = np.zeros(next(iter(levels.values())).shape, bool)
    maps = {}
    if truth is not None:
        for method, heat in levels.items():
            maps[method] = MapReading.of(PixelCounts.of(heat, truth), THRESHOLD, curves)
    shown = None
    if one.verdict is Verdict.TAMPERED and MODEL in levels:
        shown = levels[MODEL] >= THRESHOLD * (LEVELS - 1)
    return Reading.of(one, maps, truth, shown)


def _levels(one: Prediction, path: Path) -> NDArray[np.uint8]:
    levels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if levels is None or levels.dtype != np.uint8 or levels.ndim != 2:
        raise ValueError(f"{one.place}: {path} is no 8-bit grey map; predict it again")
    return np.asarray(levels)


def _mask(one: Prediction, shapes: Iterable[tuple[int, ...]]) -> NDArray[np.bool_] | None:
    """Return the true mask at the size of the maps, None if there is nothing to hold it against."""
    different = set(shapes)
    if len(different) > 1:
        raise ValueError(f"{one.place}: maps have different sizes {sorted(different)}")
    if one.mask is None or not different or one.label is Verdict.AUTHENTIC:
        return None
    height, width = different.pop()
    mask = _read_mask(one, one.mask, height, width)
    if not mask.any():
        if one.label is Verdict.SYNTHETIC:
            return None
        raise ValueError(f"{one.place}: {one.mask}: the mask of a tampered picture is empty")
    return mask


def _read_mask(one: Prediction, path: Path, height: int, width: int) -> NDArray[np.bool_]:
    # Most masks are grey and of the right size; what is not goes through the door for all images.
    levels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if levels is not None and levels.dtype == np.uint8 and levels.shape == (height, width):
        return np.asarray(levels > 127)
    try:
        return read_mask(path, height, width)
    except (ImageError, ValueError) as error:
        raise ValueError(f"{one.place}: {error}") from None
