"""One's own labelled pictures: checked before anything is trained, split by source, and taught."""

import hashlib
import itertools
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from morelli.data_pipeline.answer import VERDICT_STEM, AnswerError, parse
from morelli.data_pipeline.images import ImageError, open_picture, read_mask
from morelli.data_pipeline.manifest import ManifestError, Row, row_of
from morelli.data_pipeline.schema import ForensicSample, Verdict
from morelli.model.processing import ForgeryProcessor
from morelli.training.cases import Cases
from morelli.training.conversations import collate, converse

_LOG = logging.getLogger(__name__)
_MOST_SHOWN = 20


class DataError(ValueError):
    """Rows that cannot be trained on; one problem a line, each opening with file and line."""


@dataclass(frozen=True)
class Parts:
    """A manifest's samples, cut so that no source is in two parts.

    Attributes:
        train: to learn from.
        validation: to choose the best checkpoint and to calibrate by.
        test: to compare before and after by.
    """

    train: tuple[ForensicSample, ...]
    validation: tuple[ForensicSample, ...]
    test: tuple[ForensicSample, ...]


def read_samples(manifest: Path) -> tuple[ForensicSample, ...]:
    """Read a manifest and check every row: its picture, its mask, its answer and its name.

    Raises:
        DataError: names the rows that cannot be trained on, the first twenty of them.
        OSError: the manifest cannot be read.
    """
    samples: list[ForensicSample] = []
    problems: list[str] = []
    names: dict[str, int] = {}
    for number, line in enumerate(manifest.read_bytes().splitlines(), start=1):
        if not line.strip():
            continue
        where = f"{manifest}:{number}"
        try:
            sample = _sample_of(row_of(line, where, manifest.parent))
            problem = _problem_of(sample)
            if sample.id in names:
                problem = f"id {sample.id!r} is that of line {names[sample.id]} too"
        except ManifestError as error:
            problems.append(str(error))
            continue
        if problem:
            problems.append(f"{where}: {problem}")
        names.setdefault(sample.id, number)
        samples.append(sample)
    if problems or not samples:
        raise DataError(_listed(problems) or f"{manifest}: there is no sample in it")
    return tuple(samples)


def _listed(problems: Sequence[str]) -> str:
    more = len(problems) - _MOST_SHOWN
    rest = [f"and {more} more"] if more > 0 else []
    return "\n".join([*problems[:_MOST_SHOWN], *rest])


def _sample_of(row: Row) -> ForensicSample:
    """Return a row's sample; the first answer of its conversation stands in for a missing one.

    Other people's conversations are not in the answer grammar: nothing that they say can be held
    against a measurement, so that their labels and masks are taught, and their words are not.
    """
    sample = row.sample
    said = next((turn.text for turn in row.conversation if turn.role == "assistant"), None)
    if sample.answer is not None or said is None:
        return sample
    if not said.startswith(VERDICT_STEM):
        _LOG.warning(
            "%s: its answer is not in the answer grammar; label and mask are taught, its words are"
            " not (morelli data annotate writes some that are)",
            sample.id,
        )
        return sample
    return replace(sample, answer=said)


def _problem_of(sample: ForensicSample) -> str | None:
    try:
        picture = open_picture(sample.image)
        if sample.mask is not None:
            altered = bool(read_mask(sample.mask, picture.height, picture.width).any())
            if altered is not (sample.verdict is Verdict.TAMPERED):
                state = "has altered pixels" if altered else "is empty"
                return f"{sample.mask} {state}, but the picture is labelled {sample.verdict}"
        if sample.answer is not None:
            answer = parse(sample.answer)
            if answer.withheld:
                return f"{answer.withheld} lines of its answer break the answer grammar"
            if answer.verdict not in (sample.verdict, Verdict.INCONCLUSIVE):
                return f"its answer says {answer.verdict}, but it is labelled {sample.verdict}"
    except (ImageError, AnswerError, ValueError, OSError) as error:
        return str(error)
    return None


def split(samples: Sequence[ForensicSample], validation: float, test: float) -> Parts:
    """Cut samples into parts by their source, or their name where they have none.

    Which part a source goes to hangs on its name and on the other sources, not on their order.

    Args:
        samples: of a manifest.
        validation: share of the samples, about.
        test: likewise.

    Raises:
        DataError: there are fewer than three sources, or a part would be empty.
    """
    groups: dict[str, list[ForensicSample]] = {}
    for sample in samples:
        groups.setdefault(sample.source or sample.id, []).append(sample)
    order = sorted(groups, key=lambda name: hashlib.sha256(f"split:{name}".encode()).digest())
    parts: list[list[ForensicSample]] = [[], [], []]
    wanted = (test * len(samples), validation * len(samples))
    for name in order:
        full = [len(part) >= max(1, round(want)) for part, want in zip(parts, wanted, strict=False)]
        parts[0 if not full[0] else 1 if not full[1] else 2].extend(groups[name])
    held_test, held_validation, train = map(tuple, parts)
    if not (held_test and held_validation and train):
        raise DataError(
            f"{len(groups)} sources cannot be split into training, validation and test, which "
            "share none; give rows of one origin the same `source`, and others their own"
        )
    return Parts(train, held_validation, held_test)


class Numbers(IterableDataset[int]):
    """Numbers of samples, endless or up to a count; making the samples is left to the collator.

    So a process that takes every second batch does not make those of the others.
    """

    def __init__(self, first: int = 0, count: int | None = None) -> None:
        """Count.

        Args:
            first: number.
            count: of the numbers; None never ends.
        """
        super().__init__()
        self.first = first
        self.count = count

    def __iter__(self) -> Iterator[int]:
        """Give numbers; workers interleave them."""
        worker = get_worker_info()
        start, step = (worker.id, worker.num_workers) if worker else (0, 1)
        endless = itertools.count(self.first + start, step)
        if self.count is None:
            return endless
        last = self.first + self.count
        return itertools.takewhile(lambda number: number < last, endless)


@dataclass(frozen=True)
class Lessons:
    """Turns numbers into a batch of conversations: epoch after epoch, each in its own order.

    Attributes:
        train: cases to learn from.
        validation: cases that negative numbers stand for: -1 is the first.
        processor: of the model that learns.
        seed: of the order and of every draw.
        readings_dropped: chance that maps are blanked and readings left out while learning.
        inconclusive: chance that the teacher's answer opens with "inconclusive" while learning.
    """

    train: Cases
    validation: Cases
    processor: ForgeryProcessor
    seed: int
    readings_dropped: float
    inconclusive: float

    def __call__(self, numbers: list[int]) -> dict[str, Any]:
        """Return a batch."""
        return collate([self._lesson(number) for number in numbers])

    def _lesson(self, number: int) -> dict[str, Tensor]:
        if number < 0:
            rng = np.random.default_rng([self.seed, -number, 4])
            return converse(self.validation[-1 - number], self.processor, rng)
        epoch, position = divmod(number, len(self.train))
        order = np.random.default_rng([self.seed, epoch, 5]).permutation(len(self.train))
        rng = np.random.default_rng([self.seed, number, 2])
        case = self.train[int(order[position])]
        return converse(case, self.processor, rng, self.readings_dropped, self.inconclusive)
