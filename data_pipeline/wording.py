"""What a sentence says of a reading: that it is out of the ordinary, or that it is ordinary.

Words that tell of something odd turn into their opposite where they are denied, and so do words
that tell of calm: "a patch recurs" and "the grain is not even" tell of an anomaly, "no patch
recurs" and "the grain is even" of an ordinary reading. Knows every phrase that is taught, by test;
of words it does not know, it says nothing.
"""

import re
from collections.abc import Iterator

from morelli.data_pipeline.schema import Polarity

_STRONGER = r"stronger|coarser|noisier|rougher|more (?:noise|grain)"
_WEAKER = r"weaker|fainter|smoother|softer|less (?:noise|grain)"
_STRENGTHS = {
    "stronger": re.compile(rf"\b(?:{_STRONGER})\b", re.IGNORECASE),
    "weaker": re.compile(rf"\b(?:{_WEAKER})\b", re.IGNORECASE),
}

_BITS = (
    r"(?:patches|(?:piece|bit|section|fragment|patch|detail|portion|area|block|shape|structure"
    r"|segment|texture|motif|element|part|region|spot)s?)"
)
_AGAIN = (
    r"(?:a second time|once more|again|in another spot|at another place|elsewhere"
    r"|in a second position|further away|at some distance)"
)
_APPEARS = (
    r"(?:turns? up|shows? up|appears?|returns?|(?:is|are) (?:found|present|visible)|occurs?|exists?"
    r"|comes? back)"
)
_USUAL = r"(?:usual|normal|customary|typical|expected|ordinary)"
_ODD = (
    # it is not as the rest is
    r"differs?|departs?|strays?|deviates?|diverges?|parts(?= (?:\w+ly )?from\b)",
    rf"{_STRONGER}|{_WEAKER}|of another strength",
    r"varies|fluctuates|wanders|swings|drifts|jumps"
    r"|(?:changes|shifts)(?= (?:too|abruptly|strangely|more than|without|beyond)\b)",
    r"lacks|has lost|is short of|misses(?= the)",
    r"(?:left|has left|put|set) its \w+\b[^.;:]*?\bbut(?= not\b)",
    r"disagrees?|conflicts?|clash(?:es)?|contradicts?(?= (?:one another|each other)\b)",
    r"out of (?:line|keeping|step|the ordinary|the usual|place)",
    rf"(?:outside|beyond|leaves|breaks|exceeds|overruns) (?:of )?(?:its|the|what is) {_USUAL}",
    r"outside",
    # it strikes the eye
    r"stands? (?:out|apart)|unusual(?:ly)?|anomal\w+|suspicious|odd|strange|remarkable|irregular"
    r"|inconsistent|uneven",
    r"draws? the eye|calls? for doubt|asks? for attention|strikes? one|deserves? comment"
    r"|raises? suspicion|invites? doubt|catch(?:es)? attention|needs? a remark",
    r"(?:gives?|shows?|offers?) (?:no|an?) (?:contrast|break|step|jump)(?! of\b)",
    # it is there twice
    rf"{_APPEARS} (?:\w+ly )?{_AGAIN}|recurs|reappears|(?:is|are) repeated",
    r"(?:repeats?|duplicates?|doubles?|mirrors?|reproduces?|cop(?:y|ies)|echo(?:es)?)"
    r"(?= (?:(?:one )?another|each other)\b)",
    r"twice|more than once|repeatedly|several times",
    rf"(?<!for )(?:repeated|doubled|duplicated|copied|recurring|cloned) {_BITS}(?! (?:on|can)\b)",
    r"(?:looks|seems|appears) (?:copied|duplicated|cloned|lifted|repeated|borrowed)",
    # it comes from an edit
    r"(?:speaks? for|points? to|hints? at|suggests?|is typical of|argues? for|signs? of|traces? of)"
    r" (?=(?:an? (?:edit|local change|change|second origin|later change)|editing|tampering|material"
    r"|work on|different origins|more than one source)\b)",
)

