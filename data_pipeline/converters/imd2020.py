"""IMD2020 (Novozamsky et al. 2020), the real-life manipulated images."""

from functools import partial
from pathlib import Path

from morelli.data_pipeline.converters.layout import (
    Entries,
    Item,
    NotThereError,
    pictures_in,
    plain_id,
)
from morelli.data_pipeline.masks import from_file
from morelli.data_pipeline.schema import Verdict

EXPECTED = """
<thread>/<thread>_orig.jpg                  untouched
<thread>/<post>_0.png                       manipulated by somebody, with
<thread>/<post>_0_mask.png                  its mask
"""


def read(root: Path) -> Entries:
    """List every thread's original and forgeries; a thread is a source."""
    threads = [path for path in sorted(root.rglob("*")) if path.is_dir()] if root.is_dir() else []
    threads = [folder for folder in threads if any(folder.glob("*_mask.*"))]
    if not threads:
        raise NotThereError("no folder holds a file named <post>_mask.png")
    for folder in threads:
        pictures = list(pictures_in(folder))
        masks = {path.stem.removesuffix("_mask"): path for path in pictures if _is_mask(path)}
        for path in pictures:
            if not _is_mask(path):
                yield _item(folder, path, masks.get(path.stem))


def _item(folder: Path, path: Path, mask: Path | None) -> Item:
    untouched = path.stem.endswith("_orig")
    return Item(
        id=plain_id(folder.name, path.stem),
        image=path,
        verdict=Verdict.AUTHENTIC if untouched else Verdict.TAMPERED,
        mask=None if untouched or mask is None else partial(from_file, mask),
        source=f"imd2020:{folder.name}",
    )


def _is_mask(path: Path) -> bool:
    return path.stem.endswith("_mask")
