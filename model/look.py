"""What is known of a picture before there are words."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morelli.data_pipeline.schema import Measurement, Verdict
from morelli.model.vision import ViewFeatures


@dataclass(frozen=True)
class Look:
    """What is known of a picture before there are words.

    Attributes:
        measurements: of every instrument.
        probability: class name -> calibrated probability.
        interval: of 1 - probability["authentic"].
        verdict: the decision.
        map: (H, W) float32 in the image frame, for every verdict.
        verdict_logits: (3,) raw logits of the mapper, for fitting a calibrator.
        peak: of the map, as `calibration.map_peak` has it, likewise.
        seconds: stage -> wall time.
        tokens: ids of the conversation up to the line break after `<seg>`.
        cache: the language model's memory of them.
        stability: what mild changes do, as reports list it; empty if it was left out.
        moved: (5, 3) by how much they move the logits of a copy, None if it was left out.
    """

    measurements: tuple[Measurement, ...]
    probability: dict[str, float]
    interval: tuple[float, float]
    verdict: Verdict
    map: NDArray[np.float32]
    verdict_logits: NDArray[np.float64]
    peak: float
    seconds: dict[str, float] = field(default_factory=dict)
    tokens: tuple[int, ...] = ()
    cache: Any = None
    stability: tuple[dict[str, Any], ...] = ()
    moved: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Sight:
    """What is known of a picture before the language model is asked.

    Attributes:
        measurements: of every instrument.
        features: of the encoders.
        seconds: stage -> wall time.
    """

    measurements: tuple[Measurement, ...]
    features: ViewFeatures
    seconds: dict[str, float]
