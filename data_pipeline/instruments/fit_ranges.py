"""Fits the expected ranges of instruments on untouched photographs and writes ranges.json.

    python -m morelli.data_pipeline.instruments.fit_ranges PHOTOS_DIR [--instruments noise jpeg]

Every photograph is read as it is and in versions with an ordinary history, because none of these
may raise an alarm. Five folds keep each camera, or each source where no camera is known, together:
a fold's false alarms are counted with the range fitted on the other four. Instruments named by
`--keep` have a range that is given, not fitted: their alarms on files as they are are counted,
their range stays.
Readings go to `--cache` at once, so that a fit that was cut off goes on where it stopped.
"""

import argparse
import csv
import datetime
import json
import math
import sys
import time
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
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
from morelli.data_pipeline.instruments import FACTS, INSTRUMENTS
from morelli.data_pipeline.verifier import cannot_tell

FOLDS = 5
TARGET = 0.03
"""Share of untouched pictures that may lie above the range that is fitted to them, by default."""

AS_IS = "as is"
RANGES = Path(__file__).with_name("ranges.json")

HISTORIES = ("JPEG 75", "JPEG 85", "JPEG 95", "PNG, cropped", "resized, JPEG")

Readings = dict[str, dict[str, float | None]]
"""Value by version and instrument of one photograph."""

Read = list[Readings]


def _saved(pixels: NDArray[np.uint8], quality: int | None) -> Picture:
    """Save (H, W, 3) pixels as JPEG of an IJG quality, or as PNG if None, and open the result."""
    stream = BytesIO()
    image = Image.fromarray(np.ascontiguousarray(pixels))
    if quality is None:
        image.save(stream, "PNG", compress_level=1)
        return picture_from_bytes(stream.getvalue(), "version.png")
    image.save(stream, "JPEG", quality=quality)
    return picture_from_bytes(stream.getvalue(), "version.jpg")


