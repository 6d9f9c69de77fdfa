"""Fits how writing looks and varies in photographs, and writes writing.json.

    python -m morelli.data_pipeline.maker.fit_writing PHOTOS_DIR

Every photograph of the training part in which writing can be read is an individual; what is
measured stands at `writing.SCALES`. Writing is found and read by the instrument for visible text.
"""

import argparse
import datetime
import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from morelli.data_pipeline.instruments.visible_text import written_lines
from morelli.data_pipeline.maker.frame import Pixels
from morelli.data_pipeline.maker.pool import Pool, Source, decode_file
from morelli.data_pipeline.maker.strokes import (
    Strokes,
    edge_blur,
    letters_of,
    paper_grain,
    strokes_of,
)
from morelli.data_pipeline.maker.writing import FITS, SCALES, TERMS, series

_LEAST_HEIGHT = 10
"""Pixels of a line below which its letters cannot be measured."""

_LEAST_LETTERS = 3
_ALIKE = 0.22
"""Letters whose heights or baselines differ by more are other letters, not badly set ones."""

Values = dict[str, list[float]]


def measured(pixels: Pixels) -> Values:
    """Return what the readable lines of a picture show, by the names of `SCALES`.

    Args:
        pixels: (H, W, 3) RGB.
    """
    found: Values = defaultdict(list)
    for quad, _ in written_lines(pixels):
        for name, value in _of_line(pixels, quad):
            scale = SCALES[name]
            if np.isfinite(value) and scale.low <= value <= scale.high:
                found[name].append(value)
    return dict(found)


def _of_line(pixels: Pixels, quad: NDArray[np.float32]) -> Iterator[tuple[str, float]]:
    view = _straightened(pixels, quad)
    if view.shape[0] < _LEAST_HEIGHT or view.shape[1] < _LEAST_HEIGHT:
        return
    strokes = strokes_of(view)
    if strokes is None:
        return
    letters = letters_of(strokes)
    if len(letters) < _LEAST_LETTERS:
        return
    height = float(np.median(letters[:, 3]))
    (x0, y0), (x1, y1) = quad[0], quad[1]
    yield "size", height / min(pixels.shape[:2])
    yield "contrast", strokes.contrast / 255
    yield "blur", edge_blur(view, strokes.contrast)
    noise = paper_grain(view, strokes)
    if noise is not None:
        yield "grain", noise
    yield "tilt", float(np.degrees(np.arctan2(y1 - y0, x1 - x0)))
    yield "tint", float(np.ptp(strokes.ink))
    yield from _among(view, strokes, letters, height)


def _among(
    view: Pixels, strokes: Strokes, letters: NDArray[np.int64], height: float
) -> Iterator[tuple[str, float]]:
    """Yield how the letters of a line differ from each other."""
    bottoms = (letters[:, 1] + letters[:, 3]).astype(np.float64)
    middles = letters[:, 0] + letters[:, 2] / 2
    # The baseline that most letters stand on; a straight line through them, tilt and all.
    standing = np.abs(bottoms - np.median(bottoms)) < _ALIKE * height
    if standing.sum() >= _LEAST_LETTERS:
        line = np.polyfit(middles[standing], bottoms[standing], 1)
        offsets = (bottoms[standing] - np.polyval(line, middles[standing])) / height
        yield from (("offset", float(offset)) for offset in offsets)
    inks = []
    for x, y, across, down in letters:
        box = (slice(y, y + down), slice(x, x + across))
        inks.append(float(np.median(view[box][strokes.inside[box]])))
        ratio = down / height
        if abs(np.log(ratio)) < _ALIKE and down != height:
            yield "stretch", float(ratio)
    yield from (("ink step", after - before) for before, after in pairwise(inks))
    half = view.shape[1] // 2
    blurs = []
    for part in (view[:, :half], view[:, half:]):
        own = strokes_of(np.ascontiguousarray(part))
        blurs.append(edge_blur(np.ascontiguousarray(part), own.contrast) if own else np.nan)
    yield "blur ratio", float(blurs[0] / blurs[1])


def _straightened(pixels: Pixels, quad: NDArray[np.float32]) -> Pixels:
    """Return a line of writing upright, at the picture's own resolution."""
    width = round(float(np.linalg.norm(quad[1] - quad[0])))
    height = round(float(np.linalg.norm(quad[3] - quad[0])))
    goal = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    matrix = cv2.getPerspectiveTransform(quad.astype(np.float32), goal)
    size = (max(1, width), max(1, height))
    return np.asarray(cv2.warpPerspective(pixels, matrix, size, flags=cv2.INTER_LINEAR), np.uint8)


def fitted(individuals: Sequence[Values]) -> dict[str, object]:
    """Return the series of every individual and, with a vote each, of the population."""
    own: list[dict[str, list[float]]] = [
        {name: series([SCALES[name].to_share(v) for v in values]) for name, values in one.items()}
        for one in individuals
    ]
    population = {
        name: np.round(np.mean([one[name] for one in own if name in one], axis=0), 4).tolist()
        for name in SCALES
    }
    counts = {name: sum(len(one.get(name, ())) for one in individuals) for name in SCALES}
    return {"values": counts, "population": population, "individuals": own}


def _kept(sources: Sequence[Source]) -> Iterator[Mapping[str, list[float]]]:
    for source in tqdm(sources, unit="photograph", disable=None):
        values = measured(decode_file(source.path))
        if "offset" in values:
            yield values


def main(command: Sequence[str]) -> None:
    """Fit and write."""
    parser = argparse.ArgumentParser(prog="fit_writing", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("photos", type=Path, help="folder with manifest.csv")
    parser.add_argument("--out", type=Path, default=FITS, help="default: the one that ships")
    arguments = parser.parse_args(command)
    cv2.setNumThreads(1)
    sources = Pool.from_folders(arguments.photos, None, "train").photographs
    individuals = [dict(one) for one in _kept(sources)]
    if not individuals:
        sys.exit(f"{arguments.photos}: no photograph with writing that can be measured")
    record = {
        "made_by": "python -m morelli.data_pipeline.maker.fit_writing PHOTOS_DIR",
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        "photographs": len(sources),
        "with_writing": len(individuals),
        "terms": TERMS,
        **fitted(individuals),
    }
    arguments.out.write_text(_text(record), encoding="utf-8")


def _text(record: Mapping[str, object]) -> str:
    """Return JSON with an individual a line."""
    people = record["individuals"]
    assert isinstance(people, list)
    head = json.dumps({**record, "individuals": []}, indent=1)
    rows = ",\n".join("  " + json.dumps(one) for one in people)
    return head.replace('"individuals": []', f'"individuals": [\n{rows}\n ]') + "\n"


if __name__ == "__main__":
    main(sys.argv[1:])
