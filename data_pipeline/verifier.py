"""Holds what the model says against what the instruments measured: the status of every claim.

Pure functions, used unchanged by reports, by evaluation and by the rewards of training.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morelli.data_pipeline.answer import format_value, named_places, speaks_of_altered_part
from morelli.data_pipeline.places import WHOLE, box_of, place_of_mask
from morelli.data_pipeline.schema import Answer, Claim, Finding, Measurement, Polarity, Status
from morelli.data_pipeline.wording import polarities_of, strength_of

MIN_RELIABILITY = 0.3
"""Below this an instrument cannot tell on the picture at hand."""

MIN_PLACE_SHARE = 0.05
"""An anomaly lies in a place if it fills this share of the place's pixels ..."""

MIN_ANOMALY_SHARE = 1 / 3
"""... or if this share of all anomalous pixels lies in the place."""

MAX_NORMAL_SHARE = 0.01
"""A place is ordinary if less than this share of its pixels is anomalous."""

NUMBER = re.compile(
    r"(?<![\w.])(-?(?:[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]+)?|\.[0-9]+))"
    r"(\s?%|\s?per ?cent)?"
)
"""A printed number, and the percent sign after it if there is one."""

_BOUND_WORDS = {"up to": 1, "at most": 1, "no more than": 1, "at least": 0, "between": 0}
# Longer lists are tables: among sixty-four coefficients any number would find its match.
_LONGEST_DETAIL = 4

_BEYOND = {
    1: re.compile(r"\b(?:above|higher than) (?:the |its |what is )?(?:normal|expected|usual)"),
    0: re.compile(r"\b(?:below|lower than) (?:the |its |what is )?(?:normal|expected|usual)"),
}
_CITATION = re.compile(r" ?\[(F[1-9][0-9]*)\]")


def cannot_tell(measurement: Measurement) -> bool:
    """Tell whether an instrument has nothing to say about the picture at hand."""
    return measurement.value is None or measurement.reliability < MIN_RELIABILITY


def place_of_anomaly(measurement: Measurement, height: int, width: int) -> str:
    """Name the place where a reading is out of the ordinary, as the verifier will accept it.

    The ninth that holds the most anomalous pixels; the whole picture if there is no map, if no
    ninth holds enough of them, or if they fill more than half of the picture.
    """
    if measurement.map is None:
        return WHOLE
    anomalous = measurement.map >= measurement.map_threshold
    if not anomalous.any() or anomalous.mean() > 0.5:
        return WHOLE
    place = place_of_mask(anomalous)
    return place if lies_in(anomalous, place, height, width) else WHOLE


def is_ordinary_in(measurement: Measurement, place: str, height: int, width: int) -> bool:
    """Tell whether a reading is ordinary in a place, though it may not be so elsewhere."""
    if not measurement.anomalous:
        return True
    # One small anomaly makes the whole picture's reading anomalous, however few its pixels.
    if measurement.map is None or place == WHOLE:
        return False
    anomalous = measurement.map >= measurement.map_threshold
    share = float(box_of(place, height, width).crop(anomalous).mean())
    return share < MAX_NORMAL_SHARE and not lies_in(anomalous, place, height, width)


def lies_in(anomalous: NDArray[np.bool_], place: str, height: int, width: int) -> bool:
    """Tell whether enough of an (H, W) area lies in a place to say that it is there."""
    part = box_of(place, height, width).crop(anomalous)
    count = int(part.sum())
    return count > 0 and (
        count >= MIN_PLACE_SHARE * part.size or count >= MIN_ANOMALY_SHARE * int(anomalous.sum())
    )


def verify(
    claim: Claim, measurements: Mapping[str, Measurement], height: int, width: int
) -> tuple[Status, str]:
    """Hold one claim against its measurement.

    Args:
        claim: what the model wrote.
        measurements: by instrument name; maps are (height, width).
        height: of the picture, in pixels.
        width: of the picture, in pixels.

    Returns:
        The status and one sentence that says why.
    """
    measurement = measurements.get(claim.instrument)
    if measurement is None:
        return Status.UNVERIFIED, f"No instrument named {claim.instrument} read this picture."
    if cannot_tell(measurement):
        return Status.UNVERIFIED, f"The {claim.instrument} instrument cannot tell on this picture."
    places = named_places(claim)
    if measurement.map is None and places != (WHOLE,):
        reason = f"The {claim.instrument} instrument reads the whole picture, not one place in it."
        return Status.UNVERIFIED, reason
    fault = (
        _false_number(claim.sentence, measurement)
        or _false_word(claim, measurement)
        or _false_place(claim, measurement, height, width)
    )
    if fault:
        return Status.CONTRADICTED, fault
    return Status.CONFIRMED, _why_confirmed(claim, measurement)


