"""Faces that a detector found in pictures, read from records that were made before.

Knows nothing of the detector: `morelli.data_pipeline.maker.find_faces` runs it and writes them.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from morelli.data_pipeline.home import morelli_home
from morelli.data_pipeline.maker.mattes import Shares, digest_of
from morelli.data_pipeline.whole_files import whole


def face_folder() -> Path:
    """Return the folder in which records of faces are kept unless another one is named."""
    return morelli_home() / "faces"


def face_path(folder: Path, picture: Path) -> Path:
    """Return where the faces of a picture are kept.

    Raises:
        OSError: the picture cannot be read.
    """
    return folder / f"{digest_of(picture)}.json"


def read_faces(folder: Path, picture: Path) -> tuple[Shares, ...]:
    """Return the boxes of a picture's faces, brows to chin; none if nobody has looked for any.

    Raises:
        OSError: the picture cannot be read.
    """
    path = face_path(folder, picture)
    if not path.exists():
        return ()
    return tuple((x0, y0, x1, y1) for x0, y0, x1, y1 in json.loads(path.read_text()))


def write_faces(folder: Path, picture: Path, faces: Sequence[Shares]) -> None:
    """Keep the boxes of a picture's faces.

    Raises:
        OSError: the picture cannot be read, or the folder not be written to.
    """
    with whole(face_path(folder, picture)) as unfinished:
        unfinished.write_text(json.dumps(faces))
