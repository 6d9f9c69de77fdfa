"""The nouns that flow through Morelli: frozen, checked when made, to and from JSON.

Boxes and masks are in the image frame: pixels of the upright, decoded picture, x right, y down.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SCHEMA = "morelli.report/1"


class Verdict(StrEnum):
    """What a picture is found to be; the first three are what the probability is spread over."""

    AUTHENTIC = "authentic"
    TAMPERED = "tampered"
    SYNTHETIC = "synthetic"
    INCONCLUSIVE = "inconclusive"


CLASSES = (Verdict.AUTHENTIC, Verdict.TAMPERED, Verdict.SYNTHETIC)
"""The order of every array of class probabilities and of every class label."""


class Polarity(StrEnum):
    """Whether a claim says that a measurement is out of the ordinary or that it is ordinary."""

    ANOMALOUS = "anomalous"
    NORMAL = "normal"


class Status(StrEnum):
    """What the verifier found when it held a claim against the measurement."""

    CONFIRMED = "confirmed"
    CONTRADICTED = "contradicted"
    UNVERIFIED = "unverified"


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in the image frame: x0 <= x < x1, y0 <= y < y1, in pixels."""

    x0: int
    y0: int
    x1: int
    y1: int

    def __post_init__(self) -> None:
        """Refuse an empty or negative rectangle."""
        if not (0 <= self.x0 < self.x1 and 0 <= self.y0 < self.y1):
            raise ValueError(f"box must have 0 <= x0 < x1 and 0 <= y0 < y1, got {self.as_list()}")

    @property
    def area(self) -> int:
        """Number of pixels inside."""
        return (self.x1 - self.x0) * (self.y1 - self.y0)

    def as_list(self) -> list[int]:
        """Return [x0, y0, x1, y1]."""
        return [self.x0, self.y0, self.x1, self.y1]

    def crop(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return the view of an (H, W, ...) array that lies inside."""
        return array[self.y0 : self.y1, self.x0 : self.x1]


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one instrument read on one picture.

    Attributes:
        instrument: its name in the INSTRUMENTS table.
        value: the scalar, or None when this picture cannot be measured.
        unit: what the value counts, as printed after it ("times", "dB", "pixels").
        expected: [low, high] of the value on untouched photographs; inside is normal.
        reliability: 0 (cannot tell on this picture) to 1.
        statement: one plain sentence that says what was read and what is normal.
        map: (H, W) float32 in the image frame, 0 (as the rest) to 1 (most unlike), or None.
        box: where the reading is most unlike the rest, or None if it has no place.
        map_threshold: map values from here on are anomalous; fitted with `expected`.
        details: further numbers, plain JSON (for example the displacement of a copy).
    """

    instrument: str
    value: float | None
    unit: str
    expected: tuple[float, float]
    reliability: float
    statement: str
    map: NDArray[np.float32] | None = None
    box: Box | None = None
    map_threshold: float = 0.5
    details: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the ranges that every reader relies on."""
        if not 0.0 <= self.reliability <= 1.0:
            raise ValueError(f"{self.instrument}: reliability {self.reliability} is not in [0, 1]")
        if self.expected[0] > self.expected[1]:
            raise ValueError(f"{self.instrument}: expected {self.expected} is not [low, high]")
        if self.value is None and self.reliability > 0:
            raise ValueError(f"{self.instrument}: no value, so its reliability must be 0")

    @property
    def anomalous(self) -> bool:
        """True if the value lies outside its expected range."""
        return self.value is not None and not self.expected[0] <= self.value <= self.expected[1]

    def as_json(self, map_path: str | None) -> dict[str, Any]:
        """Return the report's form; `map_path` is relative to the output folder."""
        return {
            "instrument": self.instrument,
            "value": self.value,
            "unit": self.unit,
            "expected": list(self.expected),
            "reliability": round(self.reliability, 3),
            "map": map_path,
            "box": self.box.as_list() if self.box else None,
            "statement": self.statement,
            "details": self.details,
        }


@dataclass(frozen=True, slots=True)
class Told:
    """Readings that the language model is told in place of the measured ones, as an experiment.

    What the encoders see and what the verifier holds the words against stays the picture's own.

    Attributes:
        measurements: the readings; those left out are not spoken of.
        height: of the picture that they were read on, or are to be taken for, in pixels.
        width: likewise.
    """

    measurements: tuple[Measurement, ...]
    height: int
    width: int


@dataclass(frozen=True, slots=True)
class Claim:
    """One sentence of the model's answer and what it commits itself to.

    Attributes:
        instrument: the instrument whose reading it speaks of.
        polarity: whether it says the reading is out of the ordinary there.
        place: a name in `places.PLACES` ("lower left", "whole picture").
        sentence: the words, without the header.
    """

    instrument: str
    polarity: Polarity
    place: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A parsed answer: the verdict it opens with, its claims, and what had to be dropped.

    Attributes:
        verdict: the word of the prefix.
        claims: in the order in which they were written.
        withheld: number of sentences that did not parse; they are never shown.
    """

    verdict: Verdict
    claims: tuple[Claim, ...]
    withheld: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """A claim held against its measurement."""

    id: str
    instrument: str
    polarity: Polarity
    place: str
    box: Box | None
    statement: str
    value: float | None
    expected: tuple[float, float]
    unit: str
    reliability: float
    status: Status
    reason: str

    @property
    def claim(self) -> Claim:
        """What was claimed."""
        return Claim(self.instrument, self.polarity, self.place, self.statement)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Finding":
        """Read the report's form back.

        Raises:
            KeyError: a missing field.
            ValueError: an unknown polarity or status, or a box that is none.
        """
        low, high = record["expected"]
        box = record["box"]
        return cls(
            id=record["id"],
            instrument=record["instrument"],
            polarity=Polarity(record["polarity"]),
            place=record["place"],
            box=None if box is None else Box(*box),
            statement=record["statement"],
            value=record["value"],
            expected=(low, high),
            unit=record["unit"],
            reliability=record["reliability"],
            status=Status(record["status"]),
            reason=record["reason"],
        )

    def as_json(self) -> dict[str, Any]:
        """Return the report's form."""
        record = asdict(self)
        record["box"] = self.box.as_list() if self.box else None
        record["expected"] = list(self.expected)
        record["reliability"] = round(self.reliability, 3)
        return record


@dataclass(frozen=True, slots=True)
class ForensicSample:
    """One labelled image.

    Attributes:
        id: unique in its manifest.
        image: path of the file.
        verdict: authentic, tampered or synthetic; never inconclusive.
        mask: 8-bit PNG of the image's size, 255 = altered; None = unknown, not "clean".
        kind: how it was made ("splice", "copy_move", ...), None if untouched or unknown.
        source: data set and original id: the key that splits may not cut.
        answer: the reference answer in the answer grammar, or None.
        origin: 8-bit PNG of the image's size, 255 = copied from here to what `mask` marks; these
            pixels themselves are untouched. None = no copies, or unknown.
    """

    id: str
    image: Path
    verdict: Verdict
    mask: Path | None = None
    kind: str | None = None
    source: str = ""
    answer: str | None = None
    origin: Path | None = None

    def __post_init__(self) -> None:
        """Refuse a label that nobody can be sure of."""
        if self.verdict not in CLASSES:
            raise ValueError(f"{self.id}: a sample cannot be labelled {self.verdict}")

    def as_json(self) -> dict[str, Any]:
        """Return a manifest row."""
        record = asdict(self)
        record["image"] = str(self.image)
        record["mask"] = str(self.mask) if self.mask else None
        record["origin"] = str(self.origin) if self.origin else None
        return record

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "ForensicSample":
        """Read a manifest row.

        Raises:
            ValueError: an unknown verdict.
            KeyError: a missing field.
        """
        return cls(
            id=record["id"],
            image=Path(record["image"]),
            verdict=Verdict(record["verdict"]),
            mask=Path(record["mask"]) if record.get("mask") else None,
            kind=record.get("kind"),
            source=record.get("source", ""),
            answer=record.get("answer"),
            origin=Path(record["origin"]) if record.get("origin") else None,
        )
