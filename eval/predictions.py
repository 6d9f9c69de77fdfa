"""`predictions.jsonl`: a line for each picture and version, and all that scores are computed from.

A line holds {"set", "id", "version", "label", "kind", "source", "image", "mask", "checkpoint"} and
what a system said: {"verdict", "probability", "interval", "maps": {method: file}, "answer",
"table_reader", "reference", "seconds", "quality", "megapixels", "photograph", "questions"}; both
answers are {"rationale", "withheld", "findings"}, as reports have them. Whoever gives no verdict,
probability, interval, map or words leaves that out or says null, and is not scored for it. Files
are relative to the folder of the predictions, except for those of the benchmark itself.
"""

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from sys import intern
from typing import Any

from morelli.data_pipeline.schema import CLASSES, Verdict
from morelli.eval.claims import Words
from morelli.eval.located_lines import located_lines
from morelli.eval.questions import Question

FILE = "predictions.jsonl"
MODEL = "model"
"""The method whose map is the system's own; others in `maps` are baselines."""

AS_IS = "as is"
"""The version of a picture that nothing was done to."""


_ROUNDING = 1e-9
_NOWHERE = Path()


@dataclass(frozen=True, slots=True)
class Prediction:
    """One line, checked.

    Attributes:
        place: file and line, for complaints.
        set: the set that it is scored with.
        id: unique in its set and version.
        version: what was done to the picture first.
        label: what is true.
        kind: how the picture was manipulated, None if not or unknown.
        source: part of the set that it belongs to.
        image: the picture as published.
        mask: the true mask at the size of the maps, None if unknown or nothing is altered.
        checkpoint: the identity of the system.
        verdict: what was said, None if the system gives no verdict.
        probability: of each of `CLASSES`, in their order, or None.
        interval: of 1 - p(authentic), or None.
        maps: method -> file of its 8-bit map.
        answer: what was said, or None.
        table_reader: what the plain table-reader says of the same readings, or None.
        reference: the words that a reference answer says, or None.
        seconds: stage -> wall time.
        quality: at which the file that was looked at was saved as JPEG, None if it is none.
        megapixels: of that file, None if the line does not say.
        photograph: what the picture was made of, None if that is not known.
        questions: what the benchmark asks about it.
    """

    place: str
    set: str
    id: str
    version: str
    label: Verdict
    kind: str | None
    source: str
    image: Path
    mask: Path | None
    checkpoint: str
    verdict: Verdict | None
    probability: tuple[float, ...] | None
    interval: tuple[float, float] | None
    maps: Mapping[str, Path]
    answer: Words | None = None
    table_reader: Words | None = None
    reference: str | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    quality: int | None = None
    megapixels: float | None = None
    photograph: str | None = None
    questions: tuple[Question, ...] = ()

    def without_files(self) -> "Prediction":
        """Return what figures need of it; what many lines have in common is kept once."""
        return replace(
            self, set=intern(self.set), version=intern(self.version), source=intern(self.source),
            checkpoint=intern(self.checkpoint), kind=self.kind and intern(self.kind),
            image=_NOWHERE, mask=None, maps={}, seconds={}, answer=None, table_reader=None,
        )  # fmt: skip

    @property
    def key(self) -> tuple[str, str, str]:
        """Unique in a file."""
        return (self.set, self.id, self.version)

    @property
    def said(self) -> Verdict | None:
        """The verdict; of a system that gives only probabilities, its likeliest class."""
        if self.verdict is None and self.probability is not None:
            return CLASSES[self.probability.index(max(self.probability))]
        return self.verdict


def read_predictions(path: Path) -> Iterator[Prediction]:
    """Yield the lines of a file, one at a time.

    Raises:
        OSError: it cannot be read.
        ValueError: a line that is no JSON, lacks a field, has an unknown label, a probability
            that is none, or is there twice; the message says which line.
    """
    seen: set[tuple[str, str, str]] = set()
    for place, one in _lines(path):
        if one.key in seen:
            name = " / ".join(one.key)
            raise ValueError(f"{place}: {name} is there twice; remove one line")
        seen.add(one.key)
        yield one


def lines_at(path: Path, places: Collection[str]) -> dict[str, Prediction]:
    """Return some lines of a file that was read before, by their `place`.

    Raises:
        OSError, ValueError: as `read_predictions`.
    """
    return {place: one for place, one in _lines(path) if place in places}


def _lines(path: Path) -> Iterator[tuple[str, Prediction]]:
    folder = path.parent
    return located_lines(path, lambda row, place: _prediction(row, folder, place))


def _prediction(row: Mapping[str, Any], folder: Path, place: str) -> Prediction:
    return Prediction(
        place=place,
        set=row["set"],
        id=row["id"],
        version=row["version"],
        label=_label(row["label"]),
        kind=row.get("kind"),
        source=row.get("source") or row["set"],
        image=Path(row["image"]),
        mask=None if row["mask"] is None else folder / row["mask"],
        checkpoint=row["checkpoint"],
        verdict=None if row.get("verdict") is None else Verdict(row["verdict"]),
        probability=_probability(row.get("probability")),
        interval=_interval(row.get("interval")),
        maps={method: folder / name for method, name in row["maps"].items()},
        answer=_words(row.get("answer")),
        table_reader=_words(row.get("table_reader")),
        reference=row.get("reference"),
        seconds=row.get("seconds") or {},
        quality=row.get("quality"),
        megapixels=row.get("megapixels"),
        photograph=row.get("photograph"),
        questions=tuple(map(Question.from_json, row.get("questions") or ())),
    )


def _label(text: str) -> Verdict:
    label = Verdict(text)
    if label not in CLASSES:
        raise ValueError(f"a picture cannot be labelled {label}")
    return label


def _probability(record: Any) -> tuple[float, ...] | None:
    if record is None:
        return None
    values = tuple(float(record[name]) for name in CLASSES)
    # one less a sum may come out a rounding error below 0
    if min(values) < -_ROUNDING or not math.isclose(sum(values), 1, abs_tol=1e-3):
        raise ValueError(f"probability must be of at least 0 each and sum to 1, got {values}")
    return values


def _interval(record: Any) -> tuple[float, float] | None:
    if record is None:
        return None
    low, high = map(float, record)
    if not 0 <= low <= high <= 1:
        raise ValueError(f"interval must be [low, high] in 0 to 1, got {record}")
    return low, high


def _words(record: Any) -> Words | None:
    return None if record is None else Words.from_json(record)