def findings(
    answer: Answer, measurements: Mapping[str, Measurement], height: int, width: int
) -> tuple[Finding, ...]:
    """Turn the claims of an answer into findings F1, F2, ... with their status, in order.

    The box of a finding is that of its place in the image frame, None for the whole picture.
    """
    made = []
    for number, claim in enumerate(answer.claims, start=1):
        status, reason = verify(claim, measurements, height, width)
        measurement = measurements.get(claim.instrument)
        made.append(
            Finding(
                id=f"F{number}",
                instrument=claim.instrument,
                polarity=claim.polarity,
                place=claim.place,
                box=None if claim.place == WHOLE else box_of(claim.place, height, width),
                statement=claim.sentence,
                value=measurement.value if measurement else None,
                expected=measurement.expected if measurement else (0.0, 0.0),
                unit=measurement.unit if measurement else "",
                reliability=measurement.reliability if measurement else 0.0,
                status=status,
                reason=reason,
            )
        )
    return tuple(made)


def withhold_misplaced(answer: Answer, mask: NDArray[np.bool_]) -> Answer:
    """Withhold claims that put the altered part where the shown mask has nothing.

    Args:
        answer: a parsed answer.
        mask: (H, W) the mask that is shown beside the words.
    """
    height, width = mask.shape
    kept = tuple(
        claim
        for claim in answer.claims
        if not speaks_of_altered_part(claim.sentence)
        or all(box_of(place, height, width).crop(mask).any() for place in named_places(claim))
    )
    dropped = len(answer.claims) - len(kept)
    return replace(answer, claims=kept, withheld=answer.withheld + dropped)


def rationale_of(made: Sequence[Finding]) -> str:
    """Join the findings' sentences, each citing its finding: "The grain differs [F1]. ..."."""
    return " ".join(f"{f.statement[:-1]} [{f.id}]{f.statement[-1]}" for f in made)


def cited(rationale: str) -> tuple[str, ...]:
    """Return the ids of the findings that a rationale cites, in order."""
    return tuple(_CITATION.findall(rationale))


def without_citations(rationale: str) -> str:
    """Return a rationale as it would be read aloud: "The grain differs. ..."."""
    return _CITATION.sub("", rationale)


def claim_precision(made: Sequence[Finding]) -> float:
    """Share, 0 to 1, of the checkable claims that are true; 0 if there is none to check."""
    confirmed = _count(made, Status.CONFIRMED)
    checkable = confirmed + _count(made, Status.CONTRADICTED)
    return confirmed / checkable if checkable else 0.0


def unverified_share(made: Sequence[Finding]) -> float:
    """Share, 0 to 1, of the claims that no instrument can check; 0 without claims."""
    return _count(made, Status.UNVERIFIED) / len(made) if made else 0.0


def contradiction_rate(made: Sequence[Finding]) -> float:
    """Share, 0 to 1, of the claims that their measurement contradicts; 0 without claims."""
    return _count(made, Status.CONTRADICTED) / len(made) if made else 0.0


def mask_coverage(made: Sequence[Finding], mask: NDArray[np.bool_]) -> float:
    """Share, 0 to 1, of a mask that lies in the places of confirmed anomalies.

    Claims about the whole picture have no box and cover nothing: they do not say where.

    Args:
        made: findings on a picture of the mask's size.
        mask: (H, W) the true or the predicted mask.

    Raises:
        ValueError: the mask is empty.
    """
    if not mask.any():
        raise ValueError("coverage of an empty mask is not defined; leave such pictures out")
    covered = np.zeros_like(mask)
    for finding in made:
        if (
            finding.status is Status.CONFIRMED
            and finding.polarity is Polarity.ANOMALOUS
            and finding.box is not None
        ):
            finding.box.crop(covered)[:] = True
    return float((covered & mask).sum() / mask.sum())


