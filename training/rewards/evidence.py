"""Rewards of the reasons: true by the instruments, complete, and in the right place."""

from collections import Counter

from morelli.data_pipeline.answer import named_places, speaks_of_altered_part
from morelli.data_pipeline.places import box_of
from morelli.data_pipeline.schema import Polarity, Status, Verdict
from morelli.data_pipeline.verifier import cannot_tell
from morelli.training.rewards.rollout import Rollout, Truth


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
    """Return the share of the sentences on "the altered part" that put it where it truly is.

    Every place that such a sentence names must hold altered pixels; in a picture without an
    altered part no such sentence is true.

    Returns:
        0 to 1; None if the answer says nothing of an altered part, cannot be read, or the true
        mask of a tampered picture is unknown.
    """
    if rollout.answer is None or (truth.verdict is Verdict.TAMPERED and truth.mask is None):
        return None
    claims = [c for c in rollout.answer.claims if speaks_of_altered_part(c.sentence)]
    if not claims:
        return None
    if truth.verdict is not Verdict.TAMPERED or truth.mask is None:
        return 0.0
    boxes = [[box_of(p, truth.height, truth.width) for p in named_places(c)] for c in claims]
    return sum(all(box.crop(truth.mask).any() for box in named) for named in boxes) / len(boxes)
