"""What one system reaches more than another on the very same pictures, with paired intervals.

Pictures differ more than systems do: resampling both systems' answers to one picture together
takes that out of the interval, which two intervals beside each other do not.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from morelli.data_pipeline.schema import CLASSES
from morelli.eval.estimates import Statistic, Values, Weights, estimates, mean_of, ratio_of
from morelli.eval.predictions import FILE, MODEL
from morelli.eval.readings import Reading
from morelli.eval.scoring import readings_of

_Pair = tuple[Reading, Reading]
_Value = Callable[[Reading], float | None]


def paired(out: Path, others: Sequence[Path]) -> list[dict[str, Any]]:
    """Return what `out` has more than each other folder, for every set and version of both.

    Args:
        out: folder of this system's predictions.
        others: folders of other systems' predictions.

    Returns:
        [{"set", "version", "against", figures}]: each figure is {"before", "after", "difference"},
        the other's value, this one's, and this less the other as an estimate; one that the set
        does not define is left out.
            true_precision: confirmed anomalies in whose ninth something was truly altered.
            true_coverage: share of the true mask in the ninths of confirmed anomalies.
            iou, f1: of the map at the threshold, on pictures with a mask, not gated.
            shown_iou: of the mask that is shown: 0 unless the verdict is tampered; on authentic
                pictures 1 if none is shown, else 0.
            accuracy: verdicts that are right, inconclusive being wrong.
            likeliest: right classes of the highest probability.

    Raises:
        OSError: a folder has no predictions.
        ValueError: a prediction or map cannot be used, or the pictures are not the same.
    """
    if not others:
        return []
    own = _groups(out)
    rows = []
    for folder in others:
        theirs = _groups(folder)
        for group in (group for group in own if group in theirs):
            if own[group].keys() != theirs[group].keys():
                raise ValueError(
                    f"{out} and {folder} looked at other pictures of {', '.join(group)}; "
                    "figures compare on the same pictures only"
                )
            pairs = [(theirs[group][name], one) for name, one in own[group].items()]
            rows.append(
                {"set": group[0], "version": group[1], "against": str(folder), **_figures(pairs)}
            )
    return rows


def _groups(folder: Path) -> dict[tuple[str, str], dict[str, Reading]]:
    groups: dict[tuple[str, str], dict[str, Reading]] = {}
    for one, reading in readings_of(folder / FILE):
        groups.setdefault((one.set, one.version), {})[one.id] = reading
    return groups


def _figures(pairs: Sequence[_Pair]) -> dict[str, Any]:
    found = {name: _mean(pairs, value) for name, value in _VALUES.items()}
    found["true_precision"] = _precision(pairs)
    return {name: figure for name, figure in found.items() if figure is not None}


def _mean(pairs: Sequence[_Pair], value: _Value) -> dict[str, Any] | None:
    """Compare the means of a value on the pictures for which both have it."""
    both = [(old, value(old), value(new)) for old, new in pairs]
    known = [(one, a, b) for one, a, b in both if a is not None and b is not None]
    if not known:
        return None
    before = np.array([old for _, old, _ in known], float)
    after = np.array([new for _, _, new in known], float)
    return _compared([one for one, _, _ in known], mean_of(before), mean_of(after))


def _precision(pairs: Sequence[_Pair]) -> dict[str, Any] | None:
    both = [(old, _placed(old), _placed(new)) for old, new in pairs]
    known = [(one, a, b) for one, a, b in both if a is not None and b is not None]
    if not known:
        return None
    counts = np.array([(*a, *b) for _, a, b in known], float).T
    if not (counts[1].any() and counts[3].any()):
        return None
    return _compared(
        [one for one, _, _ in known], ratio_of(counts[0], counts[1]), ratio_of(counts[2], counts[3])
    )


def _placed(reading: Reading) -> tuple[int, int] | None:
    """Return how many anomalies are placed rightly, and how many at all; None if nobody knows."""
    answer = reading.answer
    if answer is None or answer.placed is None or answer.placed_right is None:
        return None
    return answer.placed_right, answer.placed


def _compared(readings: Sequence[Reading], before: Statistic, after: Statistic) -> dict[str, Any]:
    def difference(weights: Weights) -> Values:
        return after(weights) - before(weights)

    strata = np.array([str(reading.said.label) for reading in readings])
    whole = np.ones((1, len(readings)))
    return {
        "before": float(before(whole)[0]),
        "after": float(after(whole)[0]),
        "difference": estimates({"": difference}, strata, (-1.0, 1.0))[""].as_json(),
    }


def _shown_iou(reading: Reading) -> float | None:
    own = reading.maps.get(MODEL)
    if own is None:
        return None
    if own.iou is not None:
        return own.iou if reading.gate else 0.0
    return float(not reading.gate or own.alarm == 0)


def _right(reading: Reading) -> float | None:
    return None if reading.said.said is None else float(reading.said.said is reading.said.label)


def _likeliest(reading: Reading) -> float | None:
    chances = reading.said.probability
    if chances is None:
        return None
    return float(CLASSES[int(np.argmax(chances))] is reading.said.label)


_VALUES: dict[str, _Value] = {
    "true_coverage": lambda one: one.answer.covered if one.answer else None,
    "iou": lambda one: one.maps[MODEL].iou if MODEL in one.maps else None,
    "f1": lambda one: one.maps[MODEL].f1 if MODEL in one.maps else None,
    "shown_iou": _shown_iou,
    "accuracy": _right,
    "likeliest": _likeliest,
}
