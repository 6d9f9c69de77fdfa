from typing import Any

import pytest
from sacrebleu.metrics.bleu import BLEU

from morelli.eval.text_metrics import reference_figures, text_figures


def answer(
    verdict: str, *claims: tuple[str, str], withheld: int = 0, points: float | None = None
) -> dict[str, Any]:
    findings = [{"polarity": polarity, "status": status} for polarity, status in claims]
    return {"verdict": verdict, "findings": findings, "withheld": withheld, "points": points}


def test_figures_worked_by_hand() -> None:
    figures = text_figures(
        [
            answer("tampered", ("anomalous", "confirmed"), ("normal", "contradicted"), points=1.0),
            answer("tampered", ("normal", "confirmed"), withheld=1),
            answer("authentic", ("normal", "unverified"), ("normal", "confirmed")),
            answer("authentic", withheld=1),
        ]
    )
    values = {name: figure.value for name, figure in figures.items()}
    assert values == pytest.approx(
        {
            "parse_rate": 2 / 4,  # the second withheld a sentence, the last has none
            "answered_rate": 3 / 4,
            "agreement": 3 / 4,  # the second calls it tampered and names no anomaly
            "claim_precision": 3 / 4,
            "contradiction_rate": 1 / 5,
            "unverified_rate": 1 / 5,
            "pointing": 1.0,
        }
    )


def test_answers_without_a_sentence_fail_and_have_no_precision() -> None:
    figures = text_figures([answer("tampered", withheld=1)] * 3)
    assert figures["parse_rate"].value == figures["agreement"].value == 0.0
    assert "claim_precision" not in figures


def test_a_confirmed_anomaly_does_not_fit_an_authentic_verdict() -> None:
    figures = text_figures([answer("authentic", ("anomalous", "confirmed"))] * 2)
    assert figures["agreement"].value == 0.0


def test_words_are_compared_as_sacrebleu_does() -> None:
    texts = [
        "the grain in the lower left is coarser than the rest",
        "nothing stands out here",
        "the same patch of grass occurs twice in this picture",
    ]
    references = [
        "the grain of the lower left is much coarser than elsewhere",
        "nothing in this picture stands out",
        "the same patch of grass occurs twice",
    ]
    figures = reference_figures(texts, references)
    whole = BLEU().corpus_score(texts, [references]).score / 100
    assert figures["bleu"].value == pytest.approx(whole, abs=1e-9)
    assert figures["bleu"].low <= whole <= figures["bleu"].high
    same = reference_figures(texts, texts)
    assert same["bleu"].value == pytest.approx(1.0)
    assert same["rouge_l"].value == pytest.approx(1.0)


def test_rouge_l_worked_by_hand() -> None:
    # longest common subsequence "the leaf" of 3 and 4 words: P 2/3, R 2/4
    figures = reference_figures(["the green leaf"] * 2, ["the leaf lies here"] * 2)
    assert figures["rouge_l"].value == pytest.approx(2 * (2 / 3) * 0.5 / (2 / 3 + 0.5))


def test_texts_without_references_are_refused() -> None:
    with pytest.raises(ValueError, match="need one each"):
        reference_figures(["a"], [])
