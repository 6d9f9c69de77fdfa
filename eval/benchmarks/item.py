"""What a reader of a benchmark yields, and what is checked of every one of them."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from morelli.data_pipeline.images import ImageError, read_mask
from morelli.data_pipeline.schema import ForensicSample, Verdict

PICTURES = frozenset(
    {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp", ".gif", ".avif", ".heic"}
)
"""Endings of the files that are taken for pictures."""

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
    """

    set: str
    sample: ForensicSample
    place: str
    draw: Draw | None = None

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
        if not sample.image.is_file():
            raise ValueError(f"{item.place}: picture {sample.image} does not exist")
        if sample.mask is not None and not sample.mask.is_file():
            raise ValueError(f"{item.place}: mask {sample.mask} does not exist")
        yield item


def pictures_in(folder: Path) -> list[Path]:
    """Return the picture files of a folder by name.

    Raises:
        ValueError: the folder does not exist.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder} does not exist; see `morelli eval NAME --layout`")
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES)


def mask_beside(folder: Path, stem: str, *endings: str) -> Path:
    """Return the file of a folder that is called a stem and one of some endings.

    Raises:
        ValueError: there is none.
    """
    for ending in endings:
        path = folder / f"{stem}{ending}"
        if path.is_file():
            return path
    raise ValueError(f"{folder} has no mask {' or '.join(stem + ending for ending in endings)}")


def item_of(
    name: str,
    root: Path,
    image: Path,
    verdict: Verdict,
    mask: Path | None = None,
    kind: str | None = None,
    part: str | None = None,
) -> Item:
    """Return the item of a picture whose label is the folder that it lies in.

    Args:
        name: of the benchmark.
        root: its folder, which ids are relative to.
        image: the picture.
        verdict: its label.
        mask: its true mask.
        kind: of manipulation.
        part: of the set; the set itself if None.
    """
    place = image.relative_to(root).as_posix()
    sample = ForensicSample(
        id=place, image=image, verdict=verdict, mask=mask, kind=kind, source=part or name
    )
    return Item(name, sample, str(image))
