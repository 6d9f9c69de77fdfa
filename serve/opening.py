"""Who opens the files that are given: child processes, or this one where files are trusted."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from morelli.data_pipeline.decoder import Decoder
from morelli.data_pipeline.images import Limits, Picture, picture_from_bytes
from morelli.data_pipeline.instruments import measure
from morelli.data_pipeline.schema import Measurement

OpenPicture = Callable[[bytes, str, Limits], Picture]
"""Decodes a file, as `images.picture_from_bytes` does: bytes, name, limits -> picture."""


@dataclass(frozen=True, slots=True)
class Opener:
    """Two functions that touch the bytes of a file.

    Attributes:
        open: as `images.picture_from_bytes`.
        measure: as `instruments.measure`.
    """

    open: OpenPicture
    measure: Callable[[Picture], tuple[Measurement, ...]]


OPENED_AT_A_TIME = 2
"""Files that the page or the API opens or measures at a time."""

HERE = Opener(picture_from_bytes, measure)
"""Opens files in this process."""


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0))


@contextmanager
def opener(trusted: bool, count: int) -> Iterator[Opener]:
    """Give what opens files, for as long as the block lasts.

    Args:
        trusted: open them in this process.
        count: how many are opened or measured at a time; they share the cores.
    """
    if trusted:
        yield HERE
        return
    with Decoder(count, threads=max(1, cores() // count)) as decoder:
        yield Opener(decoder.open, decoder.measure)
