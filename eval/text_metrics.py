"""The figures an answer's words are judged by: whether they can be read, checked and trusted.

They fail closed: an answer of which no sentence could be read is a failed answer, never left out.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morelli.eval.claims import AnswerReading
from morelli.eval.estimates import (
    Estimate,
    Statistic,
    Values,
    Weights,
    estimates,
    mean_estimate,
    mean_of,
    ratio_of,
)

ENOUGH_WORDS = 60
"""An answer of fewer words explains little."""

MOST_REPEATED = 0.01
"""A rationale that more than this share of the pictures get is a template."""

Embed = Callable[[Sequence[str]], tuple[NDArray[np.float32], NDArray[np.bool_]]]
"""n texts to (n, D) unit vectors, and (n,) whether a text was longer than the encoder reads at
once."""

_MAX_ORDER = 4


def text_figures(answers: Sequence[AnswerReading]) -> dict[str, Estimate]:
    """Return the figures of a set's answers; one that nothing defines is left out.

    Args:
        answers: one an image, at least one.

    Returns:
        parse_rate: answers with a sentence that could be read and none that had to be withheld.
        answered_rate: answers with a sentence that could be read.
        withheld_rate: withheld sentences among all.
        enough_words: answers with at least `ENOUGH_WORDS` words left.
        words: mean number of words left in an answer; not of a single answer.
        repeated_rate: answers whose words, to the letter, are those of more than one picture and
            of more than `MOST_REPEATED` of all.
        agreement: answers in which verdict, mask and words do not disagree, and that say something.
        supported_rate: answers whose verdict a claim backs that is not contradicted.
        claim_precision: confirmed claims among those that could be checked.
        contradiction_rate, unverified_rate: of all claims.
    """
    shares = {
        "parse_rate": [one.claims > 0 and not one.withheld for one in answers],
        "answered_rate": [one.claims > 0 for one in answers],
        "enough_words": [one.words >= ENOUGH_WORDS for one in answers],
        "repeated_rate": _repeated([one.text for one in answers]),
        "agreement": [one.agrees for one in answers],
        "supported_rate": [one.supported for one in answers],
    }
    figures = {name: mean_of(np.array(values, float)) for name, values in shares.items()}
    confirmed, contradicted, unverified, withheld = (
        np.array([getattr(one, name) for one in answers], float)
        for name in ("confirmed", "contradicted", "unverified", "withheld")
    )
    claims = confirmed + contradicted + unverified
    figures |= _ratios(
        {
            "withheld_rate": (withheld, withheld + claims),
            "claim_precision": (confirmed, confirmed + contradicted),
            "contradiction_rate": (contradicted, claims),
            "unverified_rate": (unverified, claims),
        }
    )
    found = estimates(figures, np.zeros(len(answers)))
    if len(answers) > 1:
        counts = np.array([one.words for one in answers], float)
        found |= estimates({"words": mean_of(counts)}, np.zeros(len(answers)))
    return found


def truth_figures(answers: Sequence[AnswerReading]) -> dict[str, Estimate]:
    """Return how true a set's claims are of the pictures themselves, not of the readings.

    Returns:
        pointing: location words that name the ninth in which the centre of the true mask lies;
            mean of the pictures that have both.
        true_precision: of the confirmed anomalies in a ninth, those in whose ninth something was
            truly altered; authentic pictures count with all of theirs as wrong.
        true_coverage: share of the true mask in the ninths of confirmed anomalies, mean of the
            pictures with a mask; a picture of which no such place is told has 0.
    """
    figures = {}
    pointed = [one.pointed for one in answers if one.pointed is not None]
    if pointed:
        figures["pointing"] = mean_estimate(pointed)
    known = [one for one in answers if one.placed is not None]
    placed = np.array([one.placed for one in known], float)
    right = np.array([one.placed_right for one in known], float)
    if placed.any():
        ratio = ratio_of(right, placed)
        figures |= estimates({"true_precision": ratio}, np.zeros(len(known)))
    covered = [one.covered for one in answers if one.covered is not None]
    if covered:
        figures["true_coverage"] = mean_estimate(covered)
    return figures


def _repeated(texts: Sequence[str]) -> list[bool]:
    counts = Counter(texts)
    return [counts[text] > max(1.0, MOST_REPEATED * len(texts)) for text in texts]


def _ratios(pairs: dict[str, tuple[Values, Values]]) -> dict[str, Statistic]:
    return {name: ratio_of(*pair) for name, pair in pairs.items() if pair[1].any()}


def reference_figures(
    texts: Sequence[str], references: Sequence[str], embed: Embed
) -> dict[str, Estimate]:
    """Return how like a reference the words are, one reference an answer.

    Args:
        texts: the answers' words; one without any scores 0.
        references: the words to compare them with.
        embed: the sentence encoder.

    Returns:
        rouge_l: F-measure, stemmed, mean (rouge-score).
        bleu: of the corpus, 0 to 1 (sacrebleu).
        css: cosine of the encoder's vectors, -1 to 1, mean.
        longer_texts: share of the answers that, or whose references, are longer than the encoder
            reads at once; it reads those in windows, nothing is cut off.

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
    return estimates(figures, np.zeros(len(texts))) | _semantic(texts, references, embed)


def _semantic(texts: Sequence[str], references: Sequence[str], embed: Embed) -> dict[str, Estimate]:
    vectors, longer = embed([*texts, *references])
    count = len(texts)
    cosines = (vectors[:count].astype(np.float64) * vectors[count:]).sum(1)
    said = np.array([bool(text.strip()) for text in texts])
    return {
        "css": mean_estimate(np.where(said, np.clip(cosines, -1, 1), 0.0), lowest=-1.0),
        "longer_texts": mean_estimate((longer[:count] | longer[count:]).astype(float)),
    }


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
