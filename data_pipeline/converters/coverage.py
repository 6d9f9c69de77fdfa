"""COVERAGE (Wen et al. 2016): copies among similar but genuine objects."""

from functools import partial
from pathlib import Path

from morelli.data_pipeline.converters.layout import (
    Entries,
    Item,
    folder_named,
    pictures_in,
    plain_id,
)
from morelli.data_pipeline.masks import from_file
from morelli.data_pipeline.schema import Verdict

EXPECTED = """
image/1.tif ... image/100.tif            untouched
image/1t.tif ... image/100t.tif          forged from it
mask/1forged.tif ...                     the pasted copy (1paste.tif is not read)
mask/1copy.tif ...                       what it was copied from, if there
"""


def read(root: Path) -> Entries:
    """List untouched pictures and the forgery made from each; both have one source."""
    masks = folder_named(root, "mask")
    for path in pictures_in(folder_named(root, "image")):
        number = path.stem.removesuffix("t")
        if number == path.stem:
            yield Item(plain_id(path.stem), path, Verdict.AUTHENTIC, source=f"coverage:{number}")
            continue
        mask, origin = masks / f"{number}forged.tif", masks / f"{number}copy.tif"
        yield Item(
            id=plain_id(path.stem),
            image=path,
            verdict=Verdict.TAMPERED,
            mask=partial(from_file, mask) if mask.is_file() else None,
            kind="copy_move",
            source=f"coverage:{number}",
            origin=partial(from_file, origin) if origin.is_file() else None,
        )
