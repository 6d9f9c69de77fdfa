"""Fits the expected ranges of instruments on untouched photographs and writes ranges.json.

    python -m morelli.data_pipeline.instruments.fit_ranges PHOTOS_DIR [--instruments noise jpeg]

Every photograph is read as it is and in versions with an ordinary history, because none of these
may raise an alarm. Five folds keep each camera, or each source where no camera is known, together:
a fold's false alarms are counted with the range fitted on the other four.
"""

import argparse
import csv
import datetime
import json
import sys
import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import beta
from tqdm import tqdm

from morelli.data_pipeline.images import Picture, open_picture, picture_from_bytes
from morelli.data_pipeline.instruments import INSTRUMENTS

FOLDS = 5
TARGET = 0.03
"""Share of untouched pictures that may lie above the range that is fitted to them."""

AS_IS = "as is"
RANGES = Path(__file__).with_name("ranges.json")

Readings = dict[str, dict[str, float | None]]
"""Value by version and instrument of one photograph."""


def _saved(pixels: NDArray[np.uint8], quality: int | None) -> Picture:
    """Save (H, W, 3) pixels as JPEG of an IJG quality, or as PNG if None, and open the result."""
    stream = BytesIO()
    image = Image.fromarray(np.ascontiguousarray(pixels))
    if quality is None:
        image.save(stream, "PNG", compress_level=1)
        return picture_from_bytes(stream.getvalue(), "version.png")
    image.save(stream, "JPEG", quality=quality)
    return picture_from_bytes(stream.getvalue(), "version.jpg")


def versions(path: Path) -> Iterator[tuple[str, Picture]]:
    """Yield a photograph as it is and with ordinary histories, the same ones every time."""
    picture = open_picture(path)
    yield AS_IS, picture
    for quality in (75, 85, 95):
        yield f"JPEG {quality}", _saved(picture.pixels, quality)
    yield "PNG, cropped", _saved(picture.pixels[5:, 3:], None)
    rng = np.random.default_rng(zlib.crc32(path.name.encode()))
    factor, quality = float(rng.uniform(0.5, 1.0)), int(rng.integers(75, 96))
    size = (round(picture.width * factor), round(picture.height * factor))
    smaller = cv2.resize(picture.pixels, size, interpolation=cv2.INTER_AREA)
    yield "resized, JPEG", _saved(np.asarray(smaller, np.uint8), quality)


def read_photograph(path: Path, instruments: Sequence[str]) -> Readings:
    """Read instruments on all versions of one photograph."""
    return {
        version: {name: INSTRUMENTS[name](picture).value for name in instruments}
        for version, picture in versions(path)
    }


def folds_of(keys: Sequence[str]) -> list[int]:
    """Deal photographs into folds of about equal size that keep equal keys together."""
    counts: dict[str, int] = defaultdict(int)
    for key in keys:
        counts[key] += 1
    sizes = [0] * FOLDS
    fold_of = {}
    for key in sorted(counts, key=lambda key: (-counts[key], key)):
        fold_of[key] = sizes.index(min(sizes))
        sizes[fold_of[key]] += counts[key]
    return [fold_of[key] for key in keys]


def _values(readings: Sequence[Readings], name: str, as_is: bool) -> list[float]:
    """Return the values that could be read, on files as they are or on the other versions."""
    found = [
        values[name]
        for versions_read in readings
        for version, values in versions_read.items()
        if (version == AS_IS) == as_is
    ]
    return [value for value in found if value is not None]


def highest_expected(readings: Sequence[Readings], name: str) -> float:
    """Return the value that at most `TARGET` of the readable pictures exceed.

    It holds for files as they are and for their versions separately.

    Raises:
        ValueError: the instrument could read none of the pictures.
    """
    groups = [_values(readings, name, as_is) for as_is in (True, False)]
    if not any(groups):
        raise ValueError(f"{name}: none of {len(readings)} photographs could be read; add others")
    limits = [np.quantile(group, 1 - TARGET, method="higher") for group in groups if group]
    return float(np.ceil(100 * max(limits)) / 100)


def upper_bound(alarms: int, count: int) -> float:
    """Return the upper end of the one-sided 95 % Clopper-Pearson interval of a rate."""
    return 1.0 if alarms == count else float(beta.ppf(0.95, alarms + 1, count - alarms))


def _rate(alarms: int, count: int) -> dict[str, Any]:
    rate = round(alarms / count, 4) if count else None
    bound = round(upper_bound(alarms, count), 4) if count else None
    return {"alarms": alarms, "n": count, "rate": rate, "upper_95": bound}


def fit(
    readings: Sequence[Readings], folds: Sequence[int], name: str, low: float
) -> dict[str, Any]:
    """Fit one instrument's range on everything, and count its alarms on held-out folds.

    The counts are of all pictures; those an instrument cannot read raise no alarm.
    """
    alarms: dict[str, int] = defaultdict(int)
    counts: dict[str, int] = defaultdict(int)
    readable: dict[str, int] = defaultdict(int)
    by_fold = []
    for fold in range(FOLDS):
        fitted = [read for read, own in zip(readings, folds, strict=True) if own != fold]
        held_out = [read for read, own in zip(readings, folds, strict=True) if own == fold]
        limit = highest_expected(fitted, name)
        raised = 0
        for version, values in ((v, values) for read in held_out for v, values in read.items()):
            value = values[name]
            counts[version] += 1
            readable[version] += value is not None
            alarms[version] += value is not None and value > limit
            raised += version == AS_IS and value is not None and value > limit
        by_fold.append({"n": len(held_out), "high": limit, "alarms_as_is": raised})
    others = [version for version in counts if version != AS_IS]
    every = _rate(sum(alarms[v] for v in others), sum(counts[v] for v in others))
    return {
        "low": low,
        "high": max(highest_expected(readings, name), low + 0.01),
        "as_is": {**_rate(alarms[AS_IS], counts[AS_IS]), "readable": readable[AS_IS]},
        "versions": every,
        "by_version": {v: {**_rate(alarms[v], counts[v]), "readable": readable[v]} for v in others},
        "folds": by_fold,
    }


def _arguments(command: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="fit_ranges", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("photos", type=Path, help="folder with manifest.csv (path, source, camera)")
    parser.add_argument("--instruments", nargs="+", choices=list(INSTRUMENTS))
    parser.add_argument("--out", type=Path, default=RANGES)
    parser.add_argument("--processes", type=int, default=1)
    return parser.parse_args(command)


def main(command: Sequence[str]) -> None:
    """Fit the named instruments and write their entries, leaving those of others as they are."""
    arguments = _arguments(command)
    document = json.loads(arguments.out.read_text(encoding="utf-8"))
    names = arguments.instruments or list(document["instruments"])
    with (arguments.photos / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    paths = [arguments.photos / row["path"] for row in rows]
    folds = folds_of([row["camera"] or row["source"] for row in rows])
    cv2.setNumThreads(1)
    with ProcessPoolExecutor(arguments.processes) as pool:
        work = pool.map(partial(read_photograph, instruments=names), paths)
        readings = list(tqdm(work, total=len(paths), unit="photograph"))
    document.update(
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        command=f"python -m morelli.data_pipeline.instruments.fit_ranges {arguments.photos.name}",
        target=TARGET,
        photographs=len(paths),
    )
    for name in names:
        low = float(document["instruments"][name]["low"])
        document["instruments"][name] = fit(readings, folds, name, low)
        summary = json.dumps({name: document["instruments"][name]}, indent=2)
        sys.stdout.write(f"{summary}\n")
    arguments.out.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