_CALM = (
    "even|uniform|steady|consistent|regular|balanced|constant|calm|smooth|coherent|level"
    "|homogeneous|stable|harmonious|orderly|seamless|unvaried|evenly spread|settled|undivided"
    "|in order|in line|in step|shared|unbroken|continuous|intact|identical|of one piece"
    "|the same(?! time)|aligned|normal|ordinary|usual|typical|unremarkable|as expected"
    "|as it should be"
)
_ADVERB = r"(?:\w+ly|quite|rather|very|altogether|also|all|not|never|no longer|still|just)"
_IS = (
    r"(?:is|are|be|comes? out|turns? out|appears?|proves?|looks?|seems?|remains?|stays?|keeps?"
    r"|lies?)(?:n't)?"
)
_QUIET = (
    rf"{_IS} (?:{_ADVERB} )*(?:{_CALM})",
    rf"{_IS} (?:{_ADVERB} )*(?:that|the one)(?= of\b)",
    rf"{_IS} (?:{_ADVERB} )*(?:with)?in (?:the|its) {_USUAL} (?:range|span|limits|bounds)",
    r"(?:one|same|single|common|steady|shared|settled) (?:level|strength|character|grade|density"
    r"|measure)",
    r"agrees?|accords?|harmonises?|fits?(?: in|(?! to\b))|go(?:es)? well|match(?:es)?",
    r"(?:inside|within) (?:what|(?:its|the) (?:\w+ )?(?:range|span|limits|bounds))"
    r"|(?<!out of the )ordinary|as expected",
)

_DENIAL = re.compile(
    r"\b(?:no|not|nothing|none|nobody|nowhere|never|neither|nor|without|cannot|hardly|scarcely"
    r"|fails? to|far from|too little)\b|n't\b",
    re.IGNORECASE,
)
_CLAUSE_ENDS = re.compile(
    r"[.:;!?](?:\s|$)|,|\b(?:but|while|whereas|where|although|though|because|since)\b",
    re.IGNORECASE,
)

_RANGE = re.compile(
    r"\s*(?:and )?(?:up to|at most|at least|no more than|between|from)?\s*\d[\d.]*\s?%?"
    r"(?:\s(?:to|and)\s\d[\d.]*\s?%?)?\s*(?:would|will|may|can|could)?\s*",
    re.IGNORECASE,
)
"""A clause so far that has only a range of numbers: what follows is said of what would be expected,
not of the picture ("where up to 1 would be normal")."""


def _any_of(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(patterns)})(?!\w)", re.IGNORECASE)


_TELLS = {Polarity.ANOMALOUS: _any_of(_ODD), Polarity.NORMAL: _any_of(_QUIET)}
_OPPOSITE = {
    Polarity.ANOMALOUS: Polarity.NORMAL,
    Polarity.NORMAL: Polarity.ANOMALOUS,
}


def polarities_of(text: str) -> tuple[Polarity, ...]:
    """Return what a text says of readings, one item for each thing it says, in order."""
    said = sorted(_said(text))
    return tuple(polarity for _, polarity in said)


def _said(text: str) -> Iterator[tuple[int, Polarity]]:
    """Yield where in the text something is said, and what."""
    starts = [0, *(match.end() for match in _CLAUSE_ENDS.finditer(text))]
    for told, pattern in _TELLS.items():
        for match in pattern.finditer(text):
            clause = max(start for start in starts if start <= match.start())
            if _RANGE.fullmatch(text, clause, match.start()):
                continue
            denied = _DENIAL.search(text, clause, match.end()) is not None
            yield match.end(), _OPPOSITE[told] if denied else told


def strength_of(text: str) -> str | None:
    """Return "stronger" or "weaker" if a text says just one of them, else None."""
    said = [word for word, pattern in _STRENGTHS.items() if pattern.search(text)]
    return said[0] if len(said) == 1 else None
