from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sacrebleu.metrics.bleu import BLEU

from morelli.eval.claims import AnswerReading
from morelli.eval.text_metrics import reference_figures, text_figures, truth_figures


def answer(text: str = "a b c", **counts: Any) -> AnswerReading:
    """Return an answer of one confirmed claim, unless `counts` says otherwise."""
    known = {
        "withheld": 0, "confirmed": 1, "contradicted": 0, "unverified": 0, "agrees": True,
        "supported": True,
    }  # fmt: skip
    return AnswerReading(text=text, **(known | counts))


def values(figures: Any) -> dict[str, float]:
    return {name: figure.value for name, figure in figures.items()}


def letters(texts: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Encode texts by how often they hold a, b and c; longer ones have more than five words."""
    counts = np.array([[text.count(letter) for letter in "abc"] for text in texts], np.float32)
    norms = np.linalg.norm(counts, axis=1, keepdims=True)
    unit = np.divide(counts, norms, out=np.zeros_like(counts), where=norms > 0)
    return unit, np.array([len(text.split()) > 5 for text in texts])


def test_figures_worked_by_hand() -> None:
    long = "word " * 60
    figures = text_figures(
        [
            answer(long, confirmed=1, contradicted=1),
            answer("one two", withheld=1, supported=False),
            answer("three", confirmed=1, unverified=1),
            answer("", withheld=2, confirmed=0, agrees=False, supported=False),
        ]
    )
    assert values(figures) == pytest.approx(
        {
            "parse_rate": 2 / 4,  # the second withheld a sentence, the last has none
            "answered_rate": 3 / 4,
            "withheld_rate": 3 / 8,
            "enough_words": 1 / 4,
            "words": 63 / 4,
            "repeated_rate": 0.0,
            "agreement": 3 / 4,
            "supported_rate": 2 / 4,
            "claim_precision": 3 / 4,
            "contradiction_rate": 1 / 5,
            "unverified_rate": 1 / 5,
        }
    )
    assert figures["words"].low < 63 / 4 < figures["words"].high


def test_answers_without_a_sentence_fail_and_have_no_precision() -> None:
    silent = answer("", confirmed=0, withheld=1, agrees=False, supported=False)
    figures = values(text_figures([silent] * 3))
    assert figures["parse_rate"] == figures["agreement"] == figures["supported_rate"] == 0.0
    assert figures["withheld_rate"] == 1.0
    assert figures["repeated_rate"] == 1.0
    assert "claim_precision" not in figures


def test_a_single_answer_says_nothing_of_how_long_others_are() -> None:
    figures = text_figures([answer()])
    assert "words" not in figures
    assert (figures["parse_rate"].low, figures["parse_rate"].high) == (0.0, 1.0)


def test_words_are_repeated_where_more_than_a_hundredth_of_the_pictures_get_them() -> None:
    def rate(*times: int) -> float:
        texts = [f"text {number}" for number, count in enumerate(times) for _ in range(count)]
        return text_figures([answer(text) for text in texts])["repeated_rate"].value

    assert rate(*[1] * 20) == 0.0  # one of twenty is more than 1 %, but it is said once
    assert rate(2, *[1] * 18) == pytest.approx(2 / 20)
    assert rate(3, *[1] * 297) == 0.0  # exactly 1 % of 300
    assert rate(4, *[1] * 296) == pytest.approx(4 / 300)


def test_truth_figures_worked_by_hand() -> None:
    figures = truth_figures(
        [
            answer(pointed=1.0, placed=2, placed_right=1, covered=0.5),
            answer(pointed=0.0, placed=1, placed_right=1, covered=1.0),
            answer(pointed=None, placed=0, placed_right=0, covered=0.0),
            answer(placed=1, placed_right=0),  # authentic: what it points at is wrong
            answer(),  # of this picture the truth is not known
        ]
    )
    assert values(figures) == pytest.approx(
        {"pointing": 1 / 2, "true_precision": 2 / 4, "true_coverage": 1.5 / 3}
    )
    assert [figures[name].n for name in ("pointing", "true_precision", "true_coverage")] == [
        2,
        4,
        3,
    ]


def test_where_nothing_is_placed_there_is_no_precision_but_a_coverage_of_none() -> None:
    figures = truth_figures([answer(placed=0, placed_right=0, covered=0.0)] * 3)
    assert values(figures) == {"true_coverage": 0.0}


counts = st.integers(0, 4)


@settings(max_examples=10, deadline=None)
@given(st.lists(st.tuples(counts, counts, counts, counts), min_size=1, max_size=12), st.randoms())
def test_the_order_of_the_answers_changes_nothing(
    rows: list[tuple[int, int, int, int]], random: Any
) -> None:
    names = ("withheld", "confirmed", "contradicted", "unverified")
    answers = [
        answer(f"{index}", **dict(zip(names, row, strict=True))) for index, row in enumerate(rows)
    ]
    mixed = random.sample(answers, len(answers))
    assert values(text_figures(mixed)) == pytest.approx(values(text_figures(answers)))


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
    figures = reference_figures(texts, references, letters)
    whole = BLEU().corpus_score(texts, [references]).score / 100
    assert figures["bleu"].value == pytest.approx(whole, abs=1e-9)
    assert figures["bleu"].low <= whole <= figures["bleu"].high
    same = reference_figures(texts, texts, letters)
    assert same["bleu"].value == pytest.approx(1.0)
    assert same["rouge_l"].value == pytest.approx(1.0)
    assert same["css"].value == pytest.approx(1.0)


def test_rouge_l_worked_by_hand() -> None:
    # longest common subsequence "the leaf" of 3 and 4 words: P 2/3, R 2/4
    texts, references = ["the green leaf"] * 2, ["the leaf lies here"] * 2
    figures = reference_figures(texts, references, letters)
    assert figures["rouge_l"].value == pytest.approx(2 * (2 / 3) * 0.5 / (2 / 3 + 0.5))


def test_css_is_the_mean_cosine_and_0_for_an_empty_answer() -> None:
    texts, references = ["a b", "aaa", ""], ["a", "c", "a b c a b c"]
    figures = reference_figures(texts, references, letters)
    # (1, 1) and (1, 0): 1 / sqrt(2); nothing in common; an empty text
    assert figures["css"].value == pytest.approx((2**-0.5 + 0 + 0) / 3)
    assert figures["longer_texts"].value == pytest.approx(1 / 3)


def test_texts_without_references_are_refused() -> None:
    with pytest.raises(ValueError, match="need one each"):
        reference_figures(["a"], [], letters)
