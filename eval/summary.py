"""Turns the readings of a set into its figures, each with an interval."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morelli.data_pipeline.schema import CLASSES, Verdict
from morelli.eval.attacks import Attack
from morelli.eval.benchmarks.manifests import half_of
from morelli.eval.curves import Curve, at_levels, highest, mean_curve
from morelli.eval.estimates import Estimate, Values, mean_estimate
from morelli.eval.parts import by_quality, parts_of, verdicts_of
from morelli.eval.pixel_metrics import LEVELS
from morelli.eval.predictions import AS_IS, MODEL
from morelli.eval.question_scores import questions_of
from morelli.eval.readings import MapReading, Reading
from morelli.eval.text_metrics import Embed
from morelli.eval.text_summary import words_of
from morelli.eval.transforms import Transform
from morelli.eval.verdict_metrics import Ranking, Verdicts

Groups = Mapping[tuple[str, str], Sequence[Reading]]

_GALLERY = 6
"""Pictures in each row of the gallery."""

_CURVE_POINTS = 200


def summary_of(
    name: str,
    version: str,
    readings: Sequence[Reading],
    thresholds: Mapping[str, NDArray[np.intp]],
    threshold: float,
    embed: Embed | None = None,
) -> dict[str, Any]:
    """Return the figures of one set in one version.

    Args:
        name: of the set.
        version: of its pictures.
        readings: at least one.
        thresholds: method -> (n,) level that was chosen for each localised picture on others.
        threshold: at which maps are scored.
        embed: the sentence encoder for references; the pulled one if None.

    Returns:
        {"set", "version", "n", "image", "calibration", "pixel", "baselines", "false_alarm_area",
        "text", "questions", "by_source", "by_kind", "reliability_by", "curves", "gallery"}; a part
        is null or empty where the set does not define it, an estimate is {"value", "low", "high",
        "n"}; the gallery tells the "place" of each picture's line in the predictions.
    """
    verdicts = verdicts_of(readings)
    located = [reading for reading in readings if _located(reading)]
    return {
        "set": name,
        "version": version,
        "n": {str(label): _count(readings, label) for label in CLASSES},
        "image": _as_json(verdicts.image_figures()) if verdicts else None,
        "calibration": _as_json(verdicts.calibration_figures()) if verdicts else None,
        "pixel": _pixel_figures(located),
        "baselines": _baseline_figures(located, thresholds),
        "false_alarm_area": _false_alarms(readings),
        "text": words_of(readings, embed),
        "questions": questions_of(readings),
        "by_source": parts_of(readings, lambda one: one.said.source),
        "by_kind": parts_of(readings, lambda one: one.said.kind),
        "reliability_by": by_quality(readings),
        "curves": _curves(verdicts),
        "gallery": _gallery(readings),
    }


def transferred_thresholds(
    groups: Groups,
) -> dict[tuple[str, str], dict[str, NDArray[np.intp]]]:
    """Choose for each localised picture the level with the highest mean F1 on other pictures.

    Those of the other sets in the same version; if there are none, those of the other half of the
    same set, by the hash of the id.

    Returns:
        For each group, method -> (n,) level, in the order of its localised pictures.
    """
    chosen: dict[tuple[str, str], dict[str, NDArray[np.intp]]] = {}
    for (name, version), readings in groups.items():
        located = [one for one in readings if _located(one)]
        others = [
            one
            for (other, same), some in groups.items()
            if other != name and same == version
            for one in some
            if _located(one)
        ]
        chosen[name, version] = {
            method: _levels_from_others(method, located, others) for method in _methods(located)
        }
    return chosen


def _levels_from_others(
    method: str, located: Sequence[Reading], others: Sequence[Reading]
) -> NDArray[np.intp]:
    elsewhere = [one for one in others if method in one.maps]
    if elsewhere:
        best = mean_curve(_f1_curves(method, elsewhere)).argmax()
        return np.full(len(located), int(best))
    curves = _f1_curves(method, located)
    first = np.array([half_of(one.said.id) == "dev" for one in located])
    if first.all() or not first.any():
        first = np.arange(len(located)) % 2 == 0
    if first.all():
        return np.full(len(located), LEVELS // 2)
    halves = [[curves[one] for one in np.flatnonzero(half)] for half in (first, ~first)]
    levels = [int(mean_curve(half).argmax()) for half in halves]
    return np.where(first, levels[1], levels[0])


def robustness_of(groups: Groups, sets: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what each transform and attack did to each set, in the order of the sets.

    Returns:
        [{"set", "version", "family", "strength", "flip_rate", "misled", "auc", "accuracy", "f1"}]:
        the flip rate is the share of pictures of which another verdict was given than of the file
        as it is; misled is the share of those judged rightly before of which a wrong verdict is
        given now, inconclusive being none; it is null where nothing was judged rightly.
    """
    found = []
    for one in sets:
        name = one["version"]
        change = Transform.of_name(name) or Attack.of_name(name)
        before = {reading.said.id: reading.said.said for reading in groups.get(
            (one["set"], AS_IS), ())}  # fmt: skip
        after = [
            reading.said
            for reading in groups[one["set"], one["version"]]
            if before.get(reading.said.id) is not None and reading.said.said is not None
        ]
        if change is None or not after:
            continue
        right = [said for said in after if before[said.id] is said.label]
        flips = [float(said.said != before[said.id]) for said in after]
        misled = [float(said.said not in (said.label, Verdict.INCONCLUSIVE)) for said in right]
        found.append(
            {
                "set": one["set"],
                "version": one["version"],
                "family": change.family,
                "strength": change.strength,
                "flip_rate": mean_estimate(flips).as_json(),
                "misled": mean_estimate(misled).as_json() if misled else None,
                "auc": (one["image"] or {}).get("auc"),
                "accuracy": (one["image"] or {}).get("accuracy"),
                "f1": (one["pixel"] or {}).get("f1"),
            }
        )
    return found


