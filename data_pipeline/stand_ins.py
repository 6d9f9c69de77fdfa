"""Readings that stand in for measured ones in some lessons.

Few made pictures are out of the ordinary for any instrument, and a model that hardly ever reads
"anomalous" learns to write "normal". Used to teach, with the maps left out of what the model sees,
never at inference.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from morelli.data_pipeline.places import NINTHS, box_of
from morelli.data_pipeline.schema import Measurement

_ANOMALOUS_SHARE = 0.75
_WHOLE_SHARE = 0.15
_ON_MASK_SHARE = 0.5
_LEAST_RELIABILITY = 0.35


def stand_in(
    measurement: Measurement, mask: NDArray[np.bool_], rng: np.random.Generator
) -> Measurement:
    """Return another reading of the same instrument: ordinary, or out of the ordinary somewhere.

    Three of four are anomalous: in one ninth, in half of the altered pictures on the altered part,
    or in the whole picture. The value lies beyond the expected range by about the width of it.

    Args:
        measurement: whose instrument, unit and expected range are kept.
        mask: (H, W) True where altered; all False if nowhere, or not known.
        rng: of every draw.
    """
    low, high = measurement.expected
    anomalous = rng.random() < _ANOMALOUS_SHARE
    if anomalous:
        value = high + max(high - low, 1e-3) * float(rng.lognormal(0.7, 1.2))
    else:
        value = float(rng.uniform(low, high))
    return replace(
        measurement,
        value=value,
        reliability=float(rng.uniform(_LEAST_RELIABILITY, 1.0)),
        statement=f"The {measurement.instrument} reading stands in for the measured one.",
        map=_map(mask, rng) if anomalous else np.zeros(mask.shape, np.float32),
        box=None,
        map_threshold=0.5,
        details={},
    )


def _map(mask: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.float32] | None:
    """Return (H, W), 1 where the reading is anomalous; None for the whole picture."""
    if rng.random() < _WHOLE_SHARE:
        return None
    if mask.any() and rng.random() < _ON_MASK_SHARE:
        return mask.astype(np.float32)
    found = np.zeros(mask.shape, np.float32)
    box_of(NINTHS[int(rng.integers(len(NINTHS)))], *mask.shape).crop(found)[:] = 1
    return found
