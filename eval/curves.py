"""F1 curves of many maps, kept in a file: scores need all of a set, memory has room for few.

A curve is a kilobyte. Which threshold serves a set best is known only when all of its maps were
read, so each curve is written down once, and read back some at a time.
"""

import os
import tempfile
import threading
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from morelli.eval.pixel_metrics import LEVELS

_BYTES = 4 * LEVELS
_AT_A_TIME = 1_000

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Curve:
    """Where a (256,) float32 curve is kept."""

    curves: "Curves"
    row: int

    def read(self) -> NDArray[np.float32]:
        """Return it."""
        return self.curves.read(self.row)


class Curves:
    """A nameless temporary file, gone with the last of its curves; threads may share it."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as a curve is needed
        weakref.finalize(self, self._file.close)
        self._adding, self._count = threading.Lock(), 0

    def add(self, curve: Values) -> Curve:
        """Write a (256,) curve down.

        Raises:
            OSError: the disk is full.
        """
        with self._adding:
            row, self._count = self._count, self._count + 1
        os.pwrite(self._file.fileno(), curve.astype(np.float32).tobytes(), row * _BYTES)
        return Curve(self, row)

    def read(self, row: int) -> NDArray[np.float32]:
        """Return the curve of a row."""
        return np.frombuffer(os.pread(self._file.fileno(), _BYTES, row * _BYTES), np.float32)


def mean_curve(curves: Sequence[Curve]) -> Values:
    """Return the (256,) mean of at least one curve."""
    total = np.zeros(LEVELS)
    for some in _some(curves):
        total += some.sum(0)
    return total / len(curves)


def at_levels(curves: Sequence[Curve], levels: NDArray[np.intp] | int) -> Values:
    """Return the (n,) value of each curve at its level, or at one level for all."""
    chosen = np.broadcast_to(np.asarray(levels), (len(curves),))
    found, start = np.empty(len(curves)), 0
    for some in _some(curves):
        end = start + len(some)
        found[start:end] = some[np.arange(len(some)), chosen[start:end]]
        start = end
    return found


def highest(curves: Sequence[Curve]) -> Values:
    """Return the (n,) highest value of each curve."""
    return np.concatenate([some.max(1) for some in _some(curves)])


def _some(curves: Sequence[Curve]) -> Iterator[Values]:
    for start in range(0, len(curves), _AT_A_TIME):
        yield np.array([one.read() for one in curves[start : start + _AT_A_TIME]], np.float64)
