"""Computes every score from predictions.jsonl, the maps beside it and the true masks, alone."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from morelli.data_pipeline.images import ImageError, read_mask
from morelli.data_pipeline.schema import Verdict
from morelli.eval.baselines import BASELINES
from morelli.eval.metrics import (
    Estimate,
    PixelCounts,
    auc_estimate,
    best_global_threshold,
    mean_estimate,
)

PREDICTIONS = "predictions.jsonl"
MODEL = "model"
THRESHOLD = 0.5
"""At which the model's map is scored; fixed before anything was looked at."""

Row = dict[str, Any]
Counts = dict[str, list[PixelCounts]]


def read_predictions(path: Path) -> list[Row]:
    """Return the lines of predictions.jsonl.

    Raises:
        OSError: it cannot be read.
        ValueError: a line that is no JSON, lacks a field, has an unknown label, or is there
            twice; the message says which line.
    """
    rows: list[Row] = []
    seen = set()
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        place = f"{path}:{number}"
        row = _parsed(line, place)
        key = (row["set"], row["id"], row["version"])
        if key in seen:
            raise ValueError(f"{place}: {' / '.join(key)} is there twice; remove one line")
        seen.add(key)
        rows.append({**row, "place": place})
    return rows


def _parsed(line: str, place: str) -> Row:
    try:
        row: Row = json.loads(line)
        Verdict(row["label"])
        for name in ("set", "id", "version", "mask", "checkpoint"):
            row[name]
        float(row["probability"][Verdict.AUTHENTIC])
        for method in (MODEL, *BASELINES):
            row["maps"][method]
    except KeyError as error:
        raise ValueError(f"{place}: lacks {error}") from None
    except (TypeError, ValueError) as error:
        raise ValueError(f"{place}: {error}") from None
    return row


def score(path: Path) -> dict[str, Any]:
    """Score every set and version that predictions.jsonl holds, in its order.

    Returns:
        {"threshold", "checkpoint", "sets": [{"set", "version", "pixel", "false_alarm_area",
        "verdict_auc"}]}, each estimate with value, low, high and n; null where the set has no
        pictures to compute it of.

    Raises:
        OSError: the predictions or a map cannot be read.
        ValueError: a broken line, or a map of another size than its mask.
    """
    rows = read_predictions(path)
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["set"], row["version"]), []).append(row)
    sets = [
        {"set": name, "version": version, **_score_set(group, path.parent)}
        for (name, version), group in tqdm(groups.items(), unit="set", desc="scoring")
    ]
    checkpoints = sorted({row["checkpoint"] for row in rows})
    return {"threshold": THRESHOLD, "checkpoint": checkpoints, "sets": sets}


def _score_set(rows: Sequence[Row], folder: Path) -> dict[str, Any]:
    """Score one set in one version."""
    tampered = [row for row in rows if row["label"] == Verdict.TAMPERED and row["mask"]]
    authentic = [row for row in rows if row["label"] == Verdict.AUTHENTIC]
    methods = (MODEL, *BASELINES)
    counts: Counts = {method: [] for method in methods}
    for row in tampered:
        mask = _mask(row, folder)
        for method in methods:
            counts[method].append(_count(row, method, mask, folder))
    alarms = [_count(row, MODEL, None, folder).false_alarm_area(THRESHOLD) for row in authentic]
    return {
        "pixel": _pixel_scores(counts) if tampered else None,
        "false_alarm_area": mean_estimate(alarms).as_json() if alarms else None,
        "verdict_auc": _verdict_auc(rows),
    }


def _mask(row: Row, folder: Path) -> NDArray[np.bool_]:
    """Read a true mask at the size of the map that it is held against."""
    height, width = _levels(row, MODEL, folder).shape
    try:
        return read_mask(row["mask"], height, width)
    except ImageError as error:
        raise ValueError(f"{row['place']}: {error}") from None


def _levels(row: Row, method: str, folder: Path) -> NDArray[np.uint8]:
    path = folder / row["maps"][method]
    levels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if levels is None or levels.dtype != np.uint8 or levels.ndim != 2:
        raise ValueError(f"{row['place']}: {path} is no 8-bit grey map; predict it again")
    return np.asarray(levels)


