"""The one answer grammar: what the language model writes, what is taught, rewarded and reported.

An answer is a verdict line, which the program forces as a prefix, and then one claim a line:

    Verdict: tampered<seg>
    [noise anomalous lower left] The grain in the lower left is stronger than elsewhere.

A line that breaks the grammar is withheld and counted; it is never repaired nor replaced.
"""

import re
from collections.abc import Collection, Iterator

import numpy as np

from morelli.data_pipeline.places import NINTHS, PLACES
from morelli.data_pipeline.schema import Answer, Claim, Polarity, Verdict

VERDICT_STEM = "Verdict:"
"""The text after which the verdict word is read; the word follows with a leading space."""

SEG = "<seg>"
"""The token whose hidden state prompts the mask decoder; it closes every verdict line."""

MAX_SENTENCE = 400
"""Longest sentence of a claim, in characters."""

_VERDICT_LINE = re.compile(f"{VERDICT_STEM} ({'|'.join(Verdict)}){SEG}")
_CLAIM_LINE = re.compile(rf"\[([a-z][a-z0-9-]*) ({'|'.join(Polarity)}) ([a-z ]+)\] (\S.*)")
# Longest name first, or "upper centre" would be read as "centre".
_NINTH = re.compile(rf"\b(?:{'|'.join(sorted(NINTHS, key=len, reverse=True))})\b", re.IGNORECASE)

_PICTURE = r"(?:picture|image|photo|photograph|file)"
_VERB = r"(?: is| was| has(?=(?:n't| not| never)? been\b)| looks| appears| seems)"
_REST = r"(?P<negation>n't| not| no| never)?(?: been)?(?: to be| to have been)?(?: an?| \w+ly)*"
# "The rest of the picture is genuine" is no verdict, so "of" may not stand before the subject.
_STATING_FORMS = (
    rf"(?<!of )\b(?:this|the|that)(?: whole| entire)? {_PICTURE}{_VERB}{_REST} (?:WORDS)\b",
    rf"\bverdict(?: is| was| of|:){_REST} (?:WORDS)\b",
    rf"\b(?:this|it){_VERB}{_REST} (?:WORDS) {_PICTURE}\b",
)
_STATING_WORDS = (
    (Verdict.AUTHENTIC, True, "authentic|genuine|real|original|untouched|unaltered|unedited"),
    (Verdict.AUTHENTIC, False, "fake|inauthentic"),
    (
        Verdict.TAMPERED,
        True,
        "tampered|altered|manipulated|edited|doctored|forged|retouched|spliced",
    ),
    (Verdict.SYNTHETIC, True, "synthetic|(?:AI[- ]|computer[- ])?generated|artificial"),
    (Verdict.INCONCLUSIVE, True, "inconclusive|undecided"),
)
_STATEMENTS = tuple(
    (re.compile(form.replace("WORDS", words), re.IGNORECASE), verdict, affirmed)
    for verdict, affirmed, words in _STATING_WORDS
    for form in _STATING_FORMS
)
_ALTERED_PART = re.compile(
    r"\bthe (?:altered|tampered|manipulated|edited|forged|pasted|inserted)"
    r" (?:part|area|region|patch|piece|object)s?\b",
    re.IGNORECASE,
)


class AnswerError(ValueError):
    """An answer that cannot be read or written; evaluation counts it as a wrong answer."""


def format_value(value: float) -> str:
    """Print a number the one way in which prompts, taught sentences and reasons show it.

    About three significant digits without trailing zeros: 3.41, 12.3, 1840, 0.85, 0.0042.
    """
    magnitude = abs(value)
    if 0 < magnitude < 0.1:
        return np.format_float_positional(value, precision=2, fractional=False, trim="-")
    # The limits sit where rounding carries into the next power of ten.
    decimals = 2 if magnitude < 9.995 else 1 if magnitude < 99.95 else 0
    text = f"{value:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def prefix(verdict: Verdict) -> str:
    """Return the verdict line that opens an answer, with its newline."""
    return f"{VERDICT_STEM} {verdict}{SEG}\n"


