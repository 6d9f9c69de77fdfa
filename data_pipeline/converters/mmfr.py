"""MMFR-Dataset (Gao et al. 2025, FakeReasoning): generated and real pictures, reasoned about."""

from pathlib import Path

from morelli.data_pipeline.converters.chats import records, turns_of
from morelli.data_pipeline.converters.layout import (
    Entries,
    Item,
    NotThereError,
    Skipped,
    maybe_folder,
    pictures_in,
    plain_id,
)
from morelli.data_pipeline.schema import Verdict

EXPECTED = """
forgery_reasoning_cot.json, a list in LLaVA's format for the training pictures in
diffusiondb/part-000001/*.png ...  (generated)   laion/00000/*.jpg ...  (real)
evaluation_sets/<generator>/0_real/*  1_fake/*   (without conversations)
"""

_CLASSES = {"0_real": Verdict.AUTHENTIC, "1_fake": Verdict.SYNTHETIC}


def read(root: Path) -> Entries:
    """List the training entries, then the evaluation sets; the folder tells the class."""
    table = root / "forgery_reasoning_cot.json"
    sets = maybe_folder(root, "evaluation_sets")
    if not table.is_file() and sets is None:
        raise NotThereError("neither forgery_reasoning_cot.json nor a folder evaluation_sets")
    if table.is_file():
        yield from _training(root, table)
    for folder in sorted(sets.glob("*/[01]_*")) if sets else ():
        generator, verdict = folder.parent.name, _CLASSES.get(folder.name)
        for path in pictures_in(folder) if verdict else ():
            yield Item(
                id=plain_id(generator, folder.name, path.stem),
                image=path,
                verdict=verdict or Verdict.SYNTHETIC,
                kind=None if verdict is Verdict.AUTHENTIC else "generated",
                source=f"mmfr:{generator}/{path.stem}",
                extra={"split": "evaluation", "generator": generator},
            )


def _training(root: Path, table: Path) -> Entries:
    seen: dict[str, int] = {}
    for where, record in records(table):
        try:
            name = str(record["image"])
            real = "laion" in Path(name).parts
            plain = plain_id(str(Path(name).with_suffix("")))
            # A picture has several conversations: one for each attribute that is reasoned about.
            seen[plain] = seen.get(plain, 0) + 1
            yield Item(
                id=plain if seen[plain] == 1 else f"{plain}-{seen[plain]}",
                image=root / name,
                verdict=Verdict.AUTHENTIC if real else Verdict.SYNTHETIC,
                kind=None if real else "generated",
                source=f"mmfr:{Path(name).with_suffix('')}",
                conversation=turns_of(record["conversations"], "from", "value"),
                extra={"split": "train"},
            )
        except (KeyError, TypeError, ValueError) as error:
            yield Skipped(where, f"not as published: {error!r}")
