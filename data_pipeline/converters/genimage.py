"""GenImage (Zhu et al. 2023): pictures of eight generators beside ImageNet's."""

import re
from pathlib import Path

from morelli.data_pipeline.converters.layout import (
    Entries,
    Item,
    NotThereError,
    pictures_in,
    plain_id,
)
from morelli.data_pipeline.schema import Verdict

EXPECTED = """
<generator>/.../train/ai/*.png      <generator>/.../train/nature/*.JPEG
<generator>/.../val/ai/*.png        <generator>/.../val/nature/*.JPEG
"""

_VERDICTS = {"ai": Verdict.SYNTHETIC, "nature": Verdict.AUTHENTIC}


def read(root: Path) -> Entries:
    """List both classes of both splits of every generator found."""
    folders = [
        folder
        for split in ("train", "val")
        for name in _VERDICTS
        for folder in sorted(root.rglob(f"{split}/{name}"))
        if folder.is_dir()
    ]
    if not folders:
        raise NotThereError("no folder train/ai, train/nature, val/ai or val/nature")
    for folder in folders:
        split, verdict = folder.parent.name, _VERDICTS[folder.name]
        generator = (folder.relative_to(root).parts[:-2] or (root.name,))[0]
        for path in pictures_in(folder):
            yield Item(
                id=plain_id(generator, split, folder.name, path.stem),
                image=path,
                verdict=verdict,
                kind="generated" if verdict is Verdict.SYNTHETIC else None,
                source=f"genimage:{_source(generator, verdict, path.stem)}",
                extra={"generator": generator, "split": split},
            )


def _source(generator: str, verdict: Verdict, name: str) -> str:
    # The same ImageNet photograph stands beside several generators: n01440764_10026.JPEG.
    photograph = re.match(r"n\d+_\d+", name)
    if verdict is Verdict.AUTHENTIC:
        return photograph[0] if photograph else name
    return f"{generator}/{name}"
