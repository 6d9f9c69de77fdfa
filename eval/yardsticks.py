"""Scores a checkpoint on other people's forgeries and on made ones, beside baselines.

    python -m morelli.eval.yardsticks --forgeries DIR --out DIR [--checkpoint DIR] [--half dev]

First `predictions.jsonl` is written, a line for each picture and version, with every map as an
8-bit PNG beside it; run again, it goes on where it stopped. Then all scores are computed from that
file alone and written to `scores.json`; `--only-score` does this part by itself. Nothing here is
used to choose a threshold of the model; baselines get the best threshold for each set.
"""

import argparse
import csv
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray
from tqdm import tqdm

from morelli.data_pipeline.images import ImageError, Picture, open_picture, write_map
from morelli.data_pipeline.maker import Pool, write_samples
from morelli.data_pipeline.schema import ForensicSample, Verdict
from morelli.eval.baselines import BASELINES, recompressed
from morelli.eval.metrics import to_levels
from morelli.eval.scoring import MODEL, PREDICTIONS, read_predictions, score, table

HALVES = ("dev", "test", "all")
AS_IS = "as is"
_MADE_SETS = {"made, 1 megapixel": (1000, 60), "made, 12 megapixels": (3464, 12)}
"""Name -> (side in pixels, pictures). No validation photograph has 12 megapixels: these hosts are
enlarged before they are edited."""
_FIRST_SEED = 900_000_000
"""Far from the seeds that training counts up from."""


class Located(Protocol):
    """What scores need to know of one look at a picture."""

    @property
    def probability(self) -> dict[str, float]:
        """Class name -> calibrated probability."""

    @property
    def verdict(self) -> Verdict:
        """The decision."""

    @property
    def map(self) -> NDArray[Any]:
        """(H, W) floats from 0 to 1, not gated by the verdict."""

    @property
    def seconds(self) -> dict[str, float]:
        """Stage -> wall time."""


class Looks(Protocol):
    """The part of the Examiner that is scored."""

    def look(self, picture: Picture) -> Located:
        """Measure, decide and locate."""


@dataclass(frozen=True, slots=True)
class Case:
    """One picture to be looked at in one version.

    Attributes:
        set: the name of the set it is scored with.
        sample: the picture and its truth; `sample.id` is its path in the set.
        quality: IJG quality it is saved at first, or None for the file as it is.
    """

    set: str
    sample: ForensicSample
    quality: int | None = None

    @property
    def version(self) -> str:
        """The version's name in tables."""
        return AS_IS if self.quality is None else f"JPEG {self.quality}"

    @property
    def key(self) -> tuple[str, str, str]:
        """Unique in a run."""
        return (self.set, self.sample.id, self.version)


def half_of(path: str) -> str:
    """Return "dev" or "test" by the hash of a path in the manifest, the same on every machine."""
    return "test" if hashlib.sha256(path.encode()).digest()[0] % 2 else "dev"


def read_forgeries(
    folder: Path, half: str, sources: Sequence[str] | None
) -> Iterator[tuple[str, ForensicSample]]:
    """Yield (source, sample) of the rows of a folder's manifest.csv that are asked for.

    Args:
        folder: with manifest.csv (path, label, mask_path, source, manipulation); only read.
        half: one of `HALVES`.
        sources: values of `source`; None takes all of them.

    Raises:
        OSError: the manifest cannot be read.
        ValueError: an unknown label, with its line, or a source of which there is nothing.
    """
    manifest = folder / "manifest.csv"
    found = set()
    with manifest.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        for row in reader:
            source = row["source"]
            if sources is not None and source not in sources:
                continue
            found.add(source)
            if half in ("all", half_of(row["path"])):
                yield source, _sample(folder, row, f"{manifest}:{reader.line_num}")
    missing = sorted(set(sources or ()) - found)
    if missing:
        raise ValueError(f"{manifest}: no picture of source {', '.join(missing)}; check --sources")


def _sample(folder: Path, row: dict[str, str], place: str) -> ForensicSample:
    try:
        return ForensicSample(
            id=row["path"],
            image=folder / row["path"],
            verdict=Verdict(row["label"]),
            mask=folder / row["mask_path"] if row["mask_path"] else None,
            kind=row["manipulation"] or None,
            source=row["source"],
        )
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None


def made_samples(
    photos: Path, generated: Path, folder: Path, name: str
) -> Iterator[tuple[str, ForensicSample]]:
    """Make a validation set by fixed seeds, once, and yield (name, sample).

    Hosts and donors come from cameras and sources that training never draws from.

    Args:
        photos: see `Pool.from_folders`.
        generated: see `Pool.from_folders`.
        folder: where made sets are kept.
        name: a key of `_MADE_SETS`.

    Raises:
        OSError: a source cannot be read, or the folder not be written to.
    """
    side, count = _MADE_SETS[name]
    place = folder / f"{side}"
    if not place.is_dir():
        unfinished = folder / f".{side}.part"
        pool = Pool.from_folders(photos, generated, "validation")
        seeds = range(_FIRST_SEED, _FIRST_SEED + count)
        write_samples(pool, unfinished, tqdm(seeds, desc=name, unit="picture"), side)
        unfinished.rename(place)
    with (place / "manifest.jsonl").open(encoding="utf-8") as file:
        for line in file:
            record = json.loads(line)
            for field in ("image", "mask"):
                record[field] = place / record[field]
            yield name, ForensicSample.from_json(record)


def cases_of(
    samples: Iterable[tuple[str, ForensicSample]], qualities: Sequence[int]
) -> Iterator[Case]:
    """Yield each picture as it is and saved at each quality."""
    for name, sample in samples:
        for quality in (None, *qualities):
            yield Case(name, sample, quality)


