"""Fits a checkpoint's calibrator on pictures that nothing was trained on, and says how well.

Pictures are made from photographs that training leaves out. What is stated of the fit is measured
by folds that keep pictures of one photograph together; the calibrator that is stored is fitted on
all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from morelli.data_pipeline.images import Picture, picture_from_bytes
from morelli.data_pipeline.maker import Made, Pool, make
from morelli.data_pipeline.schema import CLASSES, Verdict
from morelli.eval.estimates import Values
from morelli.eval.likelihood import Raw, calibrator_of, folds_of, out_of_fold
from morelli.eval.located_lines import keep_line, kept_lines
from morelli.eval.operating_points import OperatingPoint, operating_points
from morelli.eval.pixel_metrics import PixelCounts, best_global_threshold
from morelli.eval.slopes import slopes_and_agreement
from morelli.eval.stability import Agreement, try_all
from morelli.eval.verdict_metrics import Flags, Verdicts
from morelli.model.calibration import EVEN, Calibrator, shifted

if TYPE_CHECKING:
    from morelli.model.examiner import Examiner

FIRST_SEED = 900_000_000
"""Of the calibration pictures; training counts up from far below."""

COUNT, SIDES = 200, (256, 384, 448)
"""How many pictures, and their longest sides in pixels, unless others are asked for."""

TRIED = 40
"""On how many of them mild changes are tried, which takes six looks each and more."""

_LARGEST_OFFSET = 3.0


class Seen(Protocol):
    """What calibration needs to know of one look."""

    @property
    def verdict_logits(self) -> NDArray[np.float64]:
        """(3,) raw logits of the mapper."""

    @property
    def peak(self) -> float:
        """Of the map, as `calibration.map_peak` has it."""

    @property
    def map(self) -> NDArray[np.float32]:
        """(H, W) from 0 to 1."""


class Sees(Protocol):
    """The part of the Examiner that is calibrated; its own calibrator must be the identity."""

    def look(self, picture: Picture) -> Seen:
        """Measure, decide and locate."""


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What the uncalibrated model says of one calibration picture.

    Attributes:
        seed: that it was made from.
        logits: (3,) verdict logits.
        peak: of its map.
        label: class index.
        group: the photograph it was made of.
        pixels: levels of its map inside and outside its true mask; None unless tampered.
    """

    seed: int
    logits: NDArray[np.float64]
    peak: float
    label: int
    group: str
    pixels: PixelCounts | None

    def as_json(self) -> dict[str, Any]:
        """Return a line of the readings' file."""
        pixels = self.pixels
        return {
            "seed": self.seed,
            "logits": self.logits.tolist(),
            "peak": self.peak,
            "label": self.label,
            "group": self.group,
            "altered": None if pixels is None else pixels.altered.tolist(),
            "untouched": None if pixels is None else pixels.untouched.tolist(),
        }

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> "Reading":
        """Read such a line."""
        pixels = None
        if row["altered"] is not None:
            pixels = PixelCounts(np.array(row["altered"]), np.array(row["untouched"]))
        logits = np.array(row["logits"])
        return cls(row["seed"], logits, row["peak"], row["label"], row["group"], pixels)


@dataclass(frozen=True, slots=True)
class Fit:
    """A calibrator and what was measured of it out of fold.

    Attributes:
        calibrator: fitted on all pictures.
        figures: "auc", "ece", "brier", "interval_coverage", each with its interval, as JSON.
        points: the operating points.
        stability: how well mild changes are told from copies, change by change and in all.
    """

    calibrator: Calibrator
    figures: dict[str, Any]
    points: tuple[OperatingPoint, ...]
    stability: tuple[Agreement, ...] = ()

    def at(self, name: str) -> Calibrator:
        """Return the calibrator that decides at an operating point.

        Raises:
            KeyError: there is no such point.
        """
        thresholds = {point.name: point.threshold_at_even_odds for point in self.points}
        return replace(self.calibrator, operating_point=thresholds[name])

    def as_json(self) -> dict[str, Any]:
        """Return what reports may state of the calibration."""
        return {
            **self.figures,
            "operating_points": [point.as_json() for point in self.points],
            "stability": self.stability[-1].as_json() if self.stability else None,
        }


def read_pictures(
    examiner: Sees, pool: Pool, count: int, sides: tuple[int, ...], kept: Path | None = None
) -> list[Reading]:
    """Look at `count` made pictures, their sides drawn evenly from `sides`.

    Args:
        examiner: whose calibrator is the identity.
        pool: of the validation part.
        count: how many.
        sides: longest sides in pixels.
        kept: file that readings are appended to, and from which a run that was stopped goes on.

    Raises:
        OSError: `kept` cannot be read or written.
        ValueError: `kept` has a broken line, an unfinished last one aside.
    """
    known = {one.seed: one for one in kept_lines(kept, Reading.from_json)}
    readings = []
    for seed in tqdm(range(FIRST_SEED, FIRST_SEED + count), unit="picture", disable=None):
        if seed not in known:
            known[seed] = _read(examiner, pool, seed, sides)
            keep_line(kept, known[seed].as_json())
        readings.append(known[seed])
    return readings


def _made(pool: Pool, seed: int, sides: tuple[int, ...]) -> Made:
    return make(pool, seed, side=int(np.random.default_rng([seed, 3]).choice(sides)))


