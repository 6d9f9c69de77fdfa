"""Multiple Image Splicing Dataset, MISD (Kadam et al. 2021)."""

from functools import partial, reduce
from pathlib import Path

import numpy as np

from morelli.data_pipeline.converters.layout import (
    Entries,
    Item,
    folder_named,
    pictures_in,
    pictures_under,
    plain_id,
)
from morelli.data_pipeline.masks import Mask, from_file
from morelli.data_pipeline.schema import Verdict

EXPECTED = """
Dataset/Au/Au_ani_00001.jpg                                   untouched
Dataset/Sp/Sp_D_ani_00001_ani_00002_1.png                     spliced from several
Ground Truth Masks/<name>/masks/*.png                         one mask for each piece
"""


def read(root: Path) -> Entries:
    """List both classes; the masks of all pieces are laid together."""
    for path in pictures_in(folder_named(root, "Au", "Dataset/Au")):
        source = "".join(path.stem.lower().removeprefix("au_").split("_"))
        yield Item(plain_id(path.stem), path, Verdict.AUTHENTIC, source=f"misd:{source}")
    forged = folder_named(root, "Sp", "Dataset/Sp")
    truth = folder_named(root, "Ground Truth Masks", "Dataset/Ground Truth Masks")
    for path in pictures_in(forged):
        pieces = tuple(_pieces(truth, path.stem))
        words = path.stem.lower().split("_")
        host = "".join(words[2:4]) if len(words) > 4 else path.stem
        yield Item(
            id=plain_id(path.stem),
            image=path,
            verdict=Verdict.TAMPERED,
            mask=partial(_together, pieces) if pieces else None,
            kind="splice",
            source=f"misd:{host}",
        )


def _pieces(truth: Path, name: str) -> list[Path]:
    folder = truth / name
    if folder.is_dir():
        masks = folder / "masks"
        return list(pictures_under(masks if masks.is_dir() else folder))
    return [path for path in pictures_in(truth) if path.stem == name]


def _together(pieces: tuple[Path, ...], height: int, width: int) -> Mask:
    masks = [from_file(path, height, width) for path in pieces]
    return reduce(np.logical_or, masks)