def _count(made: Sequence[Finding], status: Status) -> int:
    return sum(finding.status is status for finding in made)


def _false_place(claim: Claim, measurement: Measurement, height: int, width: int) -> str | None:
    for place in named_places(claim):
        if claim.polarity is Polarity.NORMAL:
            if not is_ordinary_in(measurement, place, height, width):
                return f"{_reading(measurement)}, and not ordinary in the {place}."
        elif not measurement.anomalous:
            return f"{_reading(measurement)}, which is ordinary."
        elif place != WHOLE and measurement.map is not None:
            anomalous = measurement.map >= measurement.map_threshold
            if not lies_in(anomalous, place, height, width):
                return f"The {claim.instrument} map shows too little in the {place}."
    return None


def _false_number(sentence: str, measurement: Measurement) -> str | None:
    offered = list(numbers_of(measurement))
    if "reliab" in sentence.lower():
        offered.append(measurement.reliability)
    for match in NUMBER.finditer(sentence):
        before = sentence[: match.start()].rstrip().lower()
        bound = next((b for words, b in _BOUND_WORDS.items() if before.endswith(words)), None)
        percent = match[2] is not None and "%" not in measurement.unit
        true = offered if bound is None else [measurement.expected[bound]]
        if not any(agrees(match[1], percent, number) for number in true):
            return f"The {measurement.instrument} instrument did not read {match[0]}."
    return None


def numbers_of(measurement: Measurement) -> Iterator[float]:
    """Yield every number of a reading that a sentence may cite."""
    if measurement.value is not None:
        yield measurement.value
    yield from measurement.expected
    yield from _numbers_in(measurement.details)


def _numbers_in(detail: Any) -> Iterator[float]:
    if isinstance(detail, bool):
        return
    if isinstance(detail, int | float):
        if math.isfinite(detail):
            yield float(detail)
    elif isinstance(detail, Mapping):
        for item in detail.values():
            yield from _numbers_in(item)
    elif isinstance(detail, list | tuple) and len(detail) <= _LONGEST_DETAIL:
        for item in detail:
            yield from _numbers_in(item)


def agrees(printed: str, percent: bool, number: float) -> bool:
    """Tell whether a number, rounded as printed, is the one that was printed."""
    said = float(printed.replace(",", ""))
    half_a_digit = 0.5 * 10.0 ** -len(printed.partition(".")[2])
    # "40 pixels to the left" is a displacement of -40: only a printed sign is checked.
    candidates = [number] if said < 0 else [number, -number]
    if percent:
        candidates += [100.0 * candidate for candidate in candidates]
    return any(abs(c - said) <= half_a_digit + 1e-9 * abs(c) for c in candidates)


def _false_word(claim: Claim, measurement: Measurement) -> str | None:
    sentence = claim.sentence
    told = polarities_of(sentence)
    if claim.polarity is Polarity.NORMAL:
        if Polarity.ANOMALOUS in told:
            return "The words tell of an anomaly, the header of an ordinary reading."
        return None
    # What follows may say what is normal elsewhere.
    if told[:1] == (Polarity.NORMAL,):
        return "The words tell of an ordinary reading, the header of an anomaly."
    said, read = strength_of(sentence), strength_of(measurement.statement)
    if said and read and said != read:
        return f"The sentence says {said}, the reading {read}."
    beyond = 1 if measurement.value and measurement.value > measurement.expected[1] else 0
    if _BEYOND[1 - beyond].search(sentence) and not _BEYOND[beyond].search(sentence):
        return f"{_reading(measurement)}: the sentence has the wrong side of it."
    return None


def _reading(measurement: Measurement) -> str:
    if measurement.value is None:
        return "There is no reading"
    value = f"{format_value(measurement.value)} {measurement.unit}".rstrip()
    low, high = map(format_value, measurement.expected)
    return f"The reading is {value} where {low} to {high} is expected"


def _why_confirmed(claim: Claim, measurement: Measurement) -> str:
    if claim.place == WHOLE:
        return f"{_reading(measurement)}."
    if claim.polarity is Polarity.ANOMALOUS:
        return f"{_reading(measurement)}, and the map is anomalous in the {claim.place}."
    return f"{_reading(measurement)}, and the {claim.place} is ordinary."
