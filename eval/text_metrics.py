"""The figures an answer's words are judged by: whether they can be read, checked and trusted.

They fail closed: an answer of which no sentence could be read is a failed answer, never left out.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from morelli.data_pipeline.schema import Polarity, Status, Verdict
from morelli.eval.estimates import (
    Estimate,
    Statistic,
    Values,
    Weights,
    estimates,
    mean_of,
    ratio_of,
)

_MAX_ORDER = 4


def text_figures(answers: Sequence[Mapping[str, Any]]) -> dict[str, Estimate]:
    """Return the figures of a set's answers.

    Args:
        answers: one an image, {"verdict", "findings": [{"polarity", "status"}], "withheld",
            "points": share of its anomalies in a named place that the true mask reaches into, None
            without such claims or without a true mask}.

    Returns:
        parse_rate: answers with a sentence that could be read and none that had to be withheld.
        answered_rate: answers with a sentence that could be read.
        agreement: answers whose claims fit the verdict: an anomaly if it is tampered or
            synthetic, none confirmed if it is authentic.
        pointing: mean of "points".
        claim_precision: confirmed claims among those that could be checked.
        contradiction_rate, unverified_rate: of all claims.
    """
    figures: dict[str, Statistic] = {}
    read = np.array([bool(one["findings"]) for one in answers], float)
    whole = read * np.array([not one["withheld"] for one in answers])
    figures |= {"parse_rate": mean_of(whole), "answered_rate": mean_of(read)}
    figures["agreement"] = mean_of(np.array([_agrees(one) for one in answers], float))
    confirmed, contradicted, unverified = (
        np.array([_count(one, status) for one in answers], float)
        for status in (Status.CONFIRMED, Status.CONTRADICTED, Status.UNVERIFIED)
    )
    claims = confirmed + contradicted + unverified
    ratios = {
        "claim_precision": (confirmed, confirmed + contradicted),
        "contradiction_rate": (contradicted, claims),
        "unverified_rate": (unverified, claims),
    }
    figures |= {name: ratio_of(*pair) for name, pair in ratios.items() if pair[1].any()}
    pointed = np.array([one["points"] is not None for one in answers], float)
    if pointed.any():
        hits = np.array([one["points"] or 0.0 for one in answers])
        figures["pointing"] = ratio_of(hits, pointed)
    return estimates(figures, np.zeros(len(answers)))


def reference_figures(texts: Sequence[str], references: Sequence[str]) -> dict[str, Estimate]:
    """Return ROUGE-L (F-measure, stemmed, mean) and corpus BLEU (0 to 1) against references.

    Raises:
        ValueError: there are no texts, or the numbers differ.
        ImportError: the packages of the `eval` extra are not installed.
    """
    try:
        from rouge_score.rouge_scorer import RougeScorer
    except ImportError as error:
        raise ImportError(
            f"{error}: reference words are compared by an extra, pip install -e '.[eval]'"
        ) from None
    if len(texts) != len(references) or not texts:
        raise ValueError(f"{len(texts)} texts for {len(references)} references; need one each")
    scorer = RougeScorer(["rougeL"], use_stemmer=True)
    rouge = [
        scorer.score(reference, text)["rougeL"].fmeasure
        for text, reference in zip(texts, references, strict=True)
    ]
    figures = {"rouge_l": mean_of(np.array(rouge)), "bleu": _bleu(texts, references)}
    return estimates(figures, np.zeros(len(texts)))


def _bleu(texts: Sequence[str], references: Sequence[str]) -> Statistic:
    """Return corpus BLEU as sacrebleu computes it, from the n-gram counts of each sentence."""
    from sacrebleu.metrics.bleu import BLEU

    metric = BLEU(effective_order=True)  # of the sentences; only their counts are used
    counts = np.array([_ngrams(metric, *pair) for pair in zip(texts, references, strict=True)])

    def bleu(weights: Weights) -> Values:
        sums = weights @ counts
        return np.array([_score_of(row) for row in sums])

    return bleu


def _ngrams(metric: Any, text: str, reference: str) -> list[int]:
    """Return matches and totals of 1- to 4-grams, then both lengths."""
    one = metric.sentence_score(text, [reference])
    return [*one.counts, *one.totals, one.sys_len, one.ref_len]


def _score_of(sums: Values) -> float:
    from sacrebleu.metrics.bleu import BLEU

    whole = [int(count) for count in sums]
    result = BLEU.compute_bleu(
        correct=whole[:_MAX_ORDER],
        total=whole[_MAX_ORDER : 2 * _MAX_ORDER],
        sys_len=whole[-2],
        ref_len=whole[-1],
        smooth_method="exp",
    )
    return float(result.score / 100)


def _agrees(answer: Mapping[str, Any]) -> bool:
    anomalies = [one for one in answer["findings"] if one["polarity"] == Polarity.ANOMALOUS]
    if answer["verdict"] in (Verdict.TAMPERED, Verdict.SYNTHETIC):
        return bool(anomalies)
    confirmed = any(one["status"] == Status.CONFIRMED for one in anomalies)
    return answer["verdict"] == Verdict.INCONCLUSIVE or not confirmed


def _count(answer: Mapping[str, Any], status: Status) -> int:
    return sum(one["status"] == status for one in answer["findings"])
