"""Everybody's data sets, read as they were published. One file and one line of `CONVERTERS` each.

`samples("columbia", root, work)` is the short way: it yields `ForensicSample`s whose masks are the
PNG files that Morelli reads, written to the `work` folder.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from morelli.data_pipeline.converters import (
    autosplice,
    brgen,
    casia1,
    casia2,
    columbia,
    coverage,
    ddvqa,
    dgm4,
    doctamper,
    fakeclue,
    forgerynet,
    genimage,
    imd2020,
    llava,
    misd,
    mmfr,
    mmtd,
    nist16,
    parquet,
    rtm,
    sharegpt,
    sidset,
    sofake,
    swift,
    synthscars,
    trl,
)
from morelli.data_pipeline.converters.layout import Converter, Entries, LayoutError, Skipped
from morelli.data_pipeline.converters.layout import items as _items
from morelli.data_pipeline.converters.store import stored
from morelli.data_pipeline.manifest import Row
from morelli.data_pipeline.schema import ForensicSample

DATA_SETS = {
    "autosplice": Converter(autosplice.read, autosplice.EXPECTED),
    "brgen": Converter(brgen.read, brgen.EXPECTED),
    "casia1": Converter(casia1.read, casia1.EXPECTED),
    "casia2": Converter(casia2.read, casia2.EXPECTED),
    "columbia": Converter(columbia.read, columbia.EXPECTED),
    "coverage": Converter(coverage.read, coverage.EXPECTED),
    "ddvqa": Converter(ddvqa.read, ddvqa.EXPECTED),
    "dgm4": Converter(dgm4.read, dgm4.EXPECTED),
    "doctamper": Converter(doctamper.read, doctamper.EXPECTED),
    "fakeclue": Converter(fakeclue.read, fakeclue.EXPECTED),
    "forgerynet": Converter(forgerynet.read, forgerynet.EXPECTED),
    "genimage": Converter(genimage.read, genimage.EXPECTED),
    "imd2020": Converter(imd2020.read, imd2020.EXPECTED),
    "misd": Converter(misd.read, misd.EXPECTED),
    "mmfr": Converter(mmfr.read, mmfr.EXPECTED),
    "mmtd": Converter(mmtd.read, mmtd.EXPECTED),
    "nist16": Converter(nist16.read, nist16.EXPECTED),
    "rtm": Converter(rtm.read, rtm.EXPECTED),
    "sidset": Converter(sidset.read, sidset.EXPECTED),
    "sofake": Converter(sofake.read, sofake.EXPECTED),
    "synthscars": Converter(synthscars.read, synthscars.EXPECTED),
}
"""Published data sets by the name under which commands know them."""

FORMATS = {
    "llava": Converter(llava.read, llava.EXPECTED),
    "parquet": Converter(parquet.read, parquet.EXPECTED),
    "sharegpt": Converter(sharegpt.read, sharegpt.EXPECTED),
    "swift": Converter(swift.read, swift.EXPECTED),
    "trl": Converter(trl.read, trl.EXPECTED),
}
"""Formats of instruction tuning, for anybody's own data."""

CONVERTERS = {**DATA_SETS, **FORMATS}

WRITERS: dict[str, Callable[[Iterable[Row], Path], Path]] = {
    "llava": llava.write,
    "parquet": parquet.write,
    "sharegpt": sharegpt.write,
    "swift": swift.write,
    "trl": trl.write,
}
"""Formats that a manifest can be turned into: given rows and a folder, returns the file written."""

__all__ = [
    "CONVERTERS",
    "DATA_SETS",
    "FORMATS",
    "WRITERS",
    "LayoutError",
    "Skipped",
    "items",
    "rows",
    "samples",
]


def items(name: str, root: Path) -> Entries:
    """List the entries of a data set as it was published, without reading any pixels.

    Args:
        name: a key of `CONVERTERS`.
        root: the folder that holds it.

    Raises:
        ValueError: no such converter.
        LayoutError: the folder looks otherwise; the message draws what was expected and found.
    """
    if name not in CONVERTERS:
        raise ValueError(f"no converter {name!r}; there are {', '.join(CONVERTERS)}")
    return _items(name, CONVERTERS[name], root)


def rows(
    name: str, root: Path, work: Path, skip: Callable[[Skipped], None] = lambda _: None
) -> Iterator[Row]:
    """Read a data set into manifest rows, with masks (and packed pictures) as files.

    Args:
        name: a key of `CONVERTERS`.
        root: the folder that holds it; never written to.
        work: folder for what has to be written: masks/ and, where pictures are packed, images/.
        skip: told of every entry that cannot be used, and why.

    Raises:
        ValueError: see `items`.
        OSError: `work` cannot be written to.
    """
    for entry in items(name, root):
        row = entry if isinstance(entry, Skipped) else stored(entry, work)
        if isinstance(row, Skipped):
            skip(row)
        else:
            yield row


def samples(
    name: str, root: Path, work: Path, skip: Callable[[Skipped], None] = lambda _: None
) -> Iterator[ForensicSample]:
    """Read a data set into labelled samples; arguments and errors as `rows`.

    Paths are those of the files, absolute where `root` and `work` are. An untouched picture has no
    mask file. A tampered one without a mask was published without.
    """
    for row in rows(name, root, work, skip):
        yield row.sample
