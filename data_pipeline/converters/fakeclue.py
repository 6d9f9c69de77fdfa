"""FakeClue (Wen et al. 2025, FakeVLM): real and fake pictures of seven categories, explained."""

from pathlib import Path

from morelli.data_pipeline.converters.chats import records, turns_of
from morelli.data_pipeline.converters.layout import (
    Entries,
    Item,
    NotThereError,
    Skipped,
    plain_id,
)
from morelli.data_pipeline.schema import Verdict

EXPECTED = """
data_json/train.json  data_json/test.json, lists of
    {"image": "ff++/fake/....png", "label": 0, "cate": "deepfake", "conversations": [...]}
    label 0 is fake and 1 is real
train/...  test/...       the pictures, as "image" names them
"""

_ALTERED = "deepfake"
"""The category whose fakes are real pictures with a changed face (FaceForensics++'s). Of satellite
and document pictures, the data set's card says that they were generated, too."""

_VERDICTS = {0: None, 1: Verdict.AUTHENTIC}
"""Of a label; None is left to the category."""


def read(root: Path) -> Entries:
    """List every entry; fakes are tampered or synthetic by their category."""
    tables = sorted(root.glob("data_json/*.json")) or sorted(root.glob("*/data_json/*.json"))
    if not tables:
        raise NotThereError("no file data_json/*.json")
    for table in tables:
        home, split = table.parents[1], table.stem
        for where, record in records(table):
            try:
                category, name = str(record["cate"]), str(record["image"])
                fake = Verdict.TAMPERED if category == _ALTERED else Verdict.SYNTHETIC
                verdict = _VERDICTS[record["label"]] or fake
                folders = (home / split, home, home / "images")
                image = next((f / name for f in folders if (f / name).is_file()), folders[0] / name)
                yield Item(
                    id=plain_id(split, str(Path(name).with_suffix(""))),
                    image=image,
                    verdict=verdict,
                    source=f"fakeclue:{Path(name).with_suffix('')}",
                    conversation=turns_of(record["conversations"], "from", "value"),
                    extra={"split": split, "category": category},
                )
            except (KeyError, TypeError, ValueError) as error:
                yield Skipped(where, f"not as published: {error!r}")
