"""Fit a checkpoint's calibrator on pictures made from photographs that nothing was trained on.

`python -m morelli.eval.calibrate --checkpoint DIR --photos DIR --generated DIR --count 200`
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from tqdm import tqdm

from morelli.data_pipeline.images import picture_from_bytes
from morelli.data_pipeline.maker import Pool, make
from morelli.data_pipeline.schema import CLASSES, Verdict
from morelli.eval.pixel_metrics import PixelCounts, best_global_threshold
from morelli.model.calibration import Calibrator
from morelli.model.checkpoint import load_checkpoint, read_list, write_list
from morelli.model.examiner import Examiner

FIRST_SEED = 900_000_000
"""Of the calibration pictures; training counts up from far below."""

_OFFSET_PENALTY = 0.05
_LARGEST_OFFSET = 3.0


@dataclass(frozen=True)
class Readings:
    """What the uncalibrated model says of the calibration pictures.

    Attributes:
        logits: (n, 3) verdict logits.
        labels: (n,) class indices.
        pixels: levels of the tampered ones' maps inside and outside their true masks.
    """

    logits: NDArray[np.float64]
    labels: NDArray[np.int64]
    pixels: tuple[PixelCounts, ...]


def read_pictures(examiner: Examiner, pool: Pool, count: int, sides: tuple[int, ...]) -> Readings:
    """Look at `count` made pictures, their sides drawn evenly from `sides`."""
    logits, labels, pixels = [], [], []
    for seed in tqdm(range(FIRST_SEED, FIRST_SEED + count), unit="picture"):
        side = int(np.random.default_rng([seed, 3]).choice(sides))
        made = make(pool, seed, side=side)
        look = examiner.look(picture_from_bytes(made.data, f"made-{seed}"))
        logits.append(look.verdict_logits)
        labels.append(CLASSES.index(made.verdict))
        if made.verdict is Verdict.TAMPERED:
            pixels.append(PixelCounts.of(look.map, made.mask))
    return Readings(np.stack(logits), np.array(labels), tuple(pixels))


def fit(readings: Readings, version: str) -> Calibrator:
    """Fit temperature and class offsets by likelihood, and the mask's offset by mean pixel F1.

    Args:
        readings: of an examiner whose calibrator was the identity.
        version: text that says what it was fitted on.
    """

    def loss(parameters: NDArray[np.float64]) -> float:
        calibrator = _calibrator(parameters)
        chosen = calibrator.probabilities(readings.logits)[
            np.arange(len(readings.labels)), readings.labels
        ]
        return float(
            -np.log(chosen + 1e-12).mean() + _OFFSET_PENALTY * (parameters[1:] ** 2).mean()
        )

    best = minimize(loss, np.zeros(3), method="Nelder-Mead").x
    fitted = _calibrator(best)
    scores = 1 - fitted.probabilities(readings.logits)[:, 0]
    order = np.argsort(scores, kind="stable")
    manipulated = (readings.labels > 0).astype(int)
    return replace(
        fitted,
        mask_offset=_best_offset(readings),
        prior=float(manipulated.mean()),
        scores=tuple(round(float(score), 6) for score in scores[order]),
        manipulated=tuple(int(value) for value in manipulated[order]),
        version=version,
    )


def _calibrator(parameters: NDArray[np.float64]) -> Calibrator:
    """Read log-temperature and the offsets of the two manipulated classes."""
    return Calibrator(
        temperature=float(np.exp(parameters[0])),
        offsets=(0.0, float(parameters[1]), float(parameters[2])),
    )


def _best_offset(readings: Readings) -> float:
    """Return what moves the best threshold of the set to 0.5, in logits."""
    if not readings.pixels:
        return 0.0
    threshold, _ = best_global_threshold(readings.pixels)
    inside = min(max(threshold, 1e-3), 1 - 1e-3)
    offset = -float(np.log(inside / (1 - inside)))
    return min(max(offset, -_LARGEST_OFFSET), _LARGEST_OFFSET)


def main() -> None:
    """Fit and store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True, metavar="DIR")
    parser.add_argument("--photos", type=Path, required=True, metavar="DIR")
    parser.add_argument("--generated", type=Path, metavar="DIR")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--sides", type=int, nargs="+", default=[256, 384, 448])
    args = parser.parse_args()
    record = read_list(args.checkpoint)
    checkpoint = replace(load_checkpoint(args.checkpoint), calibrator=Calibrator())
    pool = Pool.from_folders(args.photos, args.generated, "validation")
    readings = read_pictures(Examiner(checkpoint), pool, args.count, tuple(args.sides))
    fit(readings, f"{args.count} made validation pictures").save(args.checkpoint)
    write_list(args.checkpoint, record["name"], record["version"], record["validation"])


if __name__ == "__main__":
    main()