def _read(examiner: Sees, pool: Pool, seed: int, sides: tuple[int, ...]) -> Reading:
    made = _made(pool, seed, sides)
    look = examiner.look(picture_from_bytes(made.data, f"made-{seed}"))
    tampered = made.verdict is Verdict.TAMPERED
    return Reading(
        seed=seed,
        logits=np.asarray(look.verdict_logits, np.float64),
        peak=look.peak,
        label=CLASSES.index(made.verdict),
        group=made.parameters["key"],
        pixels=PixelCounts.of(look.map, made.mask) if tampered and made.mask.any() else None,
    )


def fit(readings: Sequence[Reading], version: str) -> Fit:
    """Fit what makes probabilities by likelihood, and the mask's offset by mean pixel F1.

    Args:
        readings: of an examiner whose calibrator was the identity.
        version: text that says what it was fitted on.

    Raises:
        ValueError: there are no pictures of both kinds, in all or in all but one fold.
    """
    raw = Raw(np.stack([one.logits for one in readings]), np.array([one.peak for one in readings]))
    labels = np.array([one.label for one in readings])
    folds = folds_of([one.group for one in readings])
    if not labels.any() or labels.all():
        raise ValueError("calibration needs authentic and manipulated pictures; make more")
    calibrator = replace(
        calibrator_of(raw, labels),
        mask_offset=_best_offset(readings),
        version=version,
    )
    unseen, intervals = out_of_fold(raw, labels, folds)
    verdicts = Verdicts(labels, unseen.argmax(1), unseen, intervals)
    measured = verdicts.calibration_figures() | {"auc": verdicts.image_figures()["auc"]}
    return Fit(
        calibrator,
        {name: figure.as_json() for name, figure in measured.items()},
        operating_points(
            _at_even_odds(verdicts.score, verdicts.positive, folds), verdicts.positive, folds
        ),
    )


def _at_even_odds(scores: Values, positive: Flags, folds: NDArray[np.intp]) -> Values:
    """Restate (n,) scores, each from the base rate of the folds that its calibrator was fitted on.

    Raises:
        ValueError: a class is missing in all but one fold.
    """
    rates = {fold: float(positive[folds != fold].mean()) for fold in np.unique(folds)}
    for fold, rate in rates.items():
        if not 0 < rate < 1:
            raise ValueError(f"without fold {fold} a class is missing; calibrate on more")
    return np.array(
        [shifted(score, rates[fold], EVEN) for score, fold in zip(scores, folds, strict=True)]
    )


def _best_offset(readings: Sequence[Reading]) -> float:
    """Return what moves the best threshold of the set to 0.5, in logits."""
    pixels = [one.pixels for one in readings if one.pixels is not None]
    if not pixels:
        return 0.0
    threshold, _ = best_global_threshold(pixels)
    inside = min(max(threshold, 1e-3), 1 - 1e-3)
    offset = -float(np.log(inside / (1 - inside)))
    return min(max(offset, -_LARGEST_OFFSET), _LARGEST_OFFSET)


def calibrate(
    folder: Path,
    pool: Pool,
    count: int = COUNT,
    sides: tuple[int, ...] = SIDES,
    point: str | None = None,
    kept: Path | None = None,
    tried: int = TRIED,
) -> Fit:
    """Calibrate a checkpoint and store the calibrator and what was measured of it.

    Args:
        folder: of the checkpoint; calibration.json and its list of files are written.
        pool: of the validation part.
        count: of pictures.
        sides: longest sides in pixels.
        point: operating point at which it decides from now on; None decides by the stated
            probability, at one half.
        kept: see `read_pictures`; trials of mild changes are kept beside it.
        tried: on how many of the pictures mild changes are tried; 0 tells them as copies do.

    Raises:
        OSError: a file cannot be read or written.
        RuntimeError: the checkpoint or its base weights cannot be loaded.
        ValueError: see `fit`, `read_pictures`, `try_all`, `slopes_and_agreement` and `Pool`.
    """
    # Torch takes seconds to import, which those who only fit need not wait for.
    from morelli.model.checkpoint import load_checkpoint, read_list, write_list
    from morelli.model.examiner import Examiner

    record = read_list(folder)
    checkpoint = replace(load_checkpoint(folder), calibrator=Calibrator())
    examiner = Examiner(checkpoint, stability=False)
    readings = read_pictures(examiner, pool, count, sides, kept)
    fitted = fit(readings, f"{count} made validation pictures")
    if tried:
        fitted = _with_slopes(examiner, pool, sides, fitted, readings[:tried], kept)
    (fitted.calibrator if point is None else fitted.at(point)).save(folder)
    validation = {**record["validation"], "calibration": fitted.as_json()}
    write_list(folder, record["name"], record["version"], validation)
    return fitted


def _with_slopes(
    examiner: "Examiner",
    pool: Pool,
    sides: tuple[int, ...],
    fitted: Fit,
    readings: Sequence[Reading],
    kept: Path | None,
) -> Fit:
    """Try mild changes on the pictures of these readings, and fit how copies tell of them."""
    from morelli.model.stability import CHANGES

    opened = {f"made-{one.seed}": partial(_opened, pool, one.seed, sides) for one in readings}
    beside = None if kept is None else kept.with_name(f"{kept.stem}-stability.jsonl")
    examiner.stability = True
    trials = [one.joined_by(fitted.calibrator) for one in try_all(examiner, opened, beside)]
    folds = folds_of([one.group for one in readings])
    slopes, found = slopes_and_agreement(trials, tuple(CHANGES), folds, fitted.calibrator)
    calibrator = replace(fitted.calibrator, slopes=slopes)
    return replace(fitted, calibrator=calibrator, stability=tuple(found))


def _opened(pool: Pool, seed: int, sides: tuple[int, ...]) -> Picture:
    return picture_from_bytes(_made(pool, seed, sides).data, f"made-{seed}")
