import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from morelli.data_pipeline.answer import contradicts
from morelli.data_pipeline.grammar import as_sentence, expand
from morelli.data_pipeline.meanings import (
    CAUSES,
    MEANING_INSIDE,
    MEANING_OUTSIDE,
    RESTS_ON_PICTURE,
    RULES,
)
from morelli.data_pipeline.schema import Verdict


def _said(pattern: str, seed: int, rules: dict[str, str] | None = None) -> str:
    rng = np.random.default_rng(seed)
    return expand(pattern, rules or {}, lambda count: int(rng.integers(count)))


def test_every_alternative_is_said_and_nothing_else() -> None:
    pattern = "<who> (runs|walks( slowly|)) (home|)"
    rules = {"who": "she|the (old|) man"}
    whos, hows = ("she", "the old man", "the man"), ("runs", "walks slowly", "walks")
    wanted = {" ".join(f"{a} {b} {c}".split()) for a in whos for b in hows for c in ("home", "")}
    assert {_said(pattern, seed, rules) for seed in range(500)} == wanted


def test_gaps_before_marks_are_closed() -> None:
    assert _said("so (|), it is (|).", 0) == "so, it is."


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("a older save", "an older save"),
        ("an former save", "a former save"),
        ("a unedited file", "an unedited file"),
        ("a uniform level", "a uniform level"),
        ("a usual range", "a usual range"),
        ("a one", "a one"),
        ("A edit", "An edit"),
    ],
)
def test_articles_fit_the_next_word(written: str, read: str) -> None:
    assert _said(written, 0) == read


def test_an_unknown_rule_and_a_stray_parenthesis_are_refused() -> None:
    with pytest.raises(KeyError, match="nobody"):
        _said("<nobody> sings", 0)
    with pytest.raises(ValueError, match="parenthesis"):
        _said("a) b", 0)


def test_a_clause_becomes_a_sentence() -> None:
    assert as_sentence("the grain.") == "The grain."


@given(st.integers(0, 2**32 - 1), st.sampled_from(Verdict))
def test_no_meaning_contradicts_its_verdict(seed: int, verdict: Verdict) -> None:
    for pattern in (MEANING_OUTSIDE[verdict], MEANING_INSIDE[verdict], RESTS_ON_PICTURE):
        assert not contradicts(as_sentence(_said(pattern, seed, RULES)), verdict)


@given(st.integers(0, 2**32 - 1), st.sampled_from(sorted(CAUSES)))
def test_every_cause_is_one_plain_sentence(seed: int, kind: str) -> None:
    sentence = as_sentence(_said(CAUSES[kind], seed, RULES))
    assert sentence.endswith(".")
    assert not set(sentence) & set("()|<>{}[]")
