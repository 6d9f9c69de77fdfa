"""Rewards of the reasons: true by the instruments, complete, and in the right place."""

from collections import Counter

from morelli.data_pipeline.answer import named_places, speaks_of_altered_part
from morelli.data_pipeline.places import NINTHS
from morelli.data_pipeline.schema import Claim, Polarity, Status, Verdict
from morelli.data_pipeline.verifier import cannot_tell, lies_in
from morelli.training.rewards.rollout import Rollout, Truth

_POINTS_NOWHERE = 0.5


def evidence_precision(rollout: Rollout, truth: Truth) -> float:
    """Return the share of what the answer says that the verifier confirms.

    Counted against it are contradicted claims, lines that are withheld, and unverified claims
    beyond one for each instrument that cannot tell: to say so once is honest, and is left out.

    Returns:
        0 to 1; 0 if nothing checkable was said or the answer cannot be read.
    """
    if rollout.answer is None:
        return 0.0
    status = Counter(finding.status for finding in truth.findings_of(rollout.answer))
    silent = sum(map(cannot_tell, truth.measurements.values()))
    idle = max(0, status[Status.UNVERIFIED] - silent)
    confirmed = status[Status.CONFIRMED]
    said = confirmed + status[Status.CONTRADICTED] + rollout.answer.withheld + idle
    return confirmed / said if said else 0.0


def evidence_coverage(rollout: Rollout, truth: Truth) -> float | None:
    """Return the share of the readings that can tell which the answer reports truly.

    An anomalous reading is covered only by a confirmed anomaly: to say that another corner is
    ordinary is true and hides it.

    Returns:
        0 to 1; 0 for an answer that cannot be read; None if no instrument can tell.
    """
    readings = [reading for reading in truth.measurements.values() if not cannot_tell(reading)]
    if not readings:
        return None
    if rollout.answer is None:
        return 0.0
    told = {
        (finding.instrument, finding.polarity)
        for finding in truth.findings_of(rollout.answer)
        if finding.status is Status.CONFIRMED
    }
    wanted = [
        (reading.instrument, Polarity.ANOMALOUS if reading.anomalous else Polarity.NORMAL)
        for reading in readings
    ]
    return sum(pair in told for pair in wanted) / len(wanted)


def placement(rollout: Rollout, truth: Truth) -> float | None:
    """Return the share of the claims that point at a place which point at what was truly altered.

    An anomaly told of a ninth points there, and so does every place in a sentence on "the altered
    part". It is right where enough of the true mask lies in each of these places, by the
    verifier's own rule. In a picture without an altered part none is right, however true the
    reading: such an anomaly may be told of the whole picture.

    Returns:
        0 to 1. In a picture without an altered part 1 if nothing points, else 0; in a tampered one
        0.5 if nothing does, which is more than pointing astray and less than pointing right. 0
        for an answer that cannot be read; None if the mask of a tampered picture is unknown.
    """
    if truth.verdict is Verdict.TAMPERED and truth.mask is None:
        return None
    if rollout.answer is None:
        return 0.0
    claims = rollout.answer.claims
    pointed = [places for places in map(_pointed_at, claims) if places]
    if truth.verdict is not Verdict.TAMPERED or truth.mask is None:
        return float(not pointed and not any(speaks_of_altered_part(c.sentence) for c in claims))
    if not pointed:
        return _POINTS_NOWHERE
    mask, height, width = truth.mask, truth.height, truth.width
    right = [all(lies_in(mask, place, height, width) for place in places) for places in pointed]
    return sum(right) / len(right)


def _pointed_at(claim: Claim) -> list[str]:
    """Return the ninths that a claim says something was altered in."""
    if claim.polarity is Polarity.ANOMALOUS or speaks_of_altered_part(claim.sentence):
        return [place for place in named_places(claim) if place in NINTHS]
    return []
