"""The text put to the language model: what the instruments read, then the question.

The place of the picture's own tokens is the processor's business, not told here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from morelli.data_pipeline.answer import format_value
from morelli.data_pipeline.places import place_of
from morelli.data_pipeline.schema import Measurement, Polarity, Verdict
from morelli.data_pipeline.verifier import cannot_tell, place_of_anomaly

SYSTEM = "You examine pictures for forgery and give reasons that can be checked."
"""The system message of every conversation."""

QUESTION = "Is this picture authentic, tampered or synthetic, and why?"
"""What is asked of every picture; one of the verdict words answers it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an examination came to, as every follow-up question is reminded of it.

    Attributes:
        verdict: the decision.
        probability: that the picture is tampered or synthetic, calibrated, 0 to 1.
        where: the ninth that holds most of the mask, or None without a mask.
    """

    verdict: Verdict
    probability: float
    where: str | None = None


def line_of_outcome(outcome: Outcome) -> str:
    """Put what an examination came to in about twenty-five tokens.

    For example "verdict tampered, 83 % probability of tampered or synthetic, marked lower left".
    """
    marked = f"marked {outcome.where}" if outcome.where else "nothing marked"
    chance = percent(outcome.probability)
    return f"verdict {outcome.verdict}, {chance} probability of tampered or synthetic, {marked}"


def percent(share: float) -> str:
    """Print a share of 0 to 1 the one way in which chats show it: "83 %"."""
    return f"{100 * share:.0f} %"


def question(measurements: Sequence[Measurement], height: int, width: int) -> str:
    """Put the readings, one a line in the given order, and then the question.

    Args:
        measurements: what the instruments read; those left out are not spoken of.
        height: of the picture, in pixels.
        width: of the picture, in pixels.
    """
    return "\n".join([*(line_of(m, height, width) for m in measurements), QUESTION])


def line_of(measurement: Measurement, height: int, width: int) -> str:
    """Put one reading in about thirty tokens, ending in the words of the claim's header.

    For example "noise: 3.41 times, normal 0.2 to 1.8, reliability 0.9, anomalous lower left".
    An ordinary reading names the place of its box as the least ordinary one, if it has a box.
    """
    if measurement.value is None or cannot_tell(measurement):
        return f"{measurement.instrument}: cannot tell"
    low, high = map(format_value, measurement.expected)
    value = f"{format_value(measurement.value)} {measurement.unit}".rstrip()
    if measurement.anomalous:
        state = f"{Polarity.ANOMALOUS} {place_of_anomaly(measurement, height, width)}"
    else:
        state = f"{Polarity.NORMAL}{_least_ordinary(measurement, height, width)}"
    return (
        f"{measurement.instrument}: {value}, normal {low} to {high}, "
        f"reliability {format_value(measurement.reliability)}, {state}"
    )


def _least_ordinary(measurement: Measurement, height: int, width: int) -> str:
    box = measurement.box
    if box is None:
        return ""
    place = place_of((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2, height, width)
    return f", most unlike {place}"