def render(answer: Answer) -> str:
    """Write an answer in the grammar, so that `parse` gives it back (with nothing withheld).

    Raises:
        AnswerError: a claim that `parse` would withhold.
    """
    lines = [f"[{c.instrument} {c.polarity} {c.place}] {c.sentence}" for c in answer.claims]
    text = prefix(answer.verdict) + "\n".join(lines)
    kept = parse(text).claims
    if kept != answer.claims:
        lost = next((line for line, c in zip(lines, answer.claims, strict=True) if c not in kept))
        raise AnswerError(f"this claim would be withheld when read back: {lost!r}")
    return text


def parse(text: str, instruments: Collection[str] | None = None) -> Answer:
    """Read an answer, withholding every line that does not belong in it.

    Withheld are lines without a header, with an unknown instrument or place, with an empty,
    unfinished, over-long or bracketed sentence, with a sentence said before, and lines that
    state another verdict than the prefix.

    Args:
        text: the whole answer, prefix included.
        instruments: the known instruments; None accepts any well-formed name.

    Raises:
        AnswerError: the first line is not a verdict line.
    """
    head, _, body = text.partition("\n")
    match = _VERDICT_LINE.fullmatch(head.rstrip())
    if match is None:
        raise AnswerError(
            f"an answer must open with {prefix(Verdict.TAMPERED).rstrip()!r} or another verdict, "
            f"got {head[:80]!r}"
        )
    verdict = Verdict(match[1])
    claims: list[Claim] = []
    said: set[str] = set()
    withheld = 0
    for line in filter(str.strip, body.split("\n")):
        claim = _claim_of(line.rstrip(), instruments)
        if claim is None or claim.sentence in said or contradicts(claim.sentence, verdict):
            withheld += 1
            continue
        said.add(claim.sentence)
        claims.append(claim)
    return Answer(verdict, tuple(claims), withheld)


def contradicts(sentence: str, verdict: Verdict) -> bool:
    """Tell whether a sentence states, in explicit words, another verdict than the given one."""
    if verdict is not Verdict.TAMPERED and _ALTERED_PART.search(sentence):
        return True
    return any(
        (affirmed and stated is not verdict) or (not affirmed and stated is verdict)
        for stated, affirmed in _stated(sentence)
    )


def speaks_of_altered_part(sentence: str) -> bool:
    """Tell whether a sentence takes for granted that a part of the picture was altered."""
    return _ALTERED_PART.search(sentence) is not None


def named_places(claim: Claim) -> tuple[str, ...]:
    """Return every place a claim commits itself to: its header's, then those its words name."""
    words = (match[0].lower() for match in _NINTH.finditer(claim.sentence))
    return tuple(dict.fromkeys((claim.place, *words)))


def _claim_of(line: str, instruments: Collection[str] | None) -> Claim | None:
    match = _CLAIM_LINE.fullmatch(line)
    if match is None:
        return None
    instrument, polarity, place, sentence = match.groups()
    known = place in PLACES and (instruments is None or instrument in instruments)
    if not known or not _is_sentence(sentence):
        return None
    return Claim(instrument, Polarity(polarity), place, sentence)


def _is_sentence(text: str) -> bool:
    # A sentence that the token limit cut off has no full stop, and may have lost its "not".
    return (
        len(text) <= MAX_SENTENCE
        and text.isprintable()
        and not any(mark in text for mark in ("[", "]", SEG))
        and text.endswith((".", "!", "?"))
        and any(character.isalpha() for character in text)
    )


def _stated(sentence: str) -> Iterator[tuple[Verdict, bool]]:
    for pattern, verdict, affirmed in _STATEMENTS:
        for match in pattern.finditer(sentence):
            yield verdict, affirmed is (match["negation"] is None)
