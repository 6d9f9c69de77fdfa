"""Instruments: each measures one thing on a picture, and is one file and one line here."""

from collections.abc import Callable, Collection

from morelli.data_pipeline.images import Picture
from morelli.data_pipeline.instruments.copy_move import measure_copy_move
from morelli.data_pipeline.instruments.jpeg import measure_jpeg
from morelli.data_pipeline.instruments.noise import measure_noise
from morelli.data_pipeline.schema import Measurement

INSTRUMENTS: dict[str, Callable[[Picture], Measurement]] = {
    "noise": measure_noise,
    "jpeg": measure_jpeg,
    "copy-move": measure_copy_move,
}
"""Every instrument by its name, in the order in which reports list them."""


def measure(picture: Picture, names: Collection[str] | None = None) -> tuple[Measurement, ...]:
    """Read the instruments of the table on one picture, in its order.

    Args:
        picture: to measure.
        names: of the instruments to read; None for all of them.
    """
    return tuple(
        instrument(picture)
        for name, instrument in INSTRUMENTS.items()
        if names is None or name in names
    )
