"""What is kept of one prediction when its maps have been read: numbers, no pixels."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from morelli.data_pipeline.schema import Verdict
from morelli.eval.claims import AnswerReading
from morelli.eval.curves import Curve, Curves
from morelli.eval.pixel_metrics import PixelCounts
from morelli.eval.predictions import MODEL, Prediction

_RIGHT_IOU = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class MapReading:
    """One map held against its mask.

    Attributes:
        curve: where its F1 at each level is kept; None where nothing is altered.
        f1: at the threshold; None where nothing is altered.
        iou: likewise.
        auc: of the pixels; None where only one kind of them exists.
        alarm: share of the untouched pixels at or above the threshold; None without such.
    """

    curve: Curve | None
    f1: float | None
    iou: float | None
    auc: float | None
    alarm: float | None

    @classmethod
    def of(cls, counts: PixelCounts, threshold: float, curves: Curves) -> Self:
        """Compute the figures of one picture; its curve is added to `curves`."""
        altered, untouched = counts.altered.any(), counts.untouched.any()
        return cls(
            curve=curves.add(counts.f1_curve()) if altered else None,
            f1=counts.f1(threshold) if altered else None,
            iou=counts.iou(threshold) if altered else None,
            auc=counts.auc() if altered and untouched else None,
            alarm=counts.false_alarm_area(threshold) if untouched else None,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """One prediction and what its maps and words come to.

    Attributes:
        said: as it was read, without words, files and times; `predictions.lines_at` gives those.
        maps: method -> its reading; empty where there is no truth to hold maps against.
        answer: what its words come to, None without words.
        table_reader: likewise of the plain table-reader's.
    """

    said: Prediction
    maps: Mapping[str, MapReading]
    answer: AnswerReading | None = None
    table_reader: AnswerReading | None = None

    @classmethod
    def of(
        cls,
        said: Prediction,
        maps: Mapping[str, MapReading],
        truth: NDArray[np.bool_] | None,
        shown: NDArray[np.bool_] | None,
    ) -> Self:
        """Put together what is kept.

        Args:
            said: the line.
            maps: method -> its reading.
            truth: (H, W) what was altered, all False if nothing; None if that is not known.
            shown: (H, W) the mask that is shown beside the words; None if none is.
        """
        answer, plain = said.answer, said.table_reader
        return cls(
            said.without_files(),
            maps,
            None if answer is None else AnswerReading.of(answer, said.verdict, truth, shown),
            # Nobody asks how the table-reader words it.
            None if plain is None else replace(AnswerReading.of(plain, None, truth, None), text=""),
        )

    @property
    def gate(self) -> bool:
        """Whether the map is shown: only a verdict of tampered shows it, or none at all."""
        return self.said.said in (None, Verdict.TAMPERED)

    @property
    def found(self) -> bool:
        """Whether the system's own map has the altered part right, by more than half."""
        own = self.maps.get(MODEL)
        return own is not None and own.iou is not None and own.iou >= _RIGHT_IOU
