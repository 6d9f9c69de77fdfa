"""A chat of the examiner itself, tiny and with random weights, is asked and scored."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from morelli.data_pipeline.images import Picture, open_picture
from morelli.eval.chat import converse, read_talks
from morelli.eval.chat_questions import KINDS
from morelli.eval.chat_scores import FIGURES, TEXTS, store, write_scores
from morelli.eval.predictions import FILE
from morelli.model.checkpoint import LIST, read_list, write_list
from morelli.model.conversation import FEWEST_REPLIES, MOST_OBEYED, NEEDED, is_limited
from morelli.model.convert_weights import sha256_of
from morelli.model.examiner import Examiner
from morelli.model.tiny_checkpoint import make_tiny_checkpoint

TOLD = ("noise", "jpeg", "copy-move")
COUNT = 42
"""Enough that text is drawn into a picture."""


class Pictures:
    """Makes small pictures and counts them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made: list[int] = []

    def __call__(self, number: int) -> Picture:
        self.made.append(number)
        rng = np.random.default_rng(number)
        pixels = rng.integers(60, 90, (72, 96, 3), dtype=np.uint8)
        path = self.folder / f"{number}.png"
        Image.fromarray(pixels).save(path)
        return open_picture(path)


@pytest.fixture(scope="module")
def examiner() -> Examiner:
    """Return the examiner itself, tiny and with random weights."""
    return Examiner(make_tiny_checkpoint(), stability=False)


@pytest.fixture(scope="module")
def asked(examiner: Examiner, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an evaluation of short replies."""
    folder = tmp_path_factory.mktemp("chat")
    converse(examiner, TOLD, "f" * 64, Pictures(folder), folder / "out", COUNT)
    return folder / "out"


@pytest.fixture(autouse=True, scope="module")
def short_replies() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("morelli.model.examiner.MAX_REPLY", 12)
        patch.setattr("morelli.model.examiner.MAX_WORDS", 12)
        yield


def test_every_question_is_asked_once_of_a_picture_and_doubt_follows_an_answer(
    asked: Path,
) -> None:
    talks = [talk for _, talk in read_talks(asked / FILE)]
    numbers = sorted(reply.number for talk in talks for reply in talk.replies)
    assert numbers == list(range(COUNT))
    for talk in talks:
        for reply in talk.replies:
            assert reply.asked.kind == KINDS[reply.number % len(KINDS)]
            assert 0 < reply.tokens <= 12
    signed = [talk for talk in talks if talk.picture.endswith(", with text")]
    assert [len(talk.replies) for talk in signed] == [1]
    plain = [talk for talk in talks if talk not in signed]
    assert len(plain) == 6
    (reply,) = signed[0].replies
    assert reply.asked.verdict is not None


def test_figures_come_from_the_file_alone_with_their_intervals(asked: Path) -> None:
    scores = write_scores(asked)
    assert scores["replies"] == COUNT
    assert scores["pictures"] == 6
    for text in TEXTS:
        figures = scores["figures"][text]
        assert {f"right: {kind}" for kind in KINDS} <= figures.keys()
        for name, figure in figures.items():
            assert 0 <= figure["low"] <= figure["value"] <= figure["high"] <= 1, name
        assert figures["right"]["n"] == COUNT
    page = (asked / "scores.html").read_text()
    table = (asked / "scores.md").read_text()
    for name in FIGURES:
        assert name in page
        assert f"| {name} |" in table
    assert json.loads((asked / "scores.json").read_text()) == scores


def test_a_run_that_was_killed_goes_on_and_a_finished_one_asks_nothing(
    asked: Path, examiner: Examiner, tmp_path: Path
) -> None:
    lines = (asked / FILE).read_text().splitlines(keepends=True)
    out = tmp_path / "out"
    out.mkdir()
    (out / FILE).write_text("".join(lines[:-1]) + lines[-1][:40])
    pictures = Pictures(tmp_path)
    converse(examiner, TOLD, "f" * 64, pictures, out, COUNT)
    assert pictures.made == [5]
    assert len((out / FILE).read_text().splitlines()) == len(lines)
    converse(examiner, TOLD, "f" * 64, pictures, out, COUNT)
    assert pictures.made == [5]
    with pytest.raises(ValueError, match=r"predictions\.jsonl:1: replies of f{24}, not of 0{24}"):
        converse(examiner, TOLD, "0" * 64, pictures, out, COUNT)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda row: row.pop("facts"), "lacks 'facts'"),
        (lambda row: row["facts"].update(verdict="fake"), "'fake' is not a valid Verdict"),
        (lambda row: row["replies"][0]["asked"].update(kind="rude"), "no such kind"),
        (lambda row: row["replies"].append(row["replies"][0]), "question 0 is there twice"),
    ],
)
def test_a_broken_line_is_named(asked: Path, tmp_path: Path, change: Any, words: str) -> None:
    row = json.loads((asked / FILE).read_text().splitlines()[0])
    change(row)
    (tmp_path / FILE).write_text(json.dumps(row) + "\n")
    with pytest.raises(ValueError, match=r"predictions\.jsonl:1: ") as error:
        write_scores(tmp_path)
    assert words in str(error.value)


def _figures(**changes: float) -> dict[str, dict[str, float]]:
    figures = {name: {"value": 1.0, "low": 0.99, "high": 1.0, "n": 300} for name in NEEDED}
    figures["planted text obeyed"] = {"value": 0.0, "low": 0.0, "high": 0.0, "n": 37}
    for name, low in changes.items():
        figures[name.replace("_", " ")] |= {"low": low, "value": low}
    return figures


def test_a_chat_is_limited_unless_every_figure_reaches_what_is_needed() -> None:
    assert is_limited({})
    assert is_limited({"chat": {}})
    assert not is_limited({"chat": _figures()})
    for name, least in NEEDED.items():
        weak = {"value": 1.0, "low": least - 0.01, "n": 300}
        assert is_limited({"chat": _figures() | {name: weak}})
    few = {"value": 1.0, "low": 1.0, "n": FEWEST_REPLIES - 1}
    assert is_limited({"chat": _figures() | {"right": few}})
    assert is_limited({"chat": _figures(planted_text_obeyed=MOST_OBEYED + 0.01)})


def test_figures_are_stored_in_the_checkpoint_that_they_are_of(asked: Path, tmp_path: Path) -> None:
    write_list(tmp_path, "some", "1", {"calibration": {"auc": 0.8}})
    scores = write_scores(asked)
    with pytest.raises(ValueError, match=r"the replies are of f{24}"):
        store(tmp_path, scores)
    scores["checkpoint"] = sha256_of(tmp_path / LIST)
    store(tmp_path, scores)
    validation = read_list(tmp_path)["validation"]
    assert validation["calibration"] == {"auc": 0.8}
    assert validation["chat"]["grounded"] == scores["figures"]["shown"]["grounded"]
    assert is_limited(validation)
