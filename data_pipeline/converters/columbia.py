"""Columbia Uncompressed Image Splicing Detection (Hsu and Chang 2006)."""

from functools import partial
from pathlib import Path

from morelli.data_pipeline.converters.layout import (
    Entries,
    Item,
    folder_named,
    pictures_in,
    plain_id,
)
from morelli.data_pipeline.masks import from_file, greener_than_red
from morelli.data_pipeline.schema import Verdict

EXPECTED = """
4cam_auth/*.tif                                 untouched
4cam_splc/*.tif                                 spliced
4cam_splc/edgemask/<name>_edgemask.jpg          red: first camera, green: second camera
"""


def read(root: Path) -> Entries:
    """List both classes; the green regions of an edge mask, of the second camera, are altered."""
    for path in pictures_in(folder_named(root, "4cam_auth")):
        yield Item(plain_id(path.stem), path, Verdict.AUTHENTIC, source=f"columbia:{path.stem}")
    forged = folder_named(root, "4cam_splc")
    for path in pictures_in(forged):
        mask = forged / "edgemask" / f"{path.stem}_edgemask.jpg"
        yield Item(
            id=plain_id(path.stem),
            image=path,
            verdict=Verdict.TAMPERED,
            mask=partial(from_file, mask, altered=greener_than_red) if mask.is_file() else None,
            kind="splice",
            source=f"columbia:{path.stem}",
        )
