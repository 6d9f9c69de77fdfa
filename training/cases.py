"""Labelled pictures, measured: made on the fly, or read from a manifest of one's own."""

from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morelli.data_pipeline.images import Picture, open_picture, picture_from_bytes, read_mask
from morelli.data_pipeline.instruments import measure
from morelli.data_pipeline.maker import Pool, make
from morelli.data_pipeline.schema import ForensicSample, Measurement, Verdict
from morelli.training.rewards.rollout import Truth

_KEPT = 64
"""Pictures that are kept in memory, since a trainer asks for one several times in a row."""


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One labelled picture and what the instruments read on it.

    Attributes:
        name: says which picture it is.
        pixels: (H, W, 3) uint8 sRGB in the image frame.
        measurements: of every instrument; maps are (H, W).
        truth: the verdict and the mask.
        kind: how it was altered, or None if that is not known or it was not.
        answer: a reference answer in the answer grammar, or None.
    """

    name: str
    pixels: NDArray[np.uint8]
    measurements: tuple[Measurement, ...]
    truth: Truth
    kind: str | None = None
    answer: str | None = None

    def __deepcopy__(self, memo: Any) -> "Case":
        """Return itself: nothing in it changes, and trainers copy their prompts."""
        return self


def case_of(
    picture: Picture,
    names: Collection[str],
    verdict: Verdict,
    mask: NDArray[np.bool_] | None,
    kind: str | None = None,
    answer: str | None = None,
) -> Case:
    """Measure a picture and join it with its truth.

    Args:
        picture: opened.
        names: instruments that read it, those that the model takes.
        verdict: of the picture.
        mask: (H, W), None if not known.
        kind: how it was altered.
        answer: a reference answer.
    """
    measurements = measure(picture, names)
    named = {measurement.instrument: measurement for measurement in measurements}
    truth = Truth(verdict, mask, named, picture.height, picture.width)
    return Case(str(picture.path), picture.pixels, measurements, truth, kind, answer)


def made_case(pool: Pool, seed: int, side: int, names: Collection[str]) -> Case:
    """Make one picture and measure it; the same arguments give the same case."""
    made = make(pool, seed, side=side)
    picture = picture_from_bytes(made.data, f"made-{seed}")
    return case_of(picture, names, made.verdict, made.mask, made.kind)


def sample_case(sample: ForensicSample, names: Collection[str]) -> Case:
    """Read and measure one sample of a manifest.

    An authentic or synthetic picture without a mask has no altered part; a tampered one without a
    mask has one that is not known.

    Raises:
        ImageError: the picture or its mask cannot be opened.
        ValueError: the mask has another size than the picture.
    """
    picture = open_picture(sample.image)
    mask = None
    if sample.mask is not None:
        mask = read_mask(sample.mask, picture.height, picture.width)
    elif sample.verdict is not Verdict.TAMPERED:
        mask = np.zeros((picture.height, picture.width), bool)
    return case_of(picture, names, sample.verdict, mask, sample.kind, sample.answer)


class Cases(Sequence[Case]):
    """Cases by index, each built when first asked for; the last few are kept."""

    def __init__(self, build: Callable[[int], Case], count: int) -> None:
        """Hold nothing yet.

        Args:
            build: gives the case of an index, the same each time.
            count: of the cases.
        """
        self._build = build
        self._count = count
        self._kept: OrderedDict[int, Case] = OrderedDict()

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> Any:
        if not isinstance(index, int) or not 0 <= index < self._count:
            raise IndexError(f"no case {index!r}; there are {self._count}")
        if index not in self._kept:
            self._kept[index] = self._build(index)
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(index)
        return self._kept[index]


def made_cases(pool: Pool, seeds: range, sides: Sequence[int], names: Collection[str]) -> Cases:
    """Return cases made from seeds, their sides in pixels drawn evenly from `sides`."""

    def build(index: int) -> Case:
        side = int(np.random.default_rng([seeds[index], 3]).choice(sides))
        return made_case(pool, seeds[index], side, names)

    return Cases(build, len(seeds))


def sample_cases(samples: Sequence[ForensicSample], names: Collection[str]) -> Cases:
    """Return the cases of a manifest's samples, in order."""
    return Cases(lambda index: sample_case(samples[index], names), len(samples))
