"""Instruments: each measures one thing on a picture, and is one file and one line here."""

from collections.abc import Callable, Collection

from morelli.data_pipeline.images import Picture
from morelli.data_pipeline.instruments.aberration import measure_aberration
from morelli.data_pipeline.instruments.copy_move import measure_copy_move
from morelli.data_pipeline.instruments.error_level import measure_error_level
from morelli.data_pipeline.instruments.jpeg import measure_jpeg
from morelli.data_pipeline.instruments.jpeg_ghosts import measure_jpeg_ghosts
from morelli.data_pipeline.instruments.jpeg_grid import measure_jpeg_grid
from morelli.data_pipeline.instruments.metadata import measure_metadata
from morelli.data_pipeline.instruments.noise import measure_noise
from morelli.data_pipeline.instruments.provenance import measure_c2pa
from morelli.data_pipeline.instruments.resampling import measure_resampling
from morelli.data_pipeline.instruments.sharpness import measure_sharpness
from morelli.data_pipeline.instruments.spectrum import measure_spectrum
from morelli.data_pipeline.instruments.visible_text import measure_visible_text
from morelli.data_pipeline.schema import Measurement

INSTRUMENTS: dict[str, Callable[[Picture], Measurement]] = {
    "noise": measure_noise,
    "jpeg": measure_jpeg,
    "copy-move": measure_copy_move,
    "jpeg-grid": measure_jpeg_grid,
    "jpeg-ghosts": measure_jpeg_ghosts,
    "error-level": measure_error_level,
    "resampling": measure_resampling,
    "sharpness": measure_sharpness,
    "aberration": measure_aberration,
    "spectrum": measure_spectrum,
    "metadata": measure_metadata,
    "c2pa": measure_c2pa,
    "visible-text": measure_visible_text,
}
"""Every instrument by its name, in the order in which reports list them."""

FACTS = frozenset({"visible-text"})
"""Instruments that tell what is there: nothing they read is an anomaly, so no range is fitted.

What they say may quote the picture, so it is put to no language model.
"""


def measure(picture: Picture, names: Collection[str] | None = None) -> tuple[Measurement, ...]:
    """Read instruments of the table on one picture, in its order.

    Args:
        picture: what to read.
        names: the instruments to read, all if None; the costly rest is left out.
    """
    chosen = INSTRUMENTS if names is None else names
    return tuple(read(picture) for name, read in INSTRUMENTS.items() if name in chosen)
