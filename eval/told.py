"""Other readings than the measured ones, told to the language model to see what its words rest on.

A model that looks keeps its verdict and its mask when the text of the instruments is taken away,
comes from another picture, or says the opposite; one that only reads the table follows it.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from morelli.data_pipeline.images import Picture, open_picture
from morelli.data_pipeline.instruments import measure
from morelli.data_pipeline.places import NINTHS, box_of, place_of_mask
from morelli.data_pipeline.schema import Measurement, Told
from morelli.data_pipeline.verifier import cannot_tell


def removed(picture: Picture, mask: NDArray[np.bool_] | None, other: Path) -> Told:
    """Tell of no reading at all."""
    return Told((), picture.height, picture.width)


def shuffled(picture: Picture, mask: NDArray[np.bool_] | None, other: Path) -> Told:
    """Tell what was read on another picture of the set.

    Raises:
        ImageError: that picture cannot be opened.
    """
    elsewhere = open_picture(other)
    return Told(measure(elsewhere), elsewhere.height, elsewhere.width)


def contradicting(picture: Picture, mask: NDArray[np.bool_] | None, other: Path) -> Told:
    """Tell the opposite of each reading, and of anomalies as far from the altered part as can be.

    An anomalous reading becomes one in the middle of its expected range, an ordinary one lies
    beyond it by its width. An instrument that cannot tell keeps silent.
    """
    place = _away_from(mask)
    return Told(
        tuple(_opposite(one, place, picture) for one in measure(picture)),
        picture.height,
        picture.width,
    )


READINGS: dict[str, Callable[[Picture, NDArray[np.bool_] | None, Path], Told]] = {
    "removed": removed,
    "shuffled": shuffled,
    "contradicting": contradicting,
}
"""Every way by its name: picture, its true mask if known, and the file of another picture."""


def version_of_readings(name: str) -> str:
    """Return how tables call the pictures of a key of `READINGS`."""
    return f"readings {name}"


def _away_from(mask: NDArray[np.bool_] | None) -> str:
    """Return the ninth opposite to the one that holds most of a mask, a corner for the centre."""
    if mask is None or not mask.any():
        return NINTHS[0]
    index = NINTHS.index(place_of_mask(mask))
    opposite = len(NINTHS) - 1 - index
    return NINTHS[0 if opposite == index else opposite]


def _opposite(measurement: Measurement, place: str, picture: Picture) -> Measurement:
    if cannot_tell(measurement):
        return measurement
    low, high = measurement.expected
    heat = None
    if measurement.map is not None:
        heat = np.zeros((picture.height, picture.width), np.float32)
    if measurement.anomalous:
        return replace(measurement, value=(low + high) / 2, map=heat, box=None)
    beyond = max(high - low, abs(high)) or 1.0
    if heat is not None:
        box_of(place, picture.height, picture.width).crop(heat)[:] = 1
    return replace(measurement, value=high + beyond, map=heat, box=None)
