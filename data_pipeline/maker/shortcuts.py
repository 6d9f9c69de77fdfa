"""Measures how well facts that say nothing of a forgery tell forged pictures from untouched ones.

`python -m morelli.data_pipeline.maker.shortcuts PHOTOS GENERATED --count 2000`, with scikit-learn
from the `dev` extra.
"""

import argparse
import io
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from morelli.data_pipeline.maker.make import make
from morelli.data_pipeline.maker.pool import Pool
from morelli.data_pipeline.schema import Verdict

_RIM = 4
_FOLDS = 5

FEATURES = (
    "height",
    "width",
    "jpeg",
    "png",
    "webp",
    "table mean",
    "first table entry",
    "subsampled",
    "metadata",
    *(f"{side} {what}" for side in ("top", "bottom", "left", "right") for what in ("mean", "step")),
)
"""What `trivial_features` gives, in its order."""


def trivial_features(data: bytes) -> NDArray[np.float64]:
    """Return the (17,) facts of a file named by `FEATURES`: none of them looks at the content.

    Border statistics are a rim's mean and the mean step between its outer two lines.
    """
    with Image.open(io.BytesIO(data)) as image:
        tables = getattr(image, "quantization", {}) or {0: [0]}
        sampling = getattr(image, "layer", [])
        facts = [
            image.height,
            image.width,
            *(image.format == name for name in ("JPEG", "PNG", "WEBP")),
            float(np.mean(tables[0])),
            tables[0][0],
            bool(sampling) and sampling[0][1] > 1,
            len(set(image.info) - {"jfif", "jfif_version", "jfif_unit", "jfif_density"}),
        ]
        grey = np.asarray(image.convert("L"), np.float64)
    for rim in (grey[:_RIM], grey[::-1][:_RIM], grey.T[:_RIM], grey.T[::-1][:_RIM]):
        facts += [rim.mean(), np.abs(rim[0] - rim[1]).mean()]
    return np.array(facts, np.float64)


def separability(features: NDArray[np.float64], labels: NDArray[np.bool_], seed: int = 0) -> float:
    """Return how well gradient-boosted trees tell two classes apart on pictures they never saw.

    Args:
        features: (N, F).
        labels: (N,), both values in it.
        seed: of the folds.

    Returns:
        The area under the ROC curve over five folds, 0.5 if nothing can be told.
    """
    from sklearn.ensemble import GradientBoostingClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    trees = GradientBoostingClassifier(n_estimators=60, max_depth=3, subsample=0.7, random_state=0)
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
    scores = cross_val_predict(trees, features, labels, cv=folds, method="predict_proba")[:, 1]
    return float(roc_auc_score(labels, scores))


def made_features(
    pool: Pool, seeds: Sequence[int], side: int | None = None
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Make a picture a seed and return (N, 17) features and whether each was tampered with.

    Every other seed is asked to be authentic; the others are tampered with.
    """
    rows, labels = [], []
    for seed in seeds:
        verdict = Verdict.TAMPERED if seed % 2 else Verdict.AUTHENTIC
        rows.append(trivial_features(make(pool, seed, side, verdict=verdict).data))
        labels.append(verdict == Verdict.TAMPERED)
    return np.stack(rows), np.array(labels)


def main(command: Sequence[str]) -> None:
    """Make pictures and print the area under the curve."""
    parser = argparse.ArgumentParser(prog="shortcuts", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("photos", type=Path, help="folder with manifest.csv")
    parser.add_argument("generated", type=Path, help="folder with manifest.csv")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--side", type=int)
    arguments = parser.parse_args(command)
    cv2.setNumThreads(1)
    pool = Pool.from_folders(arguments.photos, arguments.generated, "train")
    seeds = tqdm(range(arguments.count), unit="picture", disable=None)
    features, labels = made_features(pool, seeds, arguments.side)
    sys.stdout.write(f"AUC {separability(features, labels):.3f} of {len(labels)} pictures\n")


if __name__ == "__main__":
    main(sys.argv[1:])
