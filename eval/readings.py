"""What is kept of one prediction when its maps have been read: numbers, no pixels."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from morelli.data_pipeline.schema import Box, Polarity, Verdict
from morelli.eval.pixel_metrics import PixelCounts
from morelli.eval.predictions import Prediction


@dataclass(frozen=True, slots=True, eq=False)
class MapReading:
    """One map held against its mask.

    Attributes:
        curve: (256,) float32 F1 at each level; None where nothing is altered.
        f1: at the threshold; None where nothing is altered.
        iou: likewise.
        auc: of the pixels; None where only one kind of them exists.
        alarm: share of the untouched pixels at or above the threshold; None without such.
    """

    curve: NDArray[np.float32] | None
    f1: float | None
    iou: float | None
    auc: float | None
    alarm: float | None

    @classmethod
    def of(cls, counts: PixelCounts, threshold: float) -> Self:
        """Compute the figures of one picture."""
        altered, untouched = counts.altered.any(), counts.untouched.any()
        return cls(
            curve=counts.f1_curve().astype(np.float32) if altered else None,
            f1=counts.f1(threshold) if altered else None,
            iou=counts.iou(threshold) if altered else None,
            auc=counts.auc() if altered and untouched else None,
            alarm=counts.false_alarm_area(threshold) if untouched else None,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """One prediction and what its maps and words come to.

    Attributes:
        said: as it was read; its `maps` are files.
        maps: method -> its reading; empty where there is no truth to hold maps against.
        points: share of the anomalies that the words put in a named place which the true mask
            reaches into; None without such words or without a mask.
    """

    said: Prediction
    maps: Mapping[str, MapReading]
    points: float | None

    @classmethod
    def of(
        cls,
        said: Prediction,
        maps: Mapping[str, MapReading],
        mask: NDArray[np.bool_] | None,
    ) -> Self:
        """Put together what is kept.

        Args:
            said: the line.
            maps: method -> its reading.
            mask: (H, W) the true mask, or None.
        """
        return cls(said, maps, None if mask is None else _points(said, mask))

    @property
    def gate(self) -> bool:
        """Whether the map is shown: only a verdict of tampered shows it, or none at all."""
        return self.said.said in (None, Verdict.TAMPERED)

    @property
    def answer(self) -> dict[str, Any]:
        """What `text_figures` asks for.

        Raises:
            ValueError: there are no words.
        """
        if self.said.answer is None:
            raise ValueError(f"{self.said.place}: has no answer")
        return {**self.said.answer, "verdict": self.said.verdict, "points": self.points}


def _points(said: Prediction, mask: NDArray[np.bool_]) -> float | None:
    if said.answer is None:
        return None
    boxes = [
        Box(*one["box"])
        for one in said.answer["findings"]
        if one["polarity"] == Polarity.ANOMALOUS and one["box"] is not None
    ]
    if not boxes:
        return None
    return float(np.mean([box.crop(mask).any() for box in boxes]))
