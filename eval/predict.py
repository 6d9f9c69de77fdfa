"""Looks at every picture of a benchmark once and writes down what was said.

First the maps and the words are written, then the line that names them, so a run that is killed
leaves nothing half-told, and one that is started again goes on where it stopped.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from morelli.data_pipeline.images import Picture, open_picture, write_map, write_mask
from morelli.data_pipeline.instruments.stored import saved_quality
from morelli.data_pipeline.schema import Told
from morelli.eval.attacks import Aim, Attack
from morelli.eval.baselines import BASELINES
from morelli.eval.benchmarks.item import Item
from morelli.eval.claims import answer_record
from morelli.eval.located_lines import cut_unfinished
from morelli.eval.looks import Explained, Located, Looks
from morelli.eval.pixel_metrics import to_levels
from morelli.eval.predictions import AS_IS, FILE, MODEL, read_predictions
from morelli.eval.table_reader import table_reader
from morelli.eval.told import READINGS, version_of_readings
from morelli.eval.transforms import Transform

TOGETHER = 8
"""Cases whose words are written together."""

_WAITING_PIXELS = 4_000_000
"""Of the pictures that wait for their words; more are not held in memory."""

Baselines = Mapping[str, Callable[[Picture], NDArray[np.float32]]]


@dataclass(frozen=True, slots=True)
class Case:
    """One picture to be looked at in one version.

    Attributes:
        item: the picture and its truth.
        change: what is done to it first, or None.
        readings: a key of `READINGS` if other readings are told than those of the picture.
        other: the file of another picture of its set; needed with `readings`.
    """

    item: Item
    change: Transform | Attack | None = None
    readings: str | None = None
    other: Path | None = None

    @property
    def version(self) -> str:
        """The version's name in tables."""
        if self.readings is not None:
            return version_of_readings(self.readings)
        return AS_IS if self.change is None else self.change.name

    @property
    def key(self) -> tuple[str, str, str]:
        """Unique in a run."""
        return (self.item.set, self.item.sample.id, self.version)

    @property
    def stem(self) -> str:
        """Name of its files."""
        return hashlib.sha256("\n".join(self.key).encode()).hexdigest()[:16]

    def open(self) -> tuple[Picture, NDArray[np.bool_] | None]:
        """Return the picture after a transform, or before an attack, and its (H, W) true mask.

        Raises:
            ImageError: the picture cannot be opened.
            ValueError: its mask cannot be used.
        """
        picture = open_picture(self.item.sample.image)
        mask = self.item.true_mask(picture.height, picture.width)
        if isinstance(self.change, Transform):
            picture, mask = self.change.apply(picture, mask)
        return picture, mask

    def aimed(self, examiner: Looks) -> Aim:
        """Return what is looked at by whom, after a transform or an attack.

        Raises:
            ImageError: the picture cannot be opened.
            ValueError: its mask cannot be used, or the examiner cannot be attacked.
        """
        picture, mask = self.open()
        aim = Aim(examiner, picture, self.item.sample.verdict, mask)
        return self.change.apply(aim) if isinstance(self.change, Attack) else aim

    def told(self, aim: Aim) -> Told | None:
        """Return what the language model is told in place of the readings, None for them.

        Raises:
            ImageError: the other picture cannot be opened.
        """
        if self.readings is None or self.other is None:
            return None
        return READINGS[self.readings](aim.picture, aim.mask, self.other)


def cases_of(
    items: Iterable[Item],
    changes: Sequence[Transform | Attack],
    readings: Sequence[str] = (),
) -> Iterator[Case]:
    """Yield each picture as it is, after each change, and with each kind of other readings.

    Raises:
        ValueError: readings are asked for, and a set has no second picture to take them from.
    """
    listed = list(items)
    others = _others(listed) if readings else {}
    for item in listed:
        for change in (None, *changes):
            yield Case(item, change)
        for name in readings:
            yield Case(item, readings=name, other=others[item.set, item.sample.id])


