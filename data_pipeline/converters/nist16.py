"""NIST Nimble Challenge 2016 (NC2016), the set that papers call NIST16."""

import csv
from functools import partial
from pathlib import Path

from morelli.data_pipeline.converters.layout import Entries, Item, NotThereError, Skipped, plain_id
from morelli.data_pipeline.masks import below_half, from_file
from morelli.data_pipeline.schema import Verdict

EXPECTED = """
probe/NC2016_0016.jpg ...                       what is to be judged
world/NC2016_0001.jpg ...                       untouched originals, not read
reference/manipulation/NC2016-manipulation-ref.csv
    columns, with | between: ProbeFileName|ProbeMaskFileName|BaseFileName|IsTarget|
    IsManipulationTypeSplice|IsManipulationTypeCopyClone|IsManipulationTypeRemoval
reference/manipulation/mask/...                 black = altered
"""

_TABLE = Path("reference/manipulation/NC2016-manipulation-ref.csv")
_KINDS = {
    "IsManipulationTypeSplice": "splice",
    "IsManipulationTypeCopyClone": "copy_move",
    "IsManipulationTypeRemoval": "removal",
}


def read(root: Path) -> Entries:
    """List the probes of the manipulation task; several made of one base share a source."""
    table = next(
        (p for p in (root / _TABLE, *sorted(root.glob(f"*/{_TABLE}"))) if p.is_file()), None
    )
    if table is None:
        raise NotThereError(f"no file {str(_TABLE)!r}")
    home = table.parents[2]
    with table.open(encoding="utf-8-sig", newline="") as file:
        for line, row in enumerate(csv.DictReader(file, delimiter="|"), start=2):
            try:
                yield _item(home, row)
            except KeyError as error:
                yield Skipped(f"{table}:{line}", f"no column {error}")


def _item(home: Path, row: dict[str, str]) -> Item:
    image = home / row["ProbeFileName"]
    base = Path(row.get("BaseFileName") or row["ProbeFileName"]).stem
    source = f"nist16:{base}"
    if row["IsTarget"].strip().upper() != "Y":
        return Item(plain_id(image.stem), image, Verdict.AUTHENTIC, source=source)
    mask = home / row["ProbeMaskFileName"]
    return Item(
        id=plain_id(image.stem),
        image=image,
        verdict=Verdict.TAMPERED,
        mask=partial(from_file, mask, altered=below_half) if mask.is_file() else None,
        kind=next((kind for column, kind in _KINDS.items() if row.get(column) == "Y"), None),
        source=source,
    )