def version_of(picture: Picture, history: str, name: str) -> Picture:
    """Return a photograph with an ordinary history, the same one every time.

    Args:
        picture: as it is.
        history: "as is" or a name in `HISTORIES`.
        name: of the file, from which the last history draws its size and quality.
    """
    if history == AS_IS:
        return picture
    if history == "PNG, cropped":
        return _saved(picture.pixels[5:, 3:], None)
    if history.startswith("JPEG "):
        return _saved(picture.pixels, int(history.removeprefix("JPEG ")))
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    factor, quality = float(rng.uniform(0.5, 1.0)), int(rng.integers(75, 96))
    size = (round(picture.width * factor), round(picture.height * factor))
    smaller = cv2.resize(picture.pixels, size, interpolation=cv2.INTER_AREA)
    return _saved(np.asarray(smaller, np.uint8), quality)


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads instruments on a photograph and its versions, but nothing that is known already.

    Attributes:
        instruments: names in the table, read on every version.
        as_is_alone: names of others, read on the file as it is alone.
        num_versions: of the versions beside the file as it is, drawn by its name.
        known: what earlier runs read, by photograph.
    """

    instruments: tuple[str, ...]
    as_is_alone: tuple[str, ...]
    num_versions: int
    known: Mapping[str, Readings]

    def _chosen(self, path: Path) -> set[str]:
        rng = np.random.default_rng(zlib.crc32(path.name.encode()))
        count = min(self.num_versions, len(HISTORIES))
        return {AS_IS, *(str(name) for name in rng.permutation(HISTORIES)[:count])}

    def __call__(self, path: Path) -> Readings:
        """Read all chosen versions of one photograph."""
        found = {key: dict(values) for key, values in self.known.get(path.name, {}).items()}
        missing = {}
        for version in self._chosen(path):
            wanted = self.instruments + (self.as_is_alone if version == AS_IS else ())
            missing[version] = [name for name in wanted if name not in found.get(version, {})]
        if not any(missing.values()):
            return found
        picture = open_picture(path)
        for version in sorted(missing):
            for name in missing[version]:
                reading = INSTRUMENTS[name](version_of(picture, version, path.name))
                value = None if cannot_tell(reading) else reading.value
                found.setdefault(version, {})[name] = value
        return found


def read_all(
    paths: Sequence[Path], reader: Reader, cache: Path | None, seconds: float, processes: int
) -> Read:
    """Read photographs until time is up, and add what is new to the cache at once.

    Returns:
        Readings of the first photographs, of as many as there was time for.
    """
    readings: Read = []
    end = time.monotonic() + seconds
    cv2.setNumThreads(1)
    with ProcessPoolExecutor(processes) if processes > 1 else nullcontext() as pool:
        work = pool.map(reader, paths) if pool else map(reader, paths)
        for path, found in zip(paths, tqdm(work, total=len(paths), unit="photograph"), strict=True):
            readings.append(found)
            if cache and found != reader.known.get(path.name):
                with cache.open("a", encoding="utf-8") as file:
                    file.write(json.dumps([path.name, found]) + "\n")
            if time.monotonic() > end:
                break
    return readings


def _known(cache: Path | None) -> dict[str, Readings]:
    """Return what an earlier run left in the cache."""
    if cache is None or not cache.exists():
        return {}
    lines = cache.read_text(encoding="utf-8").splitlines()
    return dict(json.loads(line) for line in lines)


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
        if (version == AS_IS) == as_is and name in values
    ]
    return [value for value in found if value is not None]


def highest_expected(readings: Sequence[Readings], name: str, target: float = TARGET) -> float:
    """Return the value that at most a share `target` of the readable pictures exceed.

    It holds for files as they are and for their versions separately.

    Raises:
        ValueError: the instrument could read none of the pictures.
    """
    groups = [_values(readings, name, as_is) for as_is in (True, False)]
    if not any(groups):
        raise ValueError(f"{name}: none of {len(readings)} photographs could be read; add others")
    limits = [np.quantile(group, 1 - target, method="higher") for group in groups if group]
    return float(np.ceil(100 * max(limits)) / 100)


def upper_bound(alarms: int, count: int) -> float:
    """Return the upper end of the one-sided 95 % Clopper-Pearson interval of a rate."""
    return 1.0 if alarms == count else float(beta.ppf(0.95, alarms + 1, count - alarms))


def _rate(alarms: int, count: int) -> dict[str, Any]:
    rate = round(alarms / count, 4) if count else None
    bound = round(upper_bound(alarms, count), 4) if count else None
    return {"alarms": alarms, "n": count, "rate": rate, "upper_95": bound}


@dataclass(frozen=True, slots=True)
class Sought:
    """A range to be found.

    Attributes:
        name: of the instrument.
        low: lower end of the range.
        target: share of untouched pictures that may lie above it.
        given: the upper end if it is not to be fitted.
    """

    name: str
    low: float
    target: float = TARGET
    given: float | None = None

    def high(self, readings: Sequence[Readings]) -> float:
        """Return the upper end of the range, fitted on `readings` unless it is given."""
        if self.given is not None:
            return self.given
        return max(highest_expected(readings, self.name, self.target), self.low + 0.01)


def _split(
    readings: Sequence[Readings], folds: Sequence[int]
) -> Iterator[tuple[list[Readings], list[Readings]]]:
    """Yield what each fold is fitted on and what it holds out."""
    pairs = list(zip(readings, folds, strict=True))
    for fold in range(FOLDS):
        fitted = [read for read, own in pairs if own != fold]
        yield fitted, [read for read, own in pairs if own == fold]


def fit(readings: Sequence[Readings], folds: Sequence[int], sought: Sought) -> dict[str, Any]:
    """Fit one instrument's range on everything, and count its alarms on held-out folds.

    The counts are of all pictures; those an instrument cannot read raise no alarm.
    """
    alarms: dict[str, int] = defaultdict(int)
    counts: dict[str, int] = defaultdict(int)
    readable: dict[str, int] = defaultdict(int)
    by_fold = []
    for fitted, held_out in _split(readings, folds):
        limit = sought.high(fitted)
        raised = 0
        for version, values in ((v, values) for read in held_out for v, values in read.items()):
            if sought.name not in values:
                continue
            value = values[sought.name]
            counts[version] += 1
            readable[version] += value is not None
            alarms[version] += value is not None and value > limit
            raised += version == AS_IS and value is not None and value > limit
        by_fold.append({"n": len(held_out), "high": limit, "alarms_as_is": raised})
    others = [version for version in counts if version != AS_IS]
    every = _rate(sum(alarms[v] for v in others), sum(counts[v] for v in others))
    return {
        "low": sought.low,
        "high": sought.high(readings),
        "fitted": sought.given is None,
        "target": sought.target,
        "as_is": {**_rate(alarms[AS_IS], counts[AS_IS]), "readable": readable[AS_IS]},
        "versions": every,
        "by_version": {v: {**_rate(alarms[v], counts[v]), "readable": readable[v]} for v in others},
        "folds": by_fold,
    }


def together(
    readings: Sequence[Readings], folds: Sequence[int], sought: Sequence[Sought]
) -> dict[str, Any]:
    """Count the photographs, as they are, on which any of the instruments raises an alarm.

    Only photographs count that all of them have read. Ranges are those fitted on the other folds,
    or given.
    """
    names = {one.name for one in sought}
    alarms = count = 0
    for fitted, held_out in _split(readings, folds):
        limits = {one.name: one.high(fitted) for one in sought}
        for values in (read[AS_IS] for read in held_out if names <= set(read[AS_IS])):
            count += 1
            read = {name: values[name] for name in names}
            alarms += any(v is not None and v > limits[name] for name, v in read.items())
    return {**_rate(alarms, count), "instruments": [one.name for one in sought]}


def _arguments(command: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="fit_ranges", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("photos", type=Path, help="folder with manifest.csv (path, source, camera)")
    fitted = [name for name in INSTRUMENTS if name not in FACTS]
    parser.add_argument("--instruments", nargs="+", choices=fitted)
    parser.add_argument("--keep", nargs="+", default=[], choices=fitted)
    parser.add_argument("--target", type=float, default=TARGET)
    parser.add_argument("--versions", type=int, default=len(HISTORIES))
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--seconds", type=float, default=math.inf)
    parser.add_argument("--cached", action="store_true", help="read nothing; fit on the cache")
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
    # In an order without order, so that those for which there is time are a fair sample.
    rows.sort(key=lambda row: zlib.crc32(row["path"].encode()))
    kept = tuple(name for name in arguments.keep if name not in names)
    known = _known(arguments.cache)
    if arguments.cached:
        rows = [row for row in rows if Path(row["path"]).name in known]
    reader = Reader(tuple(names), kept, arguments.versions, known)
    paths = [arguments.photos / row["path"] for row in rows]
    if arguments.cached:
        readings = [known[path.name] for path in paths]
    else:
        readings = read_all(paths, reader, arguments.cache, arguments.seconds, arguments.processes)
    folds = folds_of([row["camera"] or row["source"] for row in rows[: len(readings)]])
    document.update(
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        command=f"python -m morelli.data_pipeline.instruments.fit_ranges {arguments.photos.name}",
        versions_per_photograph=arguments.versions,
        photographs=len(readings),
    )
    entries = document["instruments"]
    sought = [
        *(Sought(name, float(entries[name]["low"]), arguments.target) for name in names),
        *(Sought(k, float(entries[k]["low"]), given=float(entries[k]["high"])) for k in kept),
    ]
    for one in sought:
        counted = fit(readings, folds, one)
        # What was once fitted, and is only kept, stays as it was fitted.
        if one.given is None or "as_is" not in entries[one.name]:
            entries[one.name] = counted
        sys.stdout.write(f"{json.dumps({one.name: counted}, indent=2)}\n")
    document["together"] = together(readings, folds, sought)
    sys.stdout.write(f"{json.dumps(document['together'])}\n")
    arguments.out.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
