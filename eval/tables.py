"""Writes scores down: Markdown to read, CSV to compute with."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from typing import Any

from morelli.eval.estimates import Estimate

_PIXEL = {
    "f1": "F1 at 0.5",
    "gated_f1": "F1 at 0.5, gated",
    "iou": "IoU",
    "gated_iou": "IoU, gated",
    "auc": "AUC",
    "gated_auc": "AUC, gated",
    "f1_at_best_threshold": "F1 at best threshold",
}
_IMAGE = {
    "auc": "AUC",
    "average_precision": "AP",
    "recall_at_1%_false_positives": "TPR at 1 % FPR",
    "recall_at_5%_false_positives": "TPR at 5 % FPR",
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "macro_f1": "Macro F1",
    "binary_accuracy": "Authentic or not",
    "coverage": "Decided",
    "accuracy_when_decided": "Accuracy when decided",
}
_QUESTIONS = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Real and fake balanced",
    "chance": "Guessing",
    "answerable": "Answerable",
    "answered": "Answered",
    "accuracy_when_answered": "Accuracy when answered",
}
_CALIBRATION = {"ece": "ECE", "brier": "Brier", "interval_coverage": "Interval holds"}
_TEXT = {
    "parse_rate": "Parsed whole",
    "answered_rate": "With a sentence",
    "withheld_rate": "Sentences withheld",
    "words": "Words left",
    "enough_words": "60 words or more",
    "repeated_rate": "Repeated",
    "agreement": "Verdict, mask and words agree",
    "supported_rate": "Verdict backed",
}
_CLAIMS = {
    "claim_precision": "Claim precision",
    "contradiction_rate": "Contradicted",
    "unverified_rate": "Unverified",
}
_TRUTH = {
    "pointing": "Point at the mask's centre",
    "pointing_where_found": "Where the mask is right",
    "true_precision": "Precision of places",
    "true_coverage": "Mask covered",
}
_PAIRED = {
    "true_precision": "Precision of places",
    "true_coverage": "Mask covered",
    "iou": "IoU",
    "f1": "F1 at 0.5",
    "shown_iou": "Shown IoU",
    "accuracy": "Accuracy",
    "likeliest": "Likeliest",
}
_REFERENCE = {"rouge_l": "ROUGE-L", "bleu": "BLEU", "css": "CSS", "longer_texts": "In windows"}
_TOLD = {
    "flip_rate": "Verdict flips",
    "auc": "Verdict AUC",
    "f1": "F1 at 0.5",
    "claim_precision": "Claim precision",
    "contradiction_rate": "Contradicted",
}
_PART = {
    "accuracy": "Accuracy",
    "binary_accuracy": "Authentic or not",
    "balanced_accuracy": "Balanced accuracy",
    "macro_f1": "Macro F1",
    "auc": "AUC",
    "average_precision": "AP",
    "recall_at_1%_false_positives": "TPR at 1 % FPR",
    "recall_at_5%_false_positives": "TPR at 5 % FPR",
    "f1": "F1",
}
_RELIABILITY = {
    "excess": "Excess",
    "ece": "ECE",
    "brier": "Brier",
    "interval_coverage": "Interval holds",
}
_ROBUSTNESS = {
    "flip_rate": "Verdict flips",
    "misled": "Misled",
    "auc": "Verdict AUC",
    "accuracy": "Accuracy",
    "f1": "F1 at 0.5",
}

_NAMED = ("Set", "Files")

Section = tuple[str, str, Sequence[str], Sequence[Sequence[str]]]
"""Title, note, header and cells of a table."""


def markdown(scores: Mapping[str, Any]) -> str:
    """Return the scores as Markdown tables; what no set defines is left out."""
    return "\n".join(
        f"## {title}\n\n{note}\n\n{_table(header, rows)}"
        for title, note, header, rows in sections_of(scores)
        if rows
    )


def sections_of(scores: Mapping[str, Any]) -> Iterator[Section]:
    """Yield the title, a note, the header and the cells of each table; some have no rows."""
    sets = scores["sets"]
    yield from _map_sections(sets)
    yield from _verdict_sections(sets)
    yield from _text_sections(scores)
    yield from _part_sections(sets)
    yield from _comparison_sections(scores)


def long_csv(scores: Mapping[str, Any]) -> str:
    """Return every estimate as a line: set, version, part, figure, value, low, high, n."""
    stream = StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["set", "version", "part", "figure", "value", "low", "high", "n"])
    for one in scores["sets"]:
        for path, figure in _estimates(one, ()):
            part, name = " / ".join(path[:-1]), path[-1]
            numbers = [figure[key] for key in ("value", "low", "high", "n")]
            writer.writerow([one["set"], one["version"], part, name, *numbers])
    return stream.getvalue()


def _map_sections(sets: Sequence[Mapping[str, Any]]) -> Iterator[Section]:
    yield (
        "Where",
        "Pixels, mean over altered pictures; gated = nothing is marked unless the verdict is "
        "tampered. 95 % bootstrap intervals by picture.",
        [*_NAMED, "n", *_PIXEL.values()],
        [_row(one, one["pixel"], _PIXEL, "f1") for one in sets if one["pixel"]],
    )
    yield (
        "Where: simple methods",
        "The best threshold of the very set flatters; the one from elsewhere is chosen on other "
        "sets, or on the other half of the set if there is no other.",
        [*_NAMED, "Method", "n", "F1 at best threshold", "F1 at threshold from elsewhere",
         "Morelli at 0.5 is better than the best by"],
        list(_baseline_rows(sets)),
    )  # fmt: skip
    yield (
        "Wrongly marked",
        "Share of the pixels of authentic pictures that are marked as altered.",
        [*_NAMED, "n", "Ungated", "Gated"],
        [_row(one, one["false_alarm_area"], {"ungated": "", "gated": ""}, "ungated")
         for one in sets if one["false_alarm_area"]],
    )  # fmt: skip


def _verdict_sections(sets: Sequence[Mapping[str, Any]]) -> Iterator[Section]:
    yield (
        "Whether",
        "AUC, AP and TPR of 1 - p(authentic), anything but authentic being positive; an "
        "inconclusive verdict counts as wrong but in the last column.",
        [*_NAMED, "n", *_IMAGE.values()],
        [_row(one, one["image"], _IMAGE, "accuracy") for one in sets if one["image"]],
    )
    yield (
        "Questions",
        "Options are mapped to the verdicts that make them true. What no verdict decides stays "
        "unanswered and counts as wrong; answerable is what some verdict could decide.",
        [*_NAMED, "Task", "Questions", *_QUESTIONS.values()],
        [[one["set"], one["version"], task, str(figures["questions"]),
          *(_cell(figures.get(name)) for name in _QUESTIONS)]
         for one in sets for task, figures in (one["questions"] or {}).items()],
    )  # fmt: skip
    yield (
        "How sure",
        "Of 1 - p(authentic): expected calibration error in bins of equal number, Brier score, "
        "share of pictures whose interval holds the share of manipulated ones in its bin.",
        [*_NAMED, "n", *_CALIBRATION.values()],
        [_row(one, one["calibration"], _CALIBRATION, "ece") for one in sets if one["calibration"]],
    )


def _part_sections(sets: Sequence[Mapping[str, Any]]) -> Iterator[Section]:
    for title, key in (("By source", "by_source"), ("By kind of manipulation", "by_kind")):
        yield (
            title,
            "AUC, AP and TPR against all authentic pictures of the set; F1 of the pixels at 0.5.",
            [*_NAMED, "Part", "n", *_PART.values()],
            [
                [one["set"], one["version"], name, str(part["n"]),
                 *(_cell(part.get(figure)) for figure in _PART)]
                for one in sets for name, part in one[key].items()
            ],
        )  # fmt: skip
    yield (
        "How sure, by kind of file",
        "Neighbouring bins of fewer than 50 source photographs are joined. Excess: mean of "
        "1 - p(authentic) less the share of manipulated pictures, above 0 where too much is "
        "suspected.",
        [*_NAMED, "Bin", "n", "Photographs", *_RELIABILITY.values()],
        [
            [one["set"], one["version"], name, str(row["n"]), str(row["photographs"]),
             *(_cell(row.get(figure)) for figure in _RELIABILITY)]
            for one in sets for rows in one["reliability_by"].values() for name, row in rows.items()
        ],
    )  # fmt: skip


def _comparison_sections(scores: Mapping[str, Any]) -> Iterator[Section]:
    yield (
        "Beside other systems",
        "On the same pictures; F1 and IoU of the pixels at 0.5, not gated; AUC of the verdict.",
        [*_NAMED, "System", "F1", "IoU", "Pixel AUC", "Verdict AUC"],
        [_beside_row(one) for one in scores.get("beside", ())],
    )
    yield (
        "More than another system on the same pictures",
        "Intervals are of the differences, both systems' answers to a picture resampled together. "
        "Shown IoU: 0 unless the verdict is tampered; where nothing is altered, 1 if no mask is "
        "shown. Likeliest: right classes of the highest probability.",
        [*_NAMED, "Against", "Figure", "n", "Before", "After", "Difference"],
        list(_paired_rows(scores.get("paired", ()))),
    )
    yield (
        "After changes and attacks",
        "Flips: share of pictures with another verdict than the file as it is. Misled: share of "
        "those judged rightly as they are that get a wrong verdict, inconclusive being none.",
        [*_NAMED, "n", *_ROBUSTNESS.values()],
        [_row(one, one, _ROBUSTNESS, "flip_rate") for one in scores["robustness"]],
    )


def _text_sections(scores: Mapping[str, Any]) -> Iterator[Section]:
    spoken = [one for one in scores["sets"] if one["text"]]
    yield (
        "In what words",
        "Answers of which no sentence can be read count as failed. Repeated: answers that are, to "
        "the letter, those of more than 1 % of the pictures. Backed: an anomaly that is not "
        "contradicted stands behind a verdict of manipulation, no confirmed one against "
        "authentic.",
        [*_NAMED, "n", *_TEXT.values()],
        [_row(one, one["text"], _TEXT, "parse_rate") for one in spoken],
    )
    yield (
        "Whether the words are true of the readings",
        "Precision: confirmed claims among those that a measurement can decide.",
        [*_NAMED, "n", *_CLAIMS.values()],
        [_row(one, one["text"], _CLAIMS, "parse_rate") for one in spoken],
    )
    yield (
        "Whether the words are true of the picture",
        "Location words that name the ninth of the picture in which the true mask's centre lies, "
        "also where the map's IoU is 0.5 or more; confirmed anomalies in whose ninth something "
        "was truly altered, authentic pictures included; share of the true mask in the ninths of "
        "confirmed anomalies. The table-reader puts every reading out of its range into words, "
        "without seeing the picture.",
        [*_NAMED, "Writer", "Masks", "Of them pointed at", *_TRUTH.values()],
        list(_truth_rows(spoken)),
    )
    yield (
        "Beside reference words",
        "In windows: share of texts longer than the 256 tokens that the sentence encoder reads at "
        "once; nothing is cut off.",
        [*_NAMED, "n", *_REFERENCE.values()],
        [_row(one, one["text"], _REFERENCE, "rouge_l") for one in spoken if "css" in one["text"]],
    )
    yield (
        "If other readings are told",
        "The instruments' text in the prompt is removed, another picture's, or the opposite of "
        "what was read; pixels and maps stay. Claims are held against the true readings.",
        [*_NAMED, "n", *_TOLD.values()],
        [[one["set"], one["version"], str(one["n"]), *(_cell(one[name]) for name in _TOLD)]
         for one in scores["told"]],
    )  # fmt: skip


def _truth_rows(spoken: Sequence[Mapping[str, Any]]) -> Iterator[list[str]]:
    for one in spoken:
        writers = {"Morelli": one["text"], "table-reader": one["text"]["table_reader"]}
        for writer, figures in writers.items():
            if figures and any(name in figures for name in _TRUTH):
                counts = [
                    figures.get(name, {"n": 0})["n"] for name in ("true_coverage", "pointing")
                ]
                cells = [_cell(figures.get(name)) for name in _TRUTH]
                yield [one["set"], one["version"], writer, *map(str, counts), *cells]


def _estimates(
    record: Mapping[str, Any], path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    for name, value in record.items():
        if isinstance(value, Mapping):
            if set(value) == {"value", "low", "high", "n"}:
                yield (*path, name), value
            else:
                yield from _estimates(value, (*path, name))


def _baseline_rows(sets: Sequence[Mapping[str, Any]]) -> Iterator[list[str]]:
    for one in sets:
        for method, figures in one["baselines"].items():
            best = figures["f1_at_best_threshold"]
            cells = [figures[name] for name in ("f1_at_threshold_from_elsewhere", "margin")]
            yield [one["set"], one["version"], method, str(best["n"]), _cell(best),
                   *map(_cell, cells)]  # fmt: skip


def _beside_row(one: Mapping[str, Any]) -> list[str]:
    pixel, image = one["pixel"] or {}, one["image"] or {}
    figures = [*(pixel.get(name) for name in ("f1", "iou", "auc")), image.get("auc")]
    return [one["set"], one["version"], one["system"], *map(_cell, figures)]


def _paired_rows(rows: Sequence[Mapping[str, Any]]) -> Iterator[list[str]]:
    for one in rows:
        for name, heading in _PAIRED.items():
            if name in one:
                figure = one[name]
                yield [one["set"], one["version"], one["against"], heading,
                       str(figure["difference"]["n"]), f"{figure['before']:.3f}",
                       f"{figure['after']:.3f}", _cell(figure["difference"])]  # fmt: skip


def _row(
    one: Mapping[str, Any], figures: Mapping[str, Any], columns: Mapping[str, str], counted: str
) -> list[str]:
    cells = [_cell(figures.get(name)) for name in columns]
    return [one["set"], one["version"], str(figures[counted]["n"]), *cells]


def _cell(figure: Mapping[str, Any] | None) -> str:
    return "-" if figure is None else str(Estimate(**figure))


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
