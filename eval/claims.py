"""What the words of one answer come to, held against the verdict, the shown mask and the truth.

A claim stands unless its measurement contradicts it: a contradicted one is struck through where it
is shown, and supports nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from morelli.data_pipeline.answer import contradicts, named_places, speaks_of_altered_part
from morelli.data_pipeline.places import NINTHS, PLACES, box_of, place_of
from morelli.data_pipeline.schema import Finding, Polarity, Status, Verdict
from morelli.data_pipeline.verifier import lies_in, mask_coverage, without_citations


@dataclass(frozen=True, slots=True)
class Words:
    """All that was said of one picture.

    Attributes:
        text: the sentences that are shown, citations left out.
        withheld: number of sentences that are not shown.
        findings: those that are, in order.
    """

    text: str
    withheld: int
    findings: tuple[Finding, ...]

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Read {"rationale", "withheld", "findings"}, as predictions and reports hold them.

        Raises:
            KeyError: a missing field.
            ValueError: an unknown polarity, status or place, or a negative number of sentences.
        """
        withheld = int(record["withheld"])
        if withheld < 0:
            raise ValueError(f"the number of withheld sentences cannot be {withheld}")
        findings = tuple(map(Finding.from_json, record["findings"]))
        for finding in findings:
            if finding.place not in PLACES:
                raise ValueError(f"no such place {finding.place!r}")
        return cls(without_citations(str(record["rationale"])), withheld, findings)

    @property
    def standing(self) -> tuple[Finding, ...]:
        """The claims that are not contradicted."""
        return tuple(one for one in self.findings if one.status is not Status.CONTRADICTED)


def answer_record(rationale: str, withheld: int, findings: Sequence[Finding]) -> dict[str, Any]:
    """Return what `Words.from_json` reads."""
    return {
        "rationale": rationale,
        "withheld": withheld,
        "findings": [finding.as_json() for finding in findings],
    }


@dataclass(frozen=True, slots=True)
class AnswerReading:
    """One answer in numbers.

    Attributes:
        text: the sentences that are shown.
        withheld: number of sentences that are not.
        confirmed: claims that their measurement confirms.
        contradicted: claims that it contradicts.
        unverified: claims that no instrument can check.
        agrees: of verdict, mask and words, none disagrees with another.
        supported: a claim that stands backs the verdict.
        pointed: share of the location words that name the ninth in which the centre of the true
            mask lies; None without such words or without a mask.
        placed: confirmed anomalies in a ninth of the picture; None if the truth is not known.
        placed_right: those of them in whose ninth something was truly altered; None likewise.
        covered: share of the true mask that lies in their ninths; None without a mask.
    """

    text: str
    withheld: int
    confirmed: int
    contradicted: int
    unverified: int
    agrees: bool
    supported: bool
    pointed: float | None = None
    placed: int | None = None
    placed_right: int | None = None
    covered: float | None = None

    @classmethod
    def of(
        cls,
        words: Words,
        verdict: Verdict | None,
        truth: NDArray[np.bool_] | None,
        shown: NDArray[np.bool_] | None,
    ) -> Self:
        """Read an answer.

        Args:
            words: the answer.
            verdict: that it goes with, None if its writer gives none.
            truth: (H, W) what was altered, all False if nothing; None if that is not known.
            shown: (H, W) the mask beside the words; None if none is shown.
        """
        status = [finding.status for finding in words.findings]
        placed = [finding.place for finding in words.findings if _places_anomaly(finding)]
        mask = truth if truth is not None and truth.any() else None
        return cls(
            text=words.text,
            withheld=words.withheld,
            confirmed=status.count(Status.CONFIRMED),
            contradicted=status.count(Status.CONTRADICTED),
            unverified=status.count(Status.UNVERIFIED),
            agrees=_agrees(words, verdict, shown),
            supported=_supported(words, verdict),
            pointed=None if mask is None else _pointed(words, mask),
            placed=None if truth is None else len(placed),
            placed_right=None if truth is None else _count_right(placed, truth),
            covered=None if mask is None else mask_coverage(words.findings, mask),
        )

    @property
    def claims(self) -> int:
        """Number of sentences that are shown; each is a claim."""
        return self.confirmed + self.contradicted + self.unverified

    @property
    def words(self) -> int:
        """Number of words in them."""
        return len(self.text.split())


def _agrees(words: Words, verdict: Verdict | None, shown: NDArray[np.bool_] | None) -> bool:
    """Tell whether all that is shown says the same; an answer without a sentence says nothing."""
    if not words.findings:
        return False
    sentences = [finding.statement for finding in words.findings]
    if verdict is not None and any(contradicts(sentence, verdict) for sentence in sentences):
        return False
    if verdict is not Verdict.TAMPERED or shown is None:
        return True
    return bool(shown.any()) and all(
        box_of(place, *shown.shape).crop(shown).any()
        for finding in words.standing
        if speaks_of_altered_part(finding.statement)
        for place in named_places(finding.claim)
    )


def _supported(words: Words, verdict: Verdict | None) -> bool:
    """Tell whether an anomaly backs a verdict of manipulation, and none is against authentic."""
    anomalies = [one for one in words.standing if one.polarity is Polarity.ANOMALOUS]
    if verdict in (Verdict.TAMPERED, Verdict.SYNTHETIC):
        return bool(anomalies)
    against = verdict is Verdict.AUTHENTIC and any(
        one.status is Status.CONFIRMED for one in anomalies
    )
    return bool(words.findings) and not against


def _pointed(words: Words, mask: NDArray[np.bool_]) -> float | None:
    rows, columns = np.nonzero(mask)
    centre = place_of(float(columns.mean()) + 0.5, float(rows.mean()) + 0.5, *mask.shape)
    hits = [
        place == centre
        for finding in words.standing
        if finding.polarity is Polarity.ANOMALOUS or speaks_of_altered_part(finding.statement)
        for place in named_places(finding.claim)
        if place in NINTHS
    ]
    return float(np.mean(hits)) if hits else None


def _places_anomaly(finding: Finding) -> bool:
    return (
        finding.polarity is Polarity.ANOMALOUS
        and finding.status is Status.CONFIRMED
        and finding.place in NINTHS
    )


def _count_right(places: Sequence[str], truth: NDArray[np.bool_]) -> int:
    return sum(lies_in(truth, place, *truth.shape) for place in places)