def _others(items: Sequence[Item]) -> dict[tuple[str, str], Path]:
    """Return for each picture the file of the next one of its set, by the hash of their ids."""
    sets: dict[str, list[Item]] = {}
    for item in sorted(items, key=lambda one: hashlib.sha256(one.sample.id.encode()).digest()):
        sets.setdefault(item.set, []).append(item)
    for name, some in sets.items():
        if len(some) < 2:
            raise ValueError(f"{name} has one picture; other readings need a second to come from")
    return {
        (item.set, item.sample.id): following.sample.image
        for some in sets.values()
        for item, following in zip(some, [*some[1:], some[0]], strict=True)
    }


def predict(
    examiner: Looks,
    checkpoint: str,
    cases: Sequence[Case],
    out: Path,
    words: bool = False,
    baselines: Baselines = BASELINES,
) -> Path:
    """Look at every case that has no line yet, and append its line to predictions.jsonl.

    Args:
        examiner: what is scored.
        checkpoint: its identity; a folder holds the predictions of one checkpoint only.
        cases: what to look at; keys must differ.
        out: made if missing.
        words: ask for reasons as well, which takes longer.
        baselines: name -> maker of a map, scored beside the examiner's.

    Returns:
        The path of predictions.jsonl.

    Raises:
        ImageError: a picture of a set cannot be opened.
        OSError: the folder cannot be written to.
        ValueError: the folder holds another checkpoint's predictions or a broken line, a mask
            does not fit its picture, or the examiner gives a map that is none.
    """
    for name in ("maps", "truth"):
        (out / name).mkdir(parents=True, exist_ok=True)
    path = out / FILE
    done = done_keys(path, checkpoint)
    left = [case for case in cases if case.key not in done]
    watch = _Watch(examiner, any(case.readings for case in left))
    waiting: list[_Seen] = []

    with path.open("a", encoding="utf-8") as file:

        def write() -> None:
            some, waiting[:] = waiting[:], []
            for line in _lines(some, checkpoint, out, words, baselines):
                file.write(json.dumps(line, allow_nan=False) + "\n")
                file.flush()

        bar = tqdm(left, unit="picture", desc="looking", disable=None, total=len(cases),
                   initial=len(cases) - len(left))  # fmt: skip
        try:
            for case in bar:
                waiting.append(watch.look(case))
                pixels = sum(one.picture.height * one.picture.width for one in waiting)
                if not words or len(waiting) == TOGETHER or pixels > _WAITING_PIXELS:
                    write()
        finally:
            # What was looked at before something went wrong is not lost.
            write()
    return path


def done_keys(path: Path, checkpoint: str) -> set[tuple[str, str, str]]:
    """Return the keys that have a line, after cutting off one that a killed run left unfinished.

    Raises:
        OSError: the file cannot be read or mended.
        ValueError: a broken line, or one of another checkpoint.
    """
    if not path.exists():
        return set()
    cut_unfinished(path)
    keys = set()
    for one in read_predictions(path):
        if one.checkpoint != checkpoint:
            raise ValueError(
                f"{one.place}: predictions of {one.checkpoint[:24]}, not of {checkpoint[:24]}; "
                f"give another --out"
            )
        keys.add(one.key)
    return keys


def facts_of(
    case: Case, checkpoint: str, mask: NDArray[np.bool_] | None, out: Path
) -> dict[str, Any]:
    """Return what a line tells of the picture and its truth, whoever looks at it.

    A mask that is published otherwise, or may have been moved, is written to out/truth.
    """
    sample = case.item.sample
    where = None
    if mask is not None:
        if case.item.draw is None and case.change is None and sample.mask is not None:
            where = str(sample.mask.absolute())
        else:
            where = f"truth/{case.stem}.png"
            write_mask(mask, out / where)
    return {
        "set": case.item.set,
        "id": sample.id,
        "version": case.version,
        "label": str(sample.verdict),
        "kind": sample.kind,
        "source": sample.source,
        "image": str(sample.image.absolute()),
        "mask": where,
        "checkpoint": checkpoint,
        "photograph": case.item.photograph,
        "questions": [question.as_json() for question in case.item.questions],
    }


