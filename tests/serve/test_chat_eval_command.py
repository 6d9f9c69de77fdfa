import json
from pathlib import Path

import pytest

from morelli.data_pipeline.schema import Verdict
from morelli.eval.chat import Reply, Talk
from morelli.eval.chat_facts import Facts, ReadingFacts
from morelli.eval.chat_questions import KINDS, ask
from morelli.eval.predictions import FILE
from morelli.model.checkpoint import LIST, read_list, write_list
from morelli.model.convert_weights import sha256_of
from morelli.serve import cli

NOISE = ReadingFacts("noise", "normal", None, (1.2, 1.0, 1.73), 0.9, told=True)
SHARES = {"authentic": 0.8, "tampered": 0.15, "synthetic": 0.05}
FACTS = Facts(Verdict.AUTHENTIC, SHARES, (0.1, 0.3), None, (), (NOISE,))
SAID = "Nothing is marked, and I do not know more: the noise reading is normal. It is authentic."


def _write(out: Path, checkpoint: str, pictures: int = 3) -> None:
    out.mkdir()
    with (out / FILE).open("w") as file:
        for picture in range(pictures):
            replies = tuple(
                Reply(number, ask(number, FACTS), SAID, SAID, 0, 20, 0.1)
                for number in range(picture * len(KINDS), (picture + 1) * len(KINDS))
            )
            file.write(json.dumps(Talk(f"p{picture}", checkpoint, FACTS, replies).as_json()) + "\n")


def test_replies_that_are_there_are_scored_stored_and_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    write_list(folder, "some", "1", {})
    _write(tmp_path / "out", sha256_of(folder / LIST))
    words = ["eval", "chat", "--only-score", "--out", str(tmp_path / "out")]
    assert cli.main([*words, "--store", "--checkpoint", str(folder)]) == cli.DONE
    printed = capsys.readouterr().out
    assert "24 questions about 3 pictures" in printed
    # One reply to everything is true, and answers nothing.
    assert "| right | 24 | 0.000 [0.000, 0.000] | 0.000 [0.000, 0.000] |" in printed
    assert "| verdict kept | 24 | 1.000 [1.000, 1.000] | 1.000 [1.000, 1.000] |" in printed
    assert "<b>Your finding, please.</b>" in (tmp_path / "out" / "scores.html").read_text()
    assert read_list(folder)["validation"]["chat"]["verdict kept"]["n"] == 24


@pytest.mark.parametrize(
    ("more", "words"),
    [([], "give --photos DIR"), (["--only-score", "--store"], "--checkpoint DIR")],
)
def test_a_command_line_that_lacks_something_says_what(
    more: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["eval", "chat", *more]) == 2
    assert words in capsys.readouterr().err


def test_replies_that_cannot_be_read_are_named_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _write(tmp_path / "out", "f" * 64)
    with (tmp_path / "out" / FILE).open("a") as file:
        file.write("{}\n")
    assert cli.main(["eval", "chat", "--only-score", "--out", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert f"{FILE}:4: lacks 'replies'" in error
    assert error.count("\n") == 1
