"""What is known of a picture that a chat is about: taken from its report, kept beside the replies.

Replies are held against these facts alone, so whoever has the predictions can score them again.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from morelli.data_pipeline.places import NINTHS, box_of
from morelli.data_pipeline.report import Report
from morelli.data_pipeline.schema import CLASSES, Measurement, Verdict
from morelli.data_pipeline.verifier import cannot_tell, numbers_of, place_of_anomaly


@dataclass(frozen=True, slots=True)
class ReadingFacts:
    """What one instrument read.

    Attributes:
        instrument: its name.
        state: "out of line", "normal" or "silent", which cannot tell on this picture.
        place: where it is out of line, a name of `PLACES`; None if it is not.
        numbers: value, expected range and details.
        reliability: 0 to 1.
        told: whether the language model was told of it.
    """

    instrument: str
    state: str
    place: str | None
    numbers: tuple[float, ...]
    reliability: float
    told: bool

    @classmethod
    def of(cls, reading: Measurement, told: bool, height: int, width: int) -> "ReadingFacts":
        """Take them from a measurement of a picture of this size in pixels."""
        state = "silent" if cannot_tell(reading) else "normal"
        place = None
        if state == "normal" and reading.anomalous:
            state, place = "out of line", place_of_anomaly(reading, height, width)
        numbers = tuple(round(float(number), 6) for number in numbers_of(reading))
        return cls(reading.instrument, state, place, numbers, reading.reliability, told)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a report says, as far as replies are held against it.

    Attributes:
        verdict: the decision.
        probability: class name -> calibrated probability.
        interval: of 1 - probability["authentic"].
        where: the ninth that holds most of the mask, None without a mask.
        marked: the ninths that hold any of the mask.
        readings: of every instrument.
    """

    verdict: Verdict
    probability: dict[str, float]
    interval: tuple[float, float]
    where: str | None
    marked: tuple[str, ...]
    readings: tuple[ReadingFacts, ...]

    @classmethod
    def of(cls, report: Report, told: tuple[str, ...]) -> "Facts":
        """Take them from a report; `told` are the instruments that the model knows."""
        height, width = report.picture.height, report.picture.width
        marked: tuple[str, ...] = ()
        if report.mask is not None:
            marked = tuple(
                place for place in NINTHS if box_of(place, height, width).crop(report.mask).any()
            )
        readings = tuple(
            ReadingFacts.of(reading, reading.instrument in told, height, width)
            for reading in report.measurements
        )
        shares = {str(name): float(report.probability[name]) for name in CLASSES}
        low, high = map(float, report.interval)
        return cls(report.verdict, shares, (low, high), report.where, marked, readings)

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "Facts":
        """Read what `as_json` wrote.

        Raises:
            KeyError: a field is missing.
            TypeError: a field is of another kind.
            ValueError: an unknown verdict.
        """
        readings = tuple(
            ReadingFacts(**{**reading, "numbers": tuple(reading["numbers"])})
            for reading in record["readings"]
        )
        low, high = record["interval"]
        return cls(
            Verdict(record["verdict"]), dict(record["probability"]), (low, high), record["where"],
            tuple(record["marked"]), readings,
        )  # fmt: skip

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {**asdict(self), "verdict": str(self.verdict)}

    @property
    def manipulated(self) -> float:
        """Probability that the picture is tampered or synthetic."""
        return 1 - self.probability["authentic"]

    @property
    def unmarked(self) -> tuple[str, ...]:
        """The ninths that hold nothing of the mask."""
        return tuple(place for place in NINTHS if place not in self.marked)

    @property
    def told(self) -> tuple[ReadingFacts, ...]:
        """The readings that the language model was told of and that can tell."""
        return tuple(one for one in self.readings if one.told and one.state != "silent")

    @property
    def odd(self) -> tuple[ReadingFacts, ...]:
        """Those of them that are out of line."""
        return tuple(one for one in self.told if one.state == "out of line")

    def shares(self) -> Iterator[float]:
        """Yield every share of 0 to 1 that may be cited as a percentage."""
        yield from (self.manipulated, *self.probability.values(), *self.interval)
