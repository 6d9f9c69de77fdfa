"""How probabilities hold on files of one JPEG quality or one size, in bins large enough to tell.

A calibration that holds on the whole set may still be wrong on all small or all badly compressed
pictures. Many pictures made of one photograph say little more than one, so what a bin must have
enough of is source photographs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morelli.eval.estimates import estimates, mean_of
from morelli.eval.verdict_metrics import Verdicts

FEWEST_PHOTOGRAPHS = 50


@dataclass(frozen=True, slots=True)
class Binning:
    """How values are put into bins.

    Attributes:
        edges: where a bin begins, ascending; the first one has no lower end.
        names: of the bins, one more than edges.
        unit: printed before the name.
    """

    edges: tuple[float, ...]
    names: tuple[str, ...]
    unit: str

    def place(self, values: Sequence[float]) -> NDArray[np.intp]:
        """Return the (n,) index of each value's bin."""
        return np.searchsorted(np.asarray(self.edges), np.asarray(values, float), side="right")

    def name(self, first: int, last: int) -> str:
        """Return the name of the bins from one to another."""
        if first == last:
            return f"{self.unit} {self.names[first]}"
        return f"{self.unit} from {self.names[first]} up to {self.names[last]}"


LOSSLESS = 101.0
"""Stands for the quality of a file that is no JPEG."""

QUALITY = Binning(
    (60, 75, 85, 95, LOSSLESS), ("below 60", "60 to 74", "75 to 84", "85 to 94", "95 to 100",
    "of no JPEG"), "quality",
)  # fmt: skip
MEGAPIXELS = Binning(
    (0.3, 1, 3, 12), ("below 0.3", "0.3 to 1", "1 to 3", "3 to 12", "12 and more"), "megapixels"
)


def merged_bins(
    bins: NDArray[np.intp], photographs: Sequence[str], fewest: int = FEWEST_PHOTOGRAPHS
) -> list[tuple[int, int]]:
    """Join neighbouring bins until each has enough source photographs, or there is one left.

    The smallest bin is joined with the smaller one of its neighbours, again and again.

    Args:
        bins: (n,) ordered index of each picture's bin.
        photographs: (n,) what each picture was made of.
        fewest: number of different photographs that a bin must have.

    Returns:
        (first, last) index of each joined bin, in order; empty without pictures.
    """
    members = {
        number: {photographs[one] for one in np.flatnonzero(bins == number).tolist()}
        for number in np.unique(bins)
    }
    joined = [(int(number), int(number), held) for number, held in members.items()]
    while len(joined) > 1:
        sizes = [len(held) for _, _, held in joined]
        least = int(np.argmin(sizes))
        if sizes[least] >= fewest:
            break
        beside = [one for one in (least - 1, least + 1) if 0 <= one < len(joined)]
        other = min(beside, key=lambda one: sizes[one])
        left, right = sorted((least, other))
        joined[left : right + 1] = [
            (joined[left][0], joined[right][1], joined[left][2] | joined[right][2])
        ]
    return [(first, last) for first, last, _ in joined]


def reliability_by(
    verdicts: Verdicts,
    values: Sequence[float],
    photographs: Sequence[str],
    binning: Binning,
    fewest: int = FEWEST_PHOTOGRAPHS,
) -> dict[str, dict[str, Any]]:
    """Return the calibration of each bin that is left after joining those that say too little.

    Args:
        verdicts: of n pictures, with probabilities.
        values: (n,) what the pictures are binned by.
        photographs: (n,) what each was made of.
        binning: of the values.
        fewest: see `merged_bins`.

    Returns:
        Bin -> {"n", "photographs", "stated", "share", "excess", "ece", "brier",
        "interval_coverage"}, in order: stated is the mean of 1 - p(authentic), share that of the
        manipulated pictures, excess the first less the second, with its interval.
    """
    bins = binning.place(values)
    rows = {}
    for first, last in merged_bins(bins, photographs, fewest):
        inside = (first <= bins) & (bins <= last)
        part = verdicts.select(inside)
        gap = part.score - part.positive
        excess = estimates({"excess": mean_of(gap)}, np.zeros(len(gap)), (-1.0, 1.0))
        figures = part.calibration_figures() | excess
        rows[binning.name(first, last)] = {
            "n": int(inside.sum()),
            "photographs": len({photographs[one] for one in np.flatnonzero(inside).tolist()}),
            "stated": float(part.score.mean()),
            "share": float(part.positive.mean()),
            **{name: figure.as_json() for name, figure in figures.items()},
        }
    return rows
