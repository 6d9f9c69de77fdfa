"""One thing that is wrong with a manifest."""

from dataclasses import dataclass

DROP = "drop"
ONE_IMAGE_MARK = "one image mark"
BINARY_MASK = "binary mask"
MOVE = "move to "
"""Repairs; the last is followed by the name of a split."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with one line.

    Attributes:
        line: in the manifest, from 1.
        kind: in few words; problems are counted by it.
        message: what was found, with the values.
        repair: what `--fix` does about it, "" if it is left as it is.
    """

    line: int
    kind: str
    message: str
    repair: str = ""