def _count(row: Row, method: str, mask: NDArray[np.bool_] | None, folder: Path) -> PixelCounts:
    """Count one map against a mask, an empty one if None."""
    levels = _levels(row, method, folder)
    try:
        return PixelCounts.of(levels, np.zeros(levels.shape, bool) if mask is None else mask)
    except ValueError as error:
        raise ValueError(f"{row['place']}: {method}: {error}") from None


def _pixel_scores(counts: Counts) -> dict[str, Any]:
    """Score the maps of a set's tampered pictures: the model's, then each baseline's best."""
    model = counts[MODEL]
    own = np.array([one.f1(THRESHOLD) for one in model])
    best, at_best = best_global_threshold(model)
    partial = [one.auc() for one in model if one.untouched.any()]
    baselines: dict[str, Any] = {}
    margins: dict[str, Estimate] = {}
    for name in BASELINES:
        threshold, values = best_global_threshold(counts[name])
        baselines[name] = {"threshold": threshold, "f1": mean_estimate(values).as_json()}
        margins[name] = mean_estimate(own - values, lowest=-1.0)
    strongest = min(margins, key=lambda name: margins[name].value)
    return {
        "f1": mean_estimate(own).as_json(),
        "iou": mean_estimate([one.iou(THRESHOLD) for one in model]).as_json(),
        "auc": mean_estimate(partial).as_json() if partial else None,
        "f1_at_best_threshold": mean_estimate(at_best).as_json() | {"threshold": best},
        "f1_at_best_threshold_each": mean_estimate([one.best_f1()[0] for one in model]).as_json(),
        "baselines": baselines,
        "strongest_baseline": strongest,
        "margin": margins[strongest].as_json(),
    }


def _verdict_auc(rows: Sequence[Row]) -> dict[str, Any] | None:
    """Score 1 - p(authentic) as a test for anything but authentic."""
    positive = np.array([row["label"] != Verdict.AUTHENTIC for row in rows])
    if positive.all() or not positive.any():
        return None
    scores = np.array([1 - float(row["probability"][Verdict.AUTHENTIC]) for row in rows])
    counts = {"altered": int(positive.sum()), "authentic": int((~positive).sum())}
    return auc_estimate(scores, positive).as_json() | counts


def table(scores: dict[str, Any]) -> str:
    """Return the scores as two Markdown tables: where, and whether."""
    header = ["Set", "Files", "n", "F1 at 0.5", "IoU", "AUC", "F1 at best threshold"]
    header += [f"{name}, best" for name in BASELINES] + ["Above the strongest baseline by"]
    where = [_pixel_row(one) for one in scores["sets"] if one["pixel"]]
    whether = [_verdict_row(one) for one in scores["sets"]]
    titles = ["Set", "Files", "Altered", "Authentic", "Verdict AUC", "False-alarm area"]
    return (
        f"Pixels, mean over tampered pictures, not gated by the verdict; 95 % intervals.\n\n"
        f"{_markdown(header, where)}\n"
        f"Verdict by 1 - p(authentic), and altered area claimed on authentic pictures.\n\n"
        f"{_markdown(titles, whether)}"
    )


def _pixel_row(one: dict[str, Any]) -> list[str]:
    pixel = one["pixel"]
    figures = [pixel["f1"], pixel["iou"], pixel["auc"], pixel["f1_at_best_threshold"]]
    figures += [pixel["baselines"][name]["f1"] for name in BASELINES]
    cells = [_cell(figure) for figure in (*figures, pixel["margin"])]
    return [one["set"], one["version"], str(pixel["f1"]["n"]), *cells]


def _verdict_row(one: dict[str, Any]) -> list[str]:
    area, under = one["verdict_auc"], one["false_alarm_area"]
    counts = [str(area[name]) if area else "-" for name in ("altered", "authentic")]
    return [one["set"], one["version"], *counts, _cell(area), _cell(under)]


def _cell(figure: dict[str, Any] | None) -> str:
    if figure is None:
        return "-"
    return str(Estimate(figure["value"], figure["low"], figure["high"], figure["n"]))


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
