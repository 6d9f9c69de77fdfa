"""Shortcuts: how well what is trivial about a picture tells its label."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TRAITS = ("size", "format", "JPEG quality", "metadata")
MOST_AUC = 0.55
"""A trait that tells the label better than this is a shortcut, if it does so beyond chance."""

_FOLDS = 2
_PRIOR = 2.0
_SURE = 4.0


@dataclass(frozen=True, slots=True)
class Shortcut:
    """How well one trait tells one label from the others.

    Attributes:
        trait: a name in `TRAITS`, or "all together".
        label: the verdict told.
        auc: area under the ROC curve, 0.5 = not at all; on pictures the trait was not fitted on.
        error: its standard error if the trait said nothing.
        example: the value of the trait that tells most.
    """

    trait: str
    label: str
    auc: float
    error: float
    example: str

    @property
    def found(self) -> bool:
        """True if it tells more than `MOST_AUC`, and more than chance would."""
        return self.auc > max(MOST_AUC, 0.5 + _SURE * self.error)


def shortcuts_in(rows: Sequence[tuple[str, str, str, str, str]]) -> list[Shortcut]:
    """Measure every trait and all together against every label.

    Args:
        rows: verdict, size, format, JPEG quality and metadata of each picture, in mixed order.
    """
    labels = np.array([row[0] for row in rows])
    columns = {name: [row[1 + i] for row in rows] for i, name in enumerate(TRAITS)}
    columns["all together"] = [" ".join(row[1:]) for row in rows]
    measured = []
    for label in sorted(set(labels)):
        is_label = labels == label
        if min(is_label.sum(), (~is_label).sum()) < _FOLDS:
            continue
        error = float(np.sqrt((1 / is_label.sum() + 1 / (~is_label).sum()) / 12))
        for trait, values in columns.items():
            auc = _auc(_chances(values, is_label), is_label)
            example = _telling(values, is_label)
            measured.append(Shortcut(trait, str(label), auc, error, example))
    return measured


def _chances(values: Sequence[str], is_label: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return for each picture the share of the label among pictures of its value, elsewhere."""
    chances = np.empty(len(values))
    for fold in range(_FOLDS):
        hits: defaultdict[str, float] = defaultdict(float)
        counts: Counter[str] = Counter()
        for index in range(len(values)):
            if index % _FOLDS != fold:
                hits[values[index]] += bool(is_label[index])
                counts[values[index]] += 1
        base = sum(hits.values()) / max(counts.total(), 1)
        for index in range(fold, len(values), _FOLDS):
            value = values[index]
            chances[index] = (hits[value] + _PRIOR * base) / (counts[value] + _PRIOR)
    return chances


def _auc(scores: NDArray[np.float64], is_label: NDArray[np.bool_]) -> float:
    from scipy.stats import rankdata

    ranks = rankdata(scores)
    positive = int(is_label.sum())
    area = ranks[is_label].sum() - positive * (positive + 1) / 2
    return float(area / (positive * (len(scores) - positive)))


def _telling(values: Sequence[str], is_label: NDArray[np.bool_]) -> str:
    """Return the value that most pictures of the label have beyond their share."""
    of_label = Counter(value for value, hit in zip(values, is_label, strict=True) if hit)
    everywhere = Counter(values)
    share = float(is_label.mean())
    return max(of_label, key=lambda value: of_label[value] - share * everywhere[value])
