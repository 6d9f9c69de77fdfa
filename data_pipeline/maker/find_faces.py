"""Finds the faces of photographs, once, and keeps their boxes for the maker.

`python -m morelli.data_pipeline.maker.find_faces FOLDER...`, with scikit-image from the `data`
extra, whose cascade of local binary patterns comes in its package.
"""

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from morelli.data_pipeline.maker.faces import face_folder, face_path, write_faces
from morelli.data_pipeline.maker.frame import Pixels
from morelli.data_pipeline.maker.mattes import Shares
from morelli.data_pipeline.maker.pool import decode_file
from morelli.data_pipeline.maker.saliency import pictures_of

_SIDE = 512
"""Longer side in pixels at which faces are looked for."""

_SMALLEST, _LARGEST = 32, 400
_NEIGHBOURS, _NEIGHBOURS_IN_MIRROR = 6, 4
"""Detections that must agree on a face."""

_LEAST_SKIN = 0.45
_SKIN = ((0, 133, 77), (255, 178, 127))
"""Skin in YCrCb, of all complexions (Chai & Ngan, 1999)."""

_LEAST_SHARED, _MOST_SHARED = 0.5, 0.2
"""Of the smaller of two boxes: from the first on they are one face, up to the second two."""

_Box = tuple[int, int, int, int]
"""x, y, width and height in pixels."""


class FaceFinder:
    """Frontal faces by a cascade of local binary patterns (Liao et al., 2007)."""

    def __init__(self) -> None:
        """Load the cascade.

        Raises:
            ImportError: scikit-image is not installed.
        """
        try:
            from skimage.data import lbp_frontal_face_cascade_filename
            from skimage.feature import Cascade
        except ImportError:
            raise ImportError(
                "finding faces needs the package scikit-image: pip install 'morelli[data]'"
            ) from None

        self._cascade: Any = Cascade(lbp_frontal_face_cascade_filename())

    def faces(self, pixels: Pixels) -> list[Shares]:
        """Return the boxes of the faces in an (H, W, 3) RGB picture, the largest first.

        A face is one in the mirror too; the cascade also takes columns and sleeves for faces.
        """
        height, width = pixels.shape[:2]
        scale = min(1.0, _SIDE / max(height, width))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        small = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
        if min(size) <= _SMALLEST:
            return []
        boxes = self._detected(small, _NEIGHBOURS)
        mirrored = self._detected(small[:, ::-1], _NEIGHBOURS_IN_MIRROR) if boxes else []
        seen = [(size[0] - x - across, y, across, down) for x, y, across, down in mirrored]
        kept: list[_Box] = []
        for box in sorted(boxes, key=lambda box: (-box[2] * box[3], box)):
            again = any(_shared(box, other) >= _LEAST_SHARED for other in seen)
            new = all(_shared(box, other) <= _MOST_SHARED for other in kept)
            if again and new and _skin(small, box) >= _LEAST_SKIN:
                kept.append(box)
        return [
            (x / size[0], y / size[1], (x + across) / size[0], (y + down) / size[1])
            for x, y, across, down in kept
        ]

    def _detected(self, pixels: Pixels, neighbours: int) -> list[_Box]:
        found = self._cascade.detect_multi_scale(
            img=np.ascontiguousarray(pixels), scale_factor=1.2, step_ratio=1,
            min_neighbor_number=neighbours, min_size=(_SMALLEST, _SMALLEST),
            max_size=(min(_LARGEST, *pixels.shape[:2]),) * 2,
        )  # fmt: skip
        return [(one["c"], one["r"], one["width"], one["height"]) for one in found]


def _skin(pixels: Pixels, box: _Box) -> float:
    """Return the share of a box's middle that has the colours of skin."""
    x, y, across, down = box
    view = pixels[y + down // 5 : y + down - down // 5, x + across // 5 : x + across - across // 5]
    tones = cv2.cvtColor(np.ascontiguousarray(view), cv2.COLOR_RGB2YCrCb)
    return float((cv2.inRange(tones, *(np.array(end) for end in _SKIN)) > 0).mean())


def _shared(one: _Box, other: _Box) -> float:
    """Return how much of the smaller of two boxes lies in the other."""
    across = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    down = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    return max(0, across) * max(0, down) / min(one[2] * one[3], other[2] * other[3])


def find_faces(pictures: Iterable[Path], folder: Path) -> int:
    """Look for faces where nobody has looked yet; return how many were found.

    Raises:
        OSError: a picture cannot be read, or the folder cannot be written to.
        ImportError: scikit-image is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    finder, count = FaceFinder(), 0
    for picture in pictures:
        if face_path(folder, picture).exists():
            continue
        faces = finder.faces(decode_file(picture))
        write_faces(folder, picture, faces)
        count += len(faces)
    return count


def main(command: Sequence[str]) -> int:
    """Look for faces in every picture that the folders' manifests name."""
    parser = argparse.ArgumentParser(prog="find_faces", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folders", type=Path, nargs="+", help="each with manifest.csv (path)")
    parser.add_argument("--out", type=Path, default=face_folder())
    arguments = parser.parse_args(command)
    try:
        pictures = tqdm(pictures_of(arguments.folders), unit="picture", disable=None)
        count = find_faces(pictures, arguments.out)
    except (OSError, ImportError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{count} new faces in {arguments.out}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
