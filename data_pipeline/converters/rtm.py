"""RTM, Real Text Manipulation (Luo et al. 2024): texts altered by hand, and untouched ones."""

from functools import partial
from pathlib import Path

from morelli.data_pipeline.converters.layout import (
    Entries,
    Item,
    folder_named,
    pictures_in,
    plain_id,
)
from morelli.data_pipeline.masks import from_file, not_black
from morelli.data_pipeline.schema import Verdict

EXPECTED = """
JPEGImages/<name>.jpg               "good_..." are untouched
SegmentationClass/<name>.png        0 = untouched, everything else altered
train.txt  val.txt  test.txt        names of each split; not needed
"""

_SPLITS = ("train", "val", "test")


def read(root: Path) -> Entries:
    """List all pictures; one without a mask file, or named good_..., is untouched."""
    pictures = folder_named(root, "JPEGImages")
    masks = folder_named(root, "SegmentationClass")
    split_of = _splits(pictures.parent)
    for path in pictures_in(pictures):
        mask = masks / f"{path.stem}.png"
        altered = mask.is_file() and not path.stem.startswith("good")
        yield Item(
            id=plain_id(path.stem),
            image=path,
            verdict=Verdict.TAMPERED if altered else Verdict.AUTHENTIC,
            mask=partial(from_file, mask, altered=not_black) if altered else None,
            kind="text" if altered else None,
            source=f"rtm:{path.stem}",
            extra={"split": split_of[path.stem]} if path.stem in split_of else {},
        )


def _splits(folder: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for split in _SPLITS:
        names = folder / f"{split}.txt"
        if names.is_file():
            found |= {Path(line).stem: split for line in names.read_text().split()}
    return found
