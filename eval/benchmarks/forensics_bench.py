"""Forensics-Bench (Wang et al., CVPR 2025): multiple choice about forged pictures, in one table."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import ascii_uppercase
from typing import Final

from morelli.data_pipeline.cells import tsv_rows
from morelli.data_pipeline.schema import CLASSES, ForensicSample, Verdict
from morelli.eval.benchmarks.item import Item
from morelli.eval.questions import Option, Question

LAYOUT = """\
ForensicsBench.tsv (also in LMUData/), columns with tabs between them:
    index, question, A, B, ..., answer (a letter), category (SEMANTICS_TYPE_MODEL_MODALITY_TASK),
    image (base64, or the index of the row that holds the same picture)"""

PROTOCOL = """\
questions about one RGB picture; near-infrared, picture with text, and video are left out. No
question is read: an option is true under the verdicts that its words name (real: authentic;
generated: synthetic; an edit: tampered; forged: either). Morelli names no kind of edit, face or
generator and picks no outline or box, so such options are not told apart: unanswered, wrong, and
not in the share answerable. Accuracy of all questions together is the published Overall over these.
Labels: real is authentic, entire synthesis synthetic, all else, spoofing included, tampered"""

_IMAGES: Final = "visibleimage"
_TASKS: Final[Mapping[str, str]] = {
    "category": "binary classification",
    "seg": "localization (segmentation)",
    "det": "localization (detection)",
}
_VERDICTS: Final[Mapping[str, Verdict]] = {
    "real": Verdict.AUTHENTIC,
    "entiresynthesis": Verdict.SYNTHETIC,
}
"""Of a type; all others are tampered."""

_FORGED: Final[Mapping[Option, frozenset[str]]] = {
    (Verdict.TAMPERED, Verdict.SYNTHETIC): frozenset(
        {"fake", "faked", "forged", "forgery", "deepfake"}
    ),
    (Verdict.SYNTHETIC,): frozenset(
        {"generated", "synthesis", "synthesized", "synthesised", "synthetic"}
    ),
    (Verdict.TAMPERED,): frozenset(
        {"altered", "copy", "edit", "edited", "editing", "inpainted", "inpainting", "manipulated",
         "manipulation", "reenacted", "reenactment", "removal", "removed", "spliced", "splicing",
         "swap", "swapped", "swapping", "tampered", "tampering"}
    ),
}  # fmt: skip
_REAL: Final = frozenset({"authentic", "genuine", "pristine", "real", "unaltered", "untouched"})
_NEGATIONS: Final = frozenset({"isn", "neither", "never", "no", "non", "nor", "not", "without"})
_UNSEEN: Final = frozenset({"caption", "spoof", "spoofing", "text"})
"""What an option may say that no verdict speaks of."""


@dataclass(slots=True)
class _Picture:
    """What the rows say of one picture."""

    place: str
    kind: str
    questions: list[Question] = field(default_factory=list)


def read_forensics_bench(root: Path) -> Iterator[Item]:
    """Yield each RGB picture once, with all that is asked about it.

    Raises:
        OSError: the table cannot be read.
        ValueError: it is missing or not as published; the message has the index of the row.
    """
    places = (root / "ForensicsBench.tsv", root / "LMUData" / "ForensicsBench.tsv")
    table = next((path for path in places if path.is_file()), None)
    if table is None:
        raise ValueError(f"{places[0]} does not exist; expected\n{LAYOUT}")
    pictures: dict[str, _Picture] = {}
    for row in tsv_rows(table):
        place = f"{table}: index {row['index']}"
        try:
            _add(pictures, place, row)
        except (KeyError, ValueError) as error:
            raise ValueError(f"{place}: not as published: {error!r}") from None
    if not pictures:
        raise ValueError(f"{table} holds no question about a picture of {_IMAGES}")
    for name, one in pictures.items():
        verdict = _VERDICTS.get(one.kind, Verdict.TAMPERED)
        kind = None if verdict is Verdict.AUTHENTIC else one.kind
        sample = ForensicSample(name, table / name, verdict, kind=kind, source="forensicsbench")
        yield Item("forensicsbench", sample, one.place, questions=tuple(one.questions))


def _add(pictures: dict[str, _Picture], place: str, row: Mapping[str, str]) -> None:
    _, kind, _, modality, task = row["category"].split("_")
    if modality != _IMAGES:
        return
    one = pictures.setdefault(row["image"], _Picture(place, kind))
    if one.kind != kind:
        raise ValueError(f"its picture is {kind} here, {one.kind} in {one.place}")
    letters = [letter for letter in ascii_uppercase if row.get(letter, "").strip()]
    options = tuple(option_of(row[letter]) for letter in letters)
    answer = letters.index(row["answer"].strip())
    one.questions.append(
        Question(row["index"], _TASKS[task], kind, None, (row["image"],), options, answer)
    )


def option_of(text: str) -> Option:
    """Return the verdicts under which the words of an option are true, none where they say more.

    Words that contradict each other, and negations other than "real media without being forged",
    as the benchmark calls them, are not guessed at.
    """
    words = set(re.findall(r"[a-z]+", text.lower()))
    if words & _UNSEEN:
        return ()
    forged = [set(option) for option, named in _FORGED.items() if words & named]
    negations = words & _NEGATIONS
    if words & _REAL:
        sure = negations == ({"without"} if forged else set())
        return (Verdict.AUTHENTIC,) if sure else ()
    if not forged or negations:
        return ()
    true = set.intersection(*forged)
    return tuple(verdict for verdict in CLASSES if verdict in true)
