"""ForgeryNet (He et al. 2021), its image part: forged faces by fifteen methods."""

from functools import partial
from pathlib import Path

from morelli.data_pipeline.converters.layout import (
    Entries,
    Item,
    NotThereError,
    Skipped,
    maybe_folder,
    plain_id,
)
from morelli.data_pipeline.masks import from_file, not_black
from morelli.data_pipeline.schema import Verdict

EXPECTED = """
Training/image/train_release/<n>/.../<frame>.jpg     (Validation: val_perturb_release)
Training/image_list.txt, each line: <path in the release> <2-class> <3-class> <16-class label>
Training/spatial_localize/<same path>                optional, black where nothing was changed
"""

_SPLITS = {"Training": "train", "Validation": "validation", "Test": "test"}
_KINDS = {"1": "face_swap", "2": "face_edit"}
"""The three-class label: identity replaced, identity remained."""


def read(root: Path) -> Entries:
    """List the pictures that image_list.txt names; every face forgery is tampered."""
    lists = sorted(root.rglob("image_list.txt")) if root.is_dir() else []
    if not lists:
        raise NotThereError("no file image_list.txt")
    for table in lists:
        yield from _listed(table)


def _listed(table: Path) -> Entries:
    home = table.parent
    images = maybe_folder(home, "image", "images")
    if images is None:
        raise NotThereError(f"no folder 'image' beside {table}")
    releases = [images, *(path for path in sorted(images.iterdir()) if path.is_dir())]
    with table.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            words = line.split()
            if len(words) != 4:
                yield Skipped(f"{table}:{number}", f"has {len(words)} words instead of 4")
                continue
            yield _item(home, releases, words)


def _item(home: Path, releases: list[Path], words: list[str]) -> Item:
    name, fake, three, sixteen = words
    image = next((r / name for r in releases if (r / name).is_file()), releases[-1] / name)
    masks = (home / "spatial_localize" / name, home / "spatial_localize" / image.parent.name / name)
    mask = next((path for path in masks if path.is_file()), None) if fake == "1" else None
    return Item(
        id=plain_id(str(Path(name).with_suffix(""))),
        image=image,
        verdict=Verdict.TAMPERED if fake == "1" else Verdict.AUTHENTIC,
        mask=partial(from_file, mask, altered=not_black) if mask else None,
        kind=_KINDS.get(three) if fake == "1" else None,
        source=f"forgerynet:{Path(name).parent}",
        extra={"split": _SPLITS.get(home.name, home.name.lower()), "method": int(sixteen)},
    )