def _located(reading: Reading) -> bool:
    """Tell whether there is an altered part that a map could have found."""
    return any(one.curve is not None for one in reading.maps.values())


def _methods(located: Sequence[Reading]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(method for one in located for method in one.maps))


def _f1_curves(method: str, located: Sequence[Reading]) -> list[Curve]:
    """Return the F1 curves of a method's n maps.

    Raises:
        ValueError: it has no map of some picture; the message has file and line.
    """
    curves = []
    for one in located:
        if method not in one.maps:
            raise ValueError(f"{one.said.place}: has no map of {method}, as other lines have")
        curve = one.maps[method].curve
        assert curve is not None, "all maps of a picture are held against one mask"
        curves.append(curve)
    return curves


def _pixel_figures(located: Sequence[Reading]) -> dict[str, Any] | None:
    """Score the system's maps, once for all pictures and once only where the verdict shows them."""
    if not any(MODEL in one.maps for one in located):
        return None
    curves = _f1_curves(MODEL, located)
    best = int(mean_curve(curves).argmax())
    own = [one.maps[MODEL] for one in located]
    shown = [one.gate for one in located]
    figures = {
        "f1": mean_estimate(_values(own, "f1")),
        "iou": mean_estimate(_values(own, "iou")),
        "f1_at_best_threshold": mean_estimate(at_levels(curves, best)),
        "f1_at_best_of_each": mean_estimate(highest(curves)),
        "gated_f1": mean_estimate(_gated(own, shown, "f1", 0.0)),
        "gated_iou": mean_estimate(_gated(own, shown, "iou", 0.0)),
    }
    if any(one.auc is not None for one in own):
        figures["auc"] = mean_estimate(_values(own, "auc"))
        figures["gated_auc"] = mean_estimate(_gated(own, shown, "auc", 0.5))
    return {"best_threshold": best / (LEVELS - 1), **_as_json(figures)}


def _baseline_figures(
    located: Sequence[Reading], thresholds: Mapping[str, NDArray[np.intp]]
) -> dict[str, Any]:
    """Score every other method at the best threshold of the set, and at one from elsewhere."""
    found: dict[str, Any] = {}
    for method in _methods(located):
        if method == MODEL:
            continue
        curves = _f1_curves(method, located)
        best = int(mean_curve(curves).argmax())
        at_best, elsewhere = at_levels(curves, best), at_levels(curves, thresholds[method])
        found[method] = {
            "best_threshold": best / (LEVELS - 1),
            "f1_at_best_threshold": mean_estimate(at_best).as_json(),
            "f1_at_threshold_from_elsewhere": mean_estimate(elsewhere).as_json(),
            "margin": _margin(located, at_best),
        }
    return found


