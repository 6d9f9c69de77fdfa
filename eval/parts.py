"""The figures of parts of a set: its sources, its kinds of manipulation, its kinds of files."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from morelli.data_pipeline.schema import CLASSES, Verdict
from morelli.eval.estimates import mean_estimate
from morelli.eval.predictions import MODEL
from morelli.eval.quality_bins import LOSSLESS, MEGAPIXELS, QUALITY, reliability_by
from morelli.eval.readings import Reading
from morelli.eval.verdict_metrics import Verdicts

_FEWEST_IN_PART = 5
"""Smaller parts of a set are not scored apart."""

_OF_THE_PART = ("accuracy", "binary_accuracy")
_OF_SEVERAL_CLASSES = ("balanced_accuracy", "macro_f1")
_AGAINST_AUTHENTIC = ("auc", "average_precision", "recall_at_1%_false_positives",
                      "recall_at_5%_false_positives")  # fmt: skip


def verdicts_of(readings: Sequence[Reading]) -> Verdicts | None:
    """Return what was said of a set, None if the system says nothing of whole pictures."""
    if any(reading.said.said is None for reading in readings):
        return None
    places = {verdict: index for index, verdict in enumerate((*CLASSES, Verdict.INCONCLUSIVE))}
    probability = [reading.said.probability for reading in readings]
    interval = [reading.said.interval for reading in readings]
    return Verdicts(
        label=np.array([places[reading.said.label] for reading in readings]),
        said=np.array([places[reading.said.said or Verdict.INCONCLUSIVE] for reading in readings]),
        probability=None if None in probability else np.array(probability, float),
        interval=None if None in interval else np.array(interval, float),
    )


def parts_of(
    readings: Sequence[Reading], key: Callable[[Reading], str | None]
) -> dict[str, dict[str, Any]]:
    """Score each source or kind of manipulation apart, by what it has in common.

    Args:
        readings: of a set.
        key: the part that a picture belongs to, None for none.

    Returns:
        Part -> {"n", figures}: accuracy, and that of telling authentic from not, of its pictures;
        balanced accuracy and macro F1 where it holds several classes; AUC, AP and TPR of its
        manipulated pictures against all authentic ones of the set; F1 of the pixels. Nothing if
        there are fewer than two parts.
    """
    clean = [one for one in readings if one.said.label is Verdict.AUTHENTIC]
    names = sorted({name for one in readings if (name := key(one)) is not None})
    if len(names) < 2:
        return {}
    found = {}
    for name in names:
        part = [one for one in readings if key(one) == name]
        if len(part) >= _FEWEST_IN_PART:
            found[name] = _part(part, clean)
    return found


def _part(part: Sequence[Reading], clean: Sequence[Reading]) -> dict[str, Any]:
    figures: dict[str, Any] = {"n": len(part)}
    verdicts = verdicts_of(part)
    if verdicts is not None:
        own = verdicts.image_figures()
        several = len(np.unique(verdicts.label)) > 1
        for name in (*_OF_THE_PART, *(_OF_SEVERAL_CLASSES if several else ())):
            figures[name] = own[name].as_json()
        altered = [one for one in part if one.said.label is not Verdict.AUTHENTIC]
        against = verdicts_of([*altered, *clean]) if altered and clean else None
        if against is not None:
            ranked = against.image_figures()
            figures |= {name: ranked[name].as_json() for name in _AGAINST_AUTHENTIC}
    located = [
        value for one in part if MODEL in one.maps and (value := one.maps[MODEL].f1) is not None
    ]
    if located:
        figures["f1"] = mean_estimate(located).as_json()
    return figures


def by_quality(readings: Sequence[Reading]) -> dict[str, dict[str, Any]]:
    """Return how probabilities hold by JPEG quality and by megapixels, as `reliability_by` does.

    Nothing of a set without probabilities, or of predictions that do not tell the file's quality
    and size.
    """
    verdicts = verdicts_of(readings)
    sizes = [one.said.megapixels for one in readings]
    if verdicts is None or verdicts.probability is None or None in sizes:
        return {}
    photographs = [one.said.photograph or one.said.id for one in readings]
    qualities = [
        LOSSLESS if one.said.quality is None else float(one.said.quality) for one in readings
    ]
    known = [size for size in sizes if size is not None]
    return {
        "quality": reliability_by(verdicts, qualities, photographs, QUALITY),
        "megapixels": reliability_by(verdicts, known, photographs, MEGAPIXELS),
    }