def predict(examiner: Looks, checkpoint: str, cases: Sequence[Case], out: Path) -> Path:
    """Look at every case that has no line yet, and append its line to predictions.jsonl.

    Maps are written before the line that names them, so a killed run leaves nothing half-told.

    Args:
        examiner: what is scored.
        checkpoint: its identity; a folder holds the predictions of one checkpoint only.
        cases: what to look at; keys must differ.
        out: made if missing.

    Returns:
        The path of predictions.jsonl.

    Raises:
        ImageError: a picture of a set cannot be opened.
        OSError: the folder cannot be written to.
        ValueError: the folder holds another checkpoint's predictions or a broken line, or the
            examiner gives a map that is none.
    """
    (out / "maps").mkdir(parents=True, exist_ok=True)
    path = out / PREDICTIONS
    done = _done(path, checkpoint)
    with path.open("a", encoding="utf-8") as file:
        for case in tqdm(cases, unit="picture", desc="looking"):
            if case.key not in done:
                file.write(json.dumps(_looked_at(examiner, checkpoint, case, out)) + "\n")
                file.flush()
    return path


def _done(path: Path, checkpoint: str) -> set[tuple[str, str, str]]:
    """Return the keys that have a line, after cutting off one that a killed run left unfinished."""
    if not path.exists():
        return set()
    text = path.read_bytes()
    whole = text[: text.rfind(b"\n") + 1]
    if whole != text:
        path.write_bytes(whole)
    rows = read_predictions(path)
    for row in rows:
        if row["checkpoint"] != checkpoint:
            raise ValueError(
                f"{path} holds predictions of checkpoint {row['checkpoint'][:12]}, not of "
                f"{checkpoint[:12]}; give another --out"
            )
    return {(row["set"], row["id"], row["version"]) for row in rows}


def _looked_at(examiner: Looks, checkpoint: str, case: Case, out: Path) -> dict[str, Any]:
    """Look at one case, write its maps and return its line."""
    sample = case.sample
    picture = open_picture(sample.image)
    if case.quality is not None:
        picture = recompressed(picture, case.quality)
    look = examiner.look(picture)
    maps = {MODEL: look.map} | {name: make(picture) for name, make in BASELINES.items()}
    stem = hashlib.sha256("\n".join(case.key).encode()).hexdigest()[:16]
    names = {}
    for method, heat in maps.items():
        if heat.shape != (picture.height, picture.width):
            raise ValueError(f"{sample.image}: {method} gave a map of shape {heat.shape}")
        names[method] = f"maps/{stem}-{method.replace(' ', '-')}.png"
        write_map(to_levels(heat) / 255.0, out / names[method])
    return {
        "set": case.set,
        "id": sample.id,
        "version": case.version,
        "label": str(sample.verdict),
        "kind": sample.kind,
        "image": str(sample.image),
        "mask": str(sample.mask) if sample.mask else None,
        "checkpoint": checkpoint,
        "verdict": str(look.verdict),
        "probability": {str(name): value for name, value in look.probability.items()},
        "maps": names,
        "seconds": look.seconds,
    }


def _arguments(command: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="yardsticks", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--forgeries", type=Path, help="folder with manifest.csv; only read")
    parser.add_argument("--out", type=Path, required=True, help="predictions, maps and scores")
    parser.add_argument("--checkpoint", type=Path, help="default: the one that ships")
    parser.add_argument("--half", choices=HALVES, default="dev", help="of the forgeries, by hash")
    parser.add_argument("--sources", nargs="+", metavar="NAME", help="default: all of them")
    parser.add_argument(
        "--reencode", nargs="*", type=int, default=[90], metavar="QUALITY",
        help="score the forgeries saved at these JPEG qualities, too (default: 90)",
    )  # fmt: skip
    parser.add_argument(
        "--made", nargs=2, type=Path, metavar=("PHOTOS", "GENERATED"),
        help="make and score a validation set of these folders, too",
    )  # fmt: skip
    parser.add_argument("--only-score", action="store_true", help="score what is predicted")
    arguments = parser.parse_args(command)
    if not (arguments.forgeries or arguments.made or arguments.only_score):
        parser.error("nothing to score: give --forgeries, --made or --only-score")
    return arguments


def _cases(arguments: argparse.Namespace) -> list[Case]:
    """List what the command asks for."""
    cases: list[Case] = []
    if arguments.forgeries:
        samples = read_forgeries(arguments.forgeries, arguments.half, arguments.sources)
        cases += cases_of(samples, arguments.reencode)
    if arguments.made:
        photos, generated = arguments.made
        for name in _MADE_SETS:
            cases += cases_of(made_samples(photos, generated, arguments.out / "made", name), ())
    return cases


def _predict_all(arguments: argparse.Namespace) -> None:
    """Load the checkpoint and look at everything that the command asks for."""
    # Torch takes seconds to import, which --help and --only-score need not wait for.
    from morelli.model.examiner import Examiner

    cases = _cases(arguments)
    examiner = Examiner.load(arguments.checkpoint)
    predict(examiner, examiner.checkpoint.sha256, cases, arguments.out)


def main(command: Sequence[str]) -> int:
    """Predict what is missing, score everything, print the tables; return the exit status."""
    arguments = _arguments(command)
    try:
        if not arguments.only_score:
            _predict_all(arguments)
        scores = score(arguments.out / PREDICTIONS)
    except (ImageError, OSError, ValueError, RuntimeError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    text = json.dumps(scores, indent=1, allow_nan=False)
    (arguments.out / "scores.json").write_text(text + "\n", encoding="utf-8")
    sys.stdout.write(table(scores))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