@dataclass(frozen=True, slots=True)
class _Seen:
    """A case that was looked at and waits to be written down."""

    case: Case
    picture: Picture
    mask: NDArray[np.bool_] | None
    examiner: Looks
    look: Located
    told: Told | None


class _Watch:
    """Looks at one case after the other, and keeps what the next of the same picture needs too."""

    def __init__(self, examiner: Looks, sharing: bool) -> None:
        """Prepare.

        Args:
            examiner: what is scored.
            sharing: whether a picture is looked at more than once as it is, told other readings.
        """
        self._examiner, self._sharing = examiner, sharing
        self._of: tuple[str, str] | None = None
        self._kept: tuple[Aim, Any] | None = None

    def look(self, case: Case) -> _Seen:
        """Look at a case."""
        aim, sight = self._aimed(case)
        told = case.told(aim)
        look = aim.examiner.look(aim.picture, told, **({} if sight is None else {"sight": sight}))
        return _Seen(case, aim.picture, aim.mask, aim.examiner, look, told)

    def _aimed(self, case: Case) -> tuple[Aim, Any]:
        if case.change is not None or not self._sharing:
            return case.aimed(self._examiner), None
        if self._of != case.key[:2] or self._kept is None:
            aim = case.aimed(self._examiner)
            self._of, self._kept = case.key[:2], (aim, self._examiner.see(aim.picture))
        return self._kept


def _lines(
    seen: Sequence[_Seen], checkpoint: str, out: Path, words: bool, baselines: Baselines
) -> Iterator[dict[str, Any]]:
    """Let the words of some cases be written together, write their maps and yield their lines."""
    said: list[Explained | None] = [None] * len(seen)
    if words:
        # An attack may have put another examiner in the place of the one that is scored.
        for examiner in {id(one.examiner): one.examiner for one in seen}.values():
            own = [number for number, one in enumerate(seen) if one.examiner is examiner]
            explained = examiner.explain(
                [seen[one].picture for one in own], [seen[one].look for one in own]
            )
            for number, report in zip(own, explained, strict=True):
                said[number] = report
    for one, spoken in zip(seen, said, strict=True):
        # What is told changes no pixel: baselines would only be repeated.
        yield _line(one, spoken, checkpoint, out, baselines if one.case.readings is None else {})


def _line(
    seen: _Seen, said: Explained | None, checkpoint: str, out: Path, baselines: Baselines
) -> dict[str, Any]:
    """Write the maps of one case and return its line."""
    case, picture, look = seen.case, seen.picture, said or seen.look
    answer, plain = None, None
    if said is not None:
        answer = answer_record(said.rationale, said.withheld, said.findings)
        plain = table_reader(picture, said.measurements) if seen.told is None else None
    maps = {MODEL: look.map} | {name: make(picture) for name, make in baselines.items()}
    names = {}
    for method, heat in maps.items():
        if heat.shape != (picture.height, picture.width):
            raise ValueError(f"{case.item.place}: {method} gave a map of shape {heat.shape}")
        names[method] = f"maps/{case.stem}-{method.replace(' ', '-')}.png"
        write_map(to_levels(heat) / 255.0, out / names[method])
    return {
        **facts_of(case, checkpoint, seen.mask, out),
        "verdict": str(look.verdict),
        "probability": {str(name): float(value) for name, value in look.probability.items()},
        "interval": [float(end) for end in look.interval],
        "maps": names,
        "answer": answer,
        "table_reader": plain,
        "reference": case.item.sample.answer,
        "seconds": look.seconds,
        "quality": saved_quality(picture),
        "megapixels": picture.width * picture.height / 1e6,
    }
