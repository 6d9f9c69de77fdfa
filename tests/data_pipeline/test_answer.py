import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morelli.data_pipeline.answer import (
    MAX_SENTENCE,
    SEG,
    AnswerError,
    contradicts,
    format_value,
    named_places,
    parse,
    prefix,
    render,
)
from morelli.data_pipeline.places import PLACES
from morelli.data_pipeline.schema import Answer, Claim, Polarity, Verdict

_SENTENCES = st.text("abA \xe9%9.,;:'-()", max_size=60).map(
    lambda text: f"Grain {text}".strip() + "."
)
_CLAIMS = st.builds(
    Claim,
    st.sampled_from(["noise", "copy-move", "a9", "later-one"]),
    st.sampled_from(Polarity),
    st.sampled_from(PLACES),
    _SENTENCES,
)
_ANSWERS = st.builds(
    Answer,
    st.sampled_from(Verdict),
    st.lists(_CLAIMS, max_size=5, unique_by=lambda claim: claim.sentence).map(tuple),
)
_LINE = "[noise anomalous lower left] The grain differs."


def _parsed(*lines: str, verdict: Verdict = Verdict.TAMPERED) -> Answer:
    return parse(prefix(verdict) + "\n".join(lines))


@settings(deadline=None)
@given(_ANSWERS)
def test_what_is_rendered_is_read_back_unchanged(answer: Answer) -> None:
    assert parse(render(answer)) == answer


@settings(deadline=None)
@given(st.sampled_from(Verdict), st.text(max_size=300))
def test_any_text_after_a_prefix_keeps_its_verdict_and_renders_again(
    verdict: Verdict, text: str
) -> None:
    answer = parse(prefix(verdict) + text)
    assert answer.verdict is verdict
    assert parse(render(answer)).claims == answer.claims


@settings(deadline=None)
@given(st.sampled_from(Verdict), st.lists(st.sampled_from(["", _LINE, "no header.", "[x] y."])))
def test_every_written_line_is_either_a_claim_or_counted(
    verdict: Verdict, lines: list[str]
) -> None:
    answer = _parsed(*lines, verdict=verdict)
    assert len(answer.claims) + answer.withheld == sum(bool(line) for line in lines)


def test_the_example_of_the_grammar_is_read() -> None:
    answer = parse(f"Verdict: tampered<seg>\n{_LINE}")
    claim = Claim("noise", Polarity.ANOMALOUS, "lower left", "The grain differs.")
    assert answer == Answer(Verdict.TAMPERED, (claim,))


@pytest.mark.parametrize(
    "head",
    [
        "",
        "tampered<seg>",
        "Verdict: fake<seg>",
        "Verdict: tampered",
        "verdict: tampered<seg>",
        _LINE,
    ],
)
def test_an_answer_without_a_verdict_line_is_an_error_that_shows_it(head: str) -> None:
    with pytest.raises(AnswerError) as caught:
        parse(f"{head}\n{_LINE}")
    assert repr(head) in str(caught.value)


@pytest.mark.parametrize(
    "line",
    [
        "The grain differs.",  # no header
        "[noise anomalous] The grain differs.",
        "[noise strange lower left] The grain differs.",
        "[noise anomalous left corner] The grain differs.",
        "[noise anomalous lower left]",  # no sentence
        "[noise anomalous lower left] .",
        "[noise anomalous lower left]  Two spaces.",
        "[noise anomalous lower left] The grain [F1] differs.",
        "[noise anomalous lower left] [jpeg normal centre] The grain differs.",
        "[noise anomalous lower left] The grain is not",  # cut off
        f"[noise anomalous lower left] The grain {SEG} differs.",
        f"[noise anomalous lower left] {'g' * MAX_SENTENCE}.",
        "[noise anomalous lower left] The\tgrain differs.",
    ],
)
def test_a_malformed_line_is_withheld_and_leaves_the_others(line: str) -> None:
    answer = _parsed(line, _LINE)
    assert (len(answer.claims), answer.withheld) == (1, 1)


def test_an_instrument_that_is_not_in_the_set_is_withheld() -> None:
    text = prefix(Verdict.TAMPERED) + _LINE
    assert parse(text, {"noise"}).withheld == 0
    assert parse(text, {"jpeg"}).withheld == 1


def test_a_sentence_said_before_is_withheld() -> None:
    answer = _parsed(_LINE, _LINE, "[jpeg normal centre] The grain differs.")
    assert (len(answer.claims), answer.withheld) == (1, 2)


@pytest.mark.parametrize(
    ("sentence", "fits"),
    [
        ("This picture is authentic.", {Verdict.AUTHENTIC}),
        ("The image has not been altered.", set(Verdict) - {Verdict.TAMPERED}),
        ("The photograph was clearly manipulated.", {Verdict.TAMPERED}),
        ("This image seems to be AI-generated.", {Verdict.SYNTHETIC}),
        ("The verdict is inconclusive.", {Verdict.INCONCLUSIVE}),
        ("The picture is not authentic.", set(Verdict) - {Verdict.AUTHENTIC}),
        ("The photo is a fake.", set(Verdict) - {Verdict.AUTHENTIC}),
        ("This is an authentic photograph.", {Verdict.AUTHENTIC}),
        ("The picture isn't altered.", set(Verdict) - {Verdict.TAMPERED}),
        ("The picture of real people has a real grain.", set(Verdict)),
        ("The altered part lies there.", {Verdict.TAMPERED}),
        ("The rest of the picture is genuine.", set(Verdict)),
        ("Untouched photographs read like this.", set(Verdict)),
    ],
)
def test_explicit_words_fit_only_the_verdict_they_state(sentence: str, fits: set[Verdict]) -> None:
    assert {verdict for verdict in Verdict if not contradicts(sentence, verdict)} == fits


def test_a_line_that_states_another_verdict_is_withheld() -> None:
    line = "[noise normal whole picture] This picture is authentic."
    assert _parsed(line).withheld == 1
    assert _parsed(line, verdict=Verdict.AUTHENTIC).withheld == 0


def test_a_claim_that_cannot_be_read_back_is_not_written() -> None:
    claim = Claim("noise", Polarity.NORMAL, "attic", "The grain is even.")
    with pytest.raises(AnswerError, match="attic"):
        render(Answer(Verdict.AUTHENTIC, (claim,)))


def test_places_are_read_from_header_and_words_by_their_longest_name() -> None:
    claim = Claim("noise", Polarity.NORMAL, "lower left", "Unlike the Upper Centre and centre.")
    assert named_places(claim) == ("lower left", "upper centre", "centre")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3.4, "3.4"),
        (3.414, "3.41"),
        (12.34, "12.3"),
        (1840.4, "1840"),
        (100.0, "100"),
        (9.996, "10"),
        (0.0, "0"),
        (0.00421, "0.0042"),
        (-2.5, "-2.5"),
    ],
)
def test_numbers_have_about_three_digits(value: float, text: str) -> None:
    assert format_value(value) == text


@settings(deadline=None)
@given(st.floats(1e-6, 1e6) | st.floats(-1e6, -1e-6))
def test_a_printed_number_is_near_its_value(value: float) -> None:
    assert float(format_value(value)) == pytest.approx(value, rel=0.051)
