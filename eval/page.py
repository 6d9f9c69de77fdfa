"""Shows scores on one HTML page: tables, curves, and pictures to judge the figures by."""

from collections.abc import Iterator, Mapping
from typing import Any

import cv2
import numpy as np
from markupsafe import Markup

from morelli.data_pipeline.images import ImageError
from morelli.eval.attacks import ATTACKS
from morelli.eval.changes import Scale
from morelli.eval.charts import Chart, Line
from morelli.eval.predictions import AS_IS
from morelli.eval.tables import sections_of
from morelli.eval.thumbnails import as_uri, environment, grey, opened, outlined
from morelli.eval.transforms import FAMILIES

_THUMB = 240
"""Longest side of a picture of the gallery, in pixels."""

_ROWS = {
    "surest_mistakes": "Surest mistakes: wrong verdicts by their probability",
    "worst": "Worst maps: lowest F1",
    "best": "Best maps: highest F1",
}
_FIRST = ("Where", "Whether", "Beside other systems")
"""Tables that come before the curves and the pictures; others come after."""

_ROBUST = {"f1": "Pixel F1", "auc": "Verdict AUC", "flip_rate": "Verdict flips",
           "misled": "Misled"}  # fmt: skip


def render_page(scores: Mapping[str, Any]) -> str:
    """Return the page, with everything it shows inside it.

    Pictures that are no longer there are left out, and so is what no set defines.
    """
    template = environment().get_template("evaluation.html")
    sections = [section for section in sections_of(scores) if section[3]]
    return template.render(
        scores=scores,
        split_figure=split_figure,
        main=[section for section in sections if section[0] in _FIRST],
        details=[section for section in sections if section[0] not in _FIRST],
        charts=[
            (one, charts)
            for one in scores["sets"]
            if one["version"] == AS_IS and (charts := list(_charts(one)))
        ],
        robustness=list(_robustness(scores)),
        galleries=[
            (one["set"], rows)
            for one in scores["sets"]
            if one["version"] == AS_IS and (rows := _gallery(one["gallery"]))
        ],
    )


def _charts(one: Mapping[str, Any]) -> Iterator[Chart]:
    curves = one["curves"]
    chance = Line("", [(0, 0), (1, 1)], quiet=True)
    if "roc" in curves:
        roc = Line("", curves["roc"])
        yield Chart("ROC", "False-positive rate", "True-positive rate", [chance, roc])
        positives = 1 - one["n"]["authentic"] / sum(one["n"].values())
        share = Line("", [(0, positives), (1, positives)], quiet=True)
        precision = Line("", curves["precision_recall"])
        yield Chart("Precision and recall", "Recall", "Precision", [share, precision])
    if "reliability" in curves:
        points = [(bin_["score"], bin_["share"]) for bin_ in curves["reliability"]]
        yield Chart(
            "Reliability", "Stated 1 - p(authentic)", "Share manipulated",
            [chance, Line("", points, dots=True)],
        )  # fmt: skip
    if "coverage" in curves:
        sure = Line("", curves["coverage"])
        yield Chart("If the unsure ones are left", "Share decided", "Accuracy", [sure])


def _robustness(scores: Mapping[str, Any]) -> Iterator[Chart]:
    """Draw each figure over the strength of each change that has two strengths or more."""
    rows = scores["robustness"]
    families: dict[str, Scale] = {**FAMILIES, **ATTACKS}
    for family, entry in families.items():
        some = [row for row in rows if row["family"] == family]
        strengths = sorted({row["strength"] for row in some})
        if len(strengths) < 2:
            continue
        for figure, name in _ROBUST.items():
            lines = list(_robust_lines(some, figure))
            if lines:
                yield Chart(
                    f"{name}, {entry.label}", entry.unit, name, lines, (strengths[0], strengths[-1])
                )


def _robust_lines(rows: list[Mapping[str, Any]], figure: str) -> Iterator[Line]:
    for name in dict.fromkeys(row["set"] for row in rows):
        some = sorted(
            (row for row in rows if row["set"] == name and row[figure]),
            key=lambda row: row["strength"],
        )
        if some:
            points = [(row["strength"], row[figure]["value"]) for row in some]
            band = [(row["strength"], row[figure]["low"], row[figure]["high"]) for row in some]
            yield Line(name, points, band, dots=True)


def _gallery(gallery: Mapping[str, list[dict[str, Any]]]) -> list[tuple[str, list[dict[str, Any]]]]:
    rows = []
    for name, title in _ROWS.items():
        shown = [{**one, "views": views} for one in gallery[name] if (views := _views(one))]
        if shown:
            rows.append((title, shown))
    return rows


def _views(one: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the picture with its truth drawn in, and its map, as data URIs with what they show."""
    try:
        pixels = opened(one["image"], _THUMB)
    except ImageError:
        return []
    truth = grey(one["mask"], pixels.shape[:2])
    if truth is None:
        views = [("picture", as_uri(pixels))]
    else:
        views = [("picture, truth outlined", as_uri(outlined(pixels, truth > 127)))]
    heat = grey(one["map"], pixels.shape[:2])
    if heat is not None:
        coloured = cv2.applyColorMap(heat, cv2.COLORMAP_VIRIDIS)[..., ::-1]
        views.append(("map", as_uri(np.ascontiguousarray(coloured))))
    return views


def split_figure(cell: str) -> Markup | str:
    """Print the interval of a figure smaller than the figure."""
    value, bracket, interval = cell.partition(" [")
    if not bracket:
        return cell
    return Markup("<b>{}</b> <small>[{}</small>").format(value, interval)
