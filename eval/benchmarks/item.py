"""What a reader of a benchmark yields, and what is checked of every one of them."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from morelli.data_pipeline.images import ImageError, read_mask
from morelli.data_pipeline.packed import is_there
from morelli.data_pipeline.schema import ForensicSample
from morelli.eval.questions import Question

Draw: TypeAlias = Callable[[int, int], NDArray[np.bool_]]
"""(height, width) of the picture to its true mask, where it is published otherwise than as a
picture in which bright means altered."""


@dataclass(frozen=True, slots=True)
class Item:
    """One labelled picture of a benchmark.

    Attributes:
        set: the set that it is scored with.
        sample: the picture and its truth; `sample.id` is unique in its set, `sample.source` a
            part of the set, `sample.answer` the reference words.
        place: where its label was read, file and line if there is one, for complaints.
        draw: makes the true mask, None if `sample.mask` is read as it is.
        photograph: what the picture was made of, None if that is not known.
        questions: what its benchmark asks about it, first of all pictures.
    """

    set: str
    sample: ForensicSample
    place: str
    draw: Draw | None = None
    photograph: str | None = None
    questions: tuple[Question, ...] = ()

    def true_mask(self, height: int, width: int) -> NDArray[np.bool_] | None:
        """Return the (height, width) true mask, None if there is none.

        Raises:
            ValueError: it is missing, of another size or no picture; the message has the place.
        """
        try:
            if self.draw is not None:
                return self.draw(height, width)
            if self.sample.mask is None:
                return None
            return read_mask(self.sample.mask, height, width)
        except (ImageError, ValueError) as error:
            raise ValueError(f"{self.place}: {error}") from None


def checked(items: Iterable[Item]) -> Iterator[Item]:
    """Yield items whose files exist and whose ids differ.

    Raises:
        ValueError: one that does not, with its place.
    """
    seen: set[tuple[str, str]] = set()
    for item in items:
        sample = item.sample
        if (item.set, sample.id) in seen:
            raise ValueError(f"{item.place}: {sample.id} is there twice; ids must differ")
        seen.add((item.set, sample.id))
        if not is_there(sample.image):
            raise ValueError(f"{item.place}: picture {sample.image} does not exist")
        if sample.mask is not None and not is_there(sample.mask):
            raise ValueError(f"{item.place}: mask {sample.mask} does not exist")
        yield item
