"""The report of one examination: what is kept, how it is written down, and what makes it valid.

Every page, table and metric reads the JSON object made here and nothing else. Rendering, files and
folders are the business of `morelli.serve`.
"""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morelli.data_pipeline.images import Picture
from morelli.data_pipeline.places import place_of_mask
from morelli.data_pipeline.schema import (
    CLASSES,
    SCHEMA,
    Finding,
    Measurement,
    Polarity,
    Status,
    Verdict,
)

CITATION = re.compile(r"\[(F\d+)\]")
"""How the words of a rationale cite a finding: [F1]."""


class ReportError(ValueError):
    """A record that breaks the schema `morelli.report/1`; the message opens with the field."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path or 'the record'} {message}")
        self.path = path


@dataclass(frozen=True, slots=True)
class ReportPaths:
    """Where the pictures of a report lie, relative to the output folder, with forward slashes.

    Attributes:
        map: the soft localisation.
        mask: the mask, or None if there is none.
        instruments: instrument name -> its map, for those that have one.
    """

    map: str
    mask: str | None
    instruments: dict[str, str]


@dataclass(frozen=True, slots=True)
class Report:
    """What one examination found, with the arrays that the JSON object only points to.

    Attributes:
        picture: the opened picture: its facts, its bytes and its pixels.
        verdict: the decision.
        probability: class name -> calibrated probability, one for each of `CLASSES`; sums to 1.
        interval: (low, high) of 1 - probability["authentic"].
        mask: (H, W) bool in the image frame, True = altered; None unless tampered.
        map: (H, W) float32 in the image frame, 0 (untouched) to 1 (altered).
        manipulation: kind of manipulation, or None if none is named.
        measurements: what the instruments read, with their maps.
        findings: the claims of the rationale held against the measurements.
        rationale: the model's words, citing findings as [F1].
        withheld: number of sentences that were not shown.
        stability: what mild transforms do: [{"transform", "probability", "verdict"}].
        metadata: what the file says about itself, plain JSON.
        model: {"name", "version", "sha256", "calibration"}.
        prior: base rate of manipulated pictures that the probability is stated for.
        operating_point: threshold on 1 - probability["authentic"] at which the verdict turns,
            stated for `prior` like the probability.
        validation: what the model reached on what, with n.
        run: time (UTC, ISO 8601), dtype, versions, settings.
        custody: what happened to the file, in order.
        limits: what this report cannot tell, one sentence each.
        seconds: stage -> wall time.
        review: a person's decision on this report, or None.
    """

    picture: Picture
    verdict: Verdict
    probability: dict[str, float]
    interval: tuple[float, float]
    mask: NDArray[np.bool_] | None
    map: NDArray[np.float32]
    manipulation: str | None
    measurements: tuple[Measurement, ...]
    findings: tuple[Finding, ...]
    rationale: str
    withheld: int
    stability: list[dict[str, Any]]
    metadata: dict[str, Any]
    model: dict[str, Any]
    prior: float
    operating_point: float
    validation: dict[str, Any]
    run: dict[str, Any]
    custody: list[dict[str, Any]]
    limits: tuple[str, ...]
    seconds: dict[str, float]
    review: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        """Refuse arrays that do not lie on the picture, and a mask that the verdict denies."""
        frame = (self.picture.height, self.picture.width)
        for name, array in (("mask", self.mask), ("map", self.map)):
            if array is not None and array.shape != frame:
                raise ValueError(f"{name} must have the picture's shape {frame}, got {array.shape}")
        if self.mask is not None and self.verdict is not Verdict.TAMPERED:
            raise ValueError(f"a mask says tampered, but the verdict is {self.verdict}")

    @property
    def where(self) -> str | None:
        """The ninth of the picture that holds most of the mask, or None without a mask."""
        if self.mask is None or not self.mask.any():
            return None
        return place_of_mask(self.mask)

    def as_json(self, paths: ReportPaths) -> dict[str, Any]:
        """Return the object of `morelli.report/1`, keys in the order of the schema.

        `mask.area` is the share of the picture's pixels that the mask covers, 0 to 1.
        """
        mask = None
        if self.mask is not None:
            mask = {"path": paths.mask, "area": round(float(self.mask.mean()), 6)}
        return {
            "schema": SCHEMA,
            "image": self._image_facts(),
            "verdict": self.verdict.value,
            "probability": {name.value: self.probability[name] for name in CLASSES},
            "interval": list(self.interval),
            "mask": mask,
            "map": {"path": paths.map},
            "manipulation": self.manipulation,
            "measurements": [
                item.as_json(paths.instruments.get(item.instrument)) for item in self.measurements
            ],
            "findings": [finding.as_json() for finding in self.findings],
            "rationale": self.rationale,
            "withheld": self.withheld,
            "stability": self.stability,
            "metadata": self.metadata,
            "model": self.model,
            "prior": self.prior,
            "operating_point": self.operating_point,
            "validation": self.validation,
            "run": self.run,
            "custody": self.custody,
            "review": self.review,
            "limits": list(self.limits),
            "seconds": self.seconds,
        }

    def _image_facts(self) -> dict[str, Any]:
        picture = self.picture
        return {
            "path": picture.path,
            "sha256": picture.sha256,
            "bytes": len(picture.data),
            "format": picture.format,
            "width": picture.width,
            "height": picture.height,
        }


@dataclass(frozen=True, slots=True)
class ErrorReport:
    """What is written for a file that could not be examined.

    Attributes:
        image: its path as given.
        code: a word that a program can read ("too_small"); "internal" for our own failures.
        message: one line that names the file, what is wrong and what would be right.
    """

    image: str
    code: str
    message: str

    def as_json(self) -> dict[str, Any]:
        """Return the error object of `morelli.report/1`."""
        return {
            "schema": SCHEMA,
            "image": {"path": self.image},
            "error": {"code": self.code, "message": self.message},
        }


def to_line(record: dict[str, Any]) -> str:
    """Return the record as one line of JSON, keys in the order of the schema, without newline.

    Raises:
        ValueError: a number is not finite.
    """
    return json.dumps(record, allow_nan=False)


def canonical(record: dict[str, Any]) -> str:
    """Return the text by which two reports are compared or signed: sorted, compact, no times.

    Two examinations of the same bytes by the same checkpoint on the same machine give the same
    text. Left out are `run.time`, `seconds` and the `time` of every entry of `custody`.

    Raises:
        ValueError: a number is not finite.
    """
    kept = {key: value for key, value in record.items() if key != "seconds"}
    if "run" in kept:
        kept["run"] = _without_time(kept["run"])
    if "custody" in kept:
        kept["custody"] = [_without_time(entry) for entry in kept["custody"]]
    return json.dumps(kept, allow_nan=False, sort_keys=True, separators=(",", ":"))


def validate(record: dict[str, Any]) -> None:
    """Check a record of `reports.jsonl`, a report or an error object, against the schema.

    Raises:
        ReportError: the first field that is missing, of the wrong type, out of range, or at odds
            with another one.
    """
    root = _Field(record, "")
    root.get("schema").choice((SCHEMA,))
    root.get("image").get("path").text()
    if "error" in record:
        root.get("error").get("code").text()
        root.get("error").get("message").text()
        return
    _check_image(root.get("image"))
    _check_decision(root)
    _check_localisation(root)
    for measurement in root.get("measurements").items():
        _check_reading(measurement)
        measurement.get("map").text_or_null()
    _check_findings(root)
    _check_circumstances(root)


def _without_time(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key != "time"}


@dataclass(frozen=True, slots=True)
class _Field:
    """A value of a record and the path at which it stands, so that a complaint names its place."""

    value: Any
    path: str

    def error(self, expected: str) -> ReportError:
        return ReportError(self.path, f"must be {expected}, got {str(self.value)[:80]!r}")

    def get(self, key: str) -> "_Field":
        path = f"{self.path}.{key}" if self.path else key
        if not isinstance(self.value, dict):
            raise self.error("an object")
        if key not in self.value:
            raise ReportError(path, "is missing")
        return _Field(self.value[key], path)

    def items(self) -> "Iterator[_Field]":
        if not isinstance(self.value, list):
            raise self.error("a list")
        for index, value in enumerate(self.value):
            yield _Field(value, f"{self.path}[{index}]")

    def text(self) -> str:
        if not isinstance(self.value, str):
            raise self.error("text")
        return self.value

    def text_or_null(self) -> None:
        if self.value is not None:
            self.text()

    def choice(self, names: tuple[str, ...]) -> str:
        if self.value not in names:
            raise self.error(f"one of {', '.join(names)}")
        return str(self.value)

    def number(self, low: float = -math.inf, high: float = math.inf) -> float:
        is_number = isinstance(self.value, (int, float)) and not isinstance(self.value, bool)
        if not is_number or not math.isfinite(self.value) or not low <= self.value <= high:
            raise self.error(f"a finite number from {low:g} to {high:g}")
        return float(self.value)

    def whole(self, low: int = 0) -> int:
        if not isinstance(self.value, int) or isinstance(self.value, bool) or self.value < low:
            raise self.error(f"a whole number of at least {low}")
        return self.value

    def ordered_pair(self, low: float = -math.inf, high: float = math.inf) -> None:
        ends = [item.number(low, high) for item in self.items()]
        if len(ends) != 2 or ends[0] > ends[1]:
            raise self.error("[low, high] with low <= high")

    def object(self) -> dict[str, Any]:
        if not isinstance(self.value, dict):
            raise self.error("an object")
        return self.value


def _check_image(image: _Field) -> None:
    if not re.fullmatch(r"[0-9a-f]{64}", image.get("sha256").text()):
        raise image.get("sha256").error("64 hexadecimal digits")
    image.get("format").text()
    for name in ("bytes", "width", "height"):
        image.get(name).whole(1)


def _check_decision(root: _Field) -> None:
    root.get("verdict").choice(tuple(Verdict))
    probability = root.get("probability")
    total = sum(probability.get(name).number(0, 1) for name in CLASSES)
    if abs(total - 1) > 1e-6:
        raise probability.error(f"a distribution that sums to 1, not {total:.8f}")
    root.get("interval").ordered_pair(0, 1)
    root.get("prior").number(0, 1)
    root.get("operating_point").number(0, 1)


def _check_localisation(root: _Field) -> None:
    root.get("map").get("path").text()
    mask = root.get("mask")
    if mask.value is not None:
        if root.get("verdict").value != Verdict.TAMPERED:
            raise mask.error("null unless the verdict is tampered")
        mask.get("path").text()
        mask.get("area").number(0, 1)
    root.get("manipulation").text_or_null()


def _check_reading(item: _Field) -> None:
    """Check what a measurement and a finding have in common."""
    for name in ("instrument", "unit", "statement"):
        item.get(name).text()
    if item.get("value").value is not None:
        item.get("value").number()
    item.get("expected").ordered_pair()
    item.get("reliability").number(0, 1)


def _check_findings(root: _Field) -> None:
    instruments = {item.get("instrument").text() for item in root.get("measurements").items()}
    ids: list[str] = []
    for finding in root.get("findings").items():
        ids.append(finding.get("id").text())
        _check_reading(finding)
        finding.get("instrument").choice(tuple(sorted(instruments)))
        finding.get("polarity").choice(tuple(Polarity))
        finding.get("status").choice(tuple(Status))
        _check_box(finding.get("box"), root.get("image"))
    if len(set(ids)) != len(ids):
        raise ReportError("findings", f"must have ids of their own, got {ids}")
    for cited in CITATION.findall(root.get("rationale").text()):
        if cited not in ids:
            raise ReportError("rationale", f"cites [{cited}], but the findings are {ids}")


def _check_box(box: _Field, image: _Field) -> None:
    if box.value is None:
        return
    corners = [corner.whole() for corner in box.items()]
    width, height = image.get("width").whole(), image.get("height").whole()
    inside = len(corners) == 4 and (
        corners[0] < corners[2] <= width and corners[1] < corners[3] <= height
    )
    if not inside:
        raise box.error(f"[x0, y0, x1, y1] inside a picture of {width} x {height}")


def _check_circumstances(root: _Field) -> None:
    """Check what surrounds the decision: who examined it, how, with what, and what limits it."""
    root.get("withheld").whole()
    for entry in root.get("stability").items():
        entry.get("transform").text()
        entry.get("probability").number(0, 1)
        entry.get("verdict").choice(tuple(Verdict))
    for name in ("name", "version", "sha256", "calibration"):
        root.get("model").get(name)
    for name in ("metadata", "validation", "run"):
        root.get(name).object()
    for entry in root.get("custody").items():
        entry.object()
    for limit in root.get("limits").items():
        limit.text()
    for seconds in root.get("seconds").object().values():
        _Field(seconds, "seconds").number(0)
    if root.get("review").value is not None:
        root.get("review").object()
