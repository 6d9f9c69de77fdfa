"""LOKI (Ye et al., ICLR 2025): questions about pictures, and what people found odd in them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from math import ceil, floor
from pathlib import Path
from string import ascii_uppercase
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morelli.data_pipeline.converters.chats import records
from morelli.data_pipeline.schema import ForensicSample, Verdict
from morelli.eval.benchmarks.item import Item
from morelli.eval.questions import Option, Question

LAYOUT = """\
data_json/image/true_or_false.json   multi_choice.json   open_ended_vqa.json, lists of
    {"id", "image_path": "media_data/image/....jpg" (two of them to choose from), "question_type",
    "answer": "Yes", "No", "A" or "B"}; instead of the answer, the last has
    "problems": {"global": [{"desc"}], "regional": [{"desc", "region": [x, y, width, height]}]}
media_data/image/...   the pictures"""

PROTOCOL = """\
the image part; video, 3D, audio and text are left out. No question is read. True or false:
generated is synthetic, from the real world is authentic, so tampered is neither; inconclusive is
wrong. Which of two: the one with the higher (lower) probability of synthetic. Accuracy is of all
questions; real and fake balanced is LOKI's own figure. Explanation: ROUGE-L, BLEU and CSS to the
annotators' words, and F1 of the pixels in their boxes, not LOKI's GPT-4o scores"""

_TYPE = re.compile(r"image_(?:tf_image_(real|fake)_ask|mc_(real|fake)_from)_(real|fake)_(\w+)")

_GENERATED: Option = (Verdict.SYNTHETIC,)
_NOT_GENERATED: Option = (Verdict.AUTHENTIC, Verdict.TAMPERED)
_REAL: Option = (Verdict.AUTHENTIC,)
_NOT_REAL: Option = (Verdict.TAMPERED, Verdict.SYNTHETIC)

_YES_NO: Mapping[str, tuple[Option, Option]] = {
    "fake": (_GENERATED, _NOT_GENERATED),
    "real": (_REAL, _NOT_REAL),
}
"""Yes and no to the question whether a picture is that."""


@dataclass(slots=True)
class _Picture:
    """What the files say of one picture."""

    place: str
    verdict: Verdict
    part: str | None = None
    questions: list[Question] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    boxes: list[list[float]] = field(default_factory=list)


def read_loki(root: Path) -> Iterator[Item]:
    """Yield each picture once, with all that is asked about it.

    Raises:
        OSError: a file cannot be read.
        ValueError: one is missing or not as published; the message has file and entry.
    """
    pictures: dict[str, _Picture] = {}
    for name, add in (
        ("true_or_false", _add_yes_or_no),
        ("multi_choice", _add_choice),
        ("open_ended_vqa", _add_explanation),
    ):
        table = root / "data_json" / "image" / f"{name}.json"
        if not table.is_file():
            raise ValueError(f"{table} does not exist; expected\n{LAYOUT}")
        for where, record in records(table):
            try:
                add(pictures, where, record)
            except (KeyError, IndexError, TypeError, ValueError) as error:
                raise ValueError(f"{where}: not as published: {error!r}") from None
    for name, one in pictures.items():
        yield _item(root, name, one)


def _add_yes_or_no(pictures: dict[str, _Picture], where: str, record: dict[str, Any]) -> None:
    shown, _, asked, part = _type(record)
    name = str(record["image_path"])
    one = _picture(pictures, where, name, shown == "fake")
    one.part = part
    answer = ("yes", "no").index(str(record["answer"]).strip().lower())
    one.questions.append(
        Question(record["id"], "true or false", part, shown, (name,), _YES_NO[asked], answer)
    )


def _add_choice(pictures: dict[str, _Picture], where: str, record: dict[str, Any]) -> None:
    _, sought, _, part = _type(record)
    names = tuple(map(str, record["image_path"]))
    answer = list(ascii_uppercase).index(str(record["answer"]).strip())
    option = _GENERATED if sought == "fake" else _NOT_GENERATED
    options = (option,) * len(record["choices"])
    question = Question(record["id"], "multiple choice", part, sought, names, options, answer)
    for index, name in enumerate(names):
        one = _picture(pictures, where, name, (index == answer) == (sought == "fake"))
        one.part = one.part or part
    pictures[names[0]].questions.append(question)


def _add_explanation(pictures: dict[str, _Picture], where: str, record: dict[str, Any]) -> None:
    one = _picture(pictures, where, str(record["image_path"]), True)
    problems = record["problems"]
    for problem in (*problems["global"], *problems["regional"]):
        if problem["desc"]:
            one.words.append(str(problem["desc"]))
    for problem in problems["regional"]:
        x, y, width, height = map(float, problem["region"])
        one.boxes.append([x, y, width, height])


def _type(record: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """Return what is shown and sought (one of them ""), what is asked or chosen from, the part."""
    found = _TYPE.fullmatch(record["question_type"])
    if found is None:
        raise ValueError(f"question_type {record['question_type']}")
    shown, sought, other, part = found.groups(default="")
    return shown, sought, other, part


def _picture(pictures: dict[str, _Picture], where: str, name: str, fake: bool) -> _Picture:
    verdict = Verdict.SYNTHETIC if fake else Verdict.AUTHENTIC
    one = pictures.setdefault(name, _Picture(where, verdict))
    if one.verdict is not verdict:
        raise ValueError(f"{name} is {verdict} here, {one.verdict} in {one.place}")
    return one


def _item(root: Path, name: str, one: _Picture) -> Item:
    sample = ForensicSample(
        id=name,
        image=root / name,
        verdict=one.verdict,
        source="loki" if one.part is None else f"category {one.part}",
        answer=" ".join(one.words) or None,
    )
    draw = partial(_drawn, one.boxes) if one.boxes else None
    return Item("loki", sample, one.place, draw, questions=tuple(one.questions))


def _drawn(boxes: list[list[float]], height: int, width: int) -> NDArray[np.bool_]:
    """Return (height, width), True in boxes of x, y, width, height, with pixels cut by an edge."""
    mask = np.zeros((height, width), bool)
    for x, y, wide, high in boxes:
        rows = slice(max(floor(y), 0), max(ceil(y + high), 0))
        mask[rows, max(floor(x), 0) : max(ceil(x + wide), 0)] = True
    return mask