def _margin(located: Sequence[Reading], theirs: Values) -> dict[str, Any] | None:
    """Return by how much the system's F1 is above a baseline's best, picture by picture."""
    if any(MODEL not in one.maps for one in located):
        return None
    own = np.array([one.maps[MODEL].f1 for one in located], float)
    return mean_estimate(own - theirs, lowest=-1.0).as_json()


def _false_alarms(readings: Sequence[Reading]) -> dict[str, Any] | None:
    """Return the area that is wrongly marked on authentic pictures."""
    clean = [one for one in readings if one.said.label is Verdict.AUTHENTIC and MODEL in one.maps]
    if not clean:
        return None
    own = [one.maps[MODEL] for one in clean]
    shown = [one.gate for one in clean]
    return _as_json(
        {
            "ungated": mean_estimate(_values(own, "alarm")),
            "gated": mean_estimate(_gated(own, shown, "alarm", 0.0)),
        }
    )


def _values(maps: Sequence[MapReading], figure: str) -> list[float]:
    return [value for one in maps if (value := getattr(one, figure)) is not None]


def _gated(
    maps: Sequence[MapReading], shown: Sequence[bool], figure: str, hidden: float
) -> list[float]:
    """Return a figure of each map, and what an empty map has where it is not shown."""
    return [
        value if show else hidden
        for one, show in zip(maps, shown, strict=True)
        if (value := getattr(one, figure)) is not None
    ]


def _curves(verdicts: Verdicts | None) -> dict[str, Any]:
    """Return the points of the curves, at most two hundred each."""
    if verdicts is None:
        return {}
    curves: dict[str, Any] = {}
    if verdicts.positive.any() and not verdicts.positive.all():
        ranking = Ranking.of(verdicts.score, verdicts.positive)
        curves["roc"] = _points(*ranking.roc())
        curves["precision_recall"] = _points(*ranking.precision_recall())
    if verdicts.probability is not None:
        curves["reliability"] = verdicts.reliability()
        curves["coverage"] = _points(*verdicts.coverage_curve())
    return curves


def _points(x: Values, y: Values) -> list[list[float]]:
    some = np.unique(np.linspace(0, len(x) - 1, _CURVE_POINTS).round().astype(int))
    return [[round(float(x[one]), 6), round(float(y[one]), 6)] for one in some]


def _gallery(readings: Sequence[Reading]) -> dict[str, list[dict[str, Any]]]:
    """Choose the pictures to show: maps best and worst, and the surest mistakes."""
    located = [one for one in readings if _located(one) and MODEL in one.maps]
    ordered = sorted(located, key=lambda one: one.maps[MODEL].f1 or 0.0)
    wrong = [
        one
        for one in readings
        if one.said.probability and one.said.said not in (one.said.label, Verdict.INCONCLUSIVE)
    ]
    surest = sorted(wrong, key=lambda one: -max(one.said.probability or (0.0,)))
    half = min(_GALLERY, (len(ordered) + 1) // 2)
    rows = {
        "best": ordered[::-1][:half],
        "worst": ordered[: min(_GALLERY, len(ordered) - half)],
        "surest_mistakes": surest[:_GALLERY],
    }
    return {name: [_shown(one) for one in row] for name, row in rows.items()}


def _shown(reading: Reading) -> dict[str, Any]:
    said = reading.said
    own = reading.maps.get(MODEL)
    return {
        "id": said.id,
        "label": str(said.label),
        "verdict": None if said.said is None else str(said.said),
        "probability": said.probability,
        "f1": None if own is None else own.f1,
        "place": said.place,
    }


def _count(readings: Sequence[Reading], label: Verdict) -> int:
    return sum(one.said.label is label for one in readings)


def _as_json(figures: Mapping[str, Estimate]) -> dict[str, Any]:
    return {name: figure.as_json() for name, figure in figures.items()}
