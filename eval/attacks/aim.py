"""What an attack is aimed at, and what it makes of it."""

from dataclasses import dataclass, replace
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from morelli.data_pipeline.images import Picture, picture_from_bytes
from morelli.data_pipeline.schema import Verdict
from morelli.eval.looks import Looks


@dataclass(frozen=True, slots=True)
class Aim:
    """A picture, what is true of it and who looks at it.

    Attributes:
        examiner: who looks.
        picture: at what.
        label: what is true, never inconclusive.
        mask: (H, W) the true mask, or None.
    """

    examiner: Looks
    picture: Picture
    label: Verdict
    mask: NDArray[np.bool_] | None = None

    def showing(self, pixels: NDArray[np.uint8]) -> "Aim":
        """Return the same with other (H, W, 3) pixels of the same size, saved as PNG."""
        return replace(self, picture=saved(pixels, f"{self.picture.path} (attacked)"))


def saved(pixels: NDArray[np.uint8], name: str) -> Picture:
    """Return (H, W, 3) pixels as the picture that a PNG of them is."""
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", compress_level=1)
    return picture_from_bytes(stream.getvalue(), name)
