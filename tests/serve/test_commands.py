"""The commands `report`, `chat`, `serve` and `demo`, over a scripted examiner."""

import io
import json
import shutil
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from morelli.data_pipeline.images import Picture
from morelli.data_pipeline.report import Report
from morelli.data_pipeline.schema import Verdict
from morelli.model.conversation import Hear, Turn, Words
from morelli.serve import cli

REPORT = ("report", "--trust-files", "--at-once", "1")


class CheckpointError(RuntimeError):
    """Stands for the one of `morelli.model.checkpoint`."""


class Examiner:
    """Stands for the one of `morelli.model.examiner`, and counts what it is asked."""

    prior = None
    checkpoint = SimpleNamespace(name="fake", version="1", sha256="0" * 64, validation={})
    report_of: Any
    asked: dict[str, Any]

    @classmethod
    def load(cls, checkpoint: Path | None = None, **settings: Any) -> "Examiner":
        if checkpoint is not None:
            raise CheckpointError(f"{checkpoint}\nis damaged")
        return cls()

    def look(self, picture: Picture) -> Any:
        return SimpleNamespace(verdict=verdict_of(picture))

    def speak(self, look: Any, hear: Hear | None = None) -> Words:
        self.asked["spoke"] += 1
        return Words("", 0, 0.0, finished=True)

    def speak_many(self, looks: Sequence[Any]) -> list[Words]:
        return [self.speak(look) for look in looks]

    def sharing_cores(self, count: int) -> AbstractContextManager[None]:
        return nullcontext()

    def report(self, picture: Picture, look: Any, words: Words | None = None) -> Report:
        return type(self).report_of(picture, verdict_of(picture))  # type: ignore[no-any-return]

    def chat(
        self, look: Any, report: Report, turns: Sequence[Turn], hear: Hear | None = None
    ) -> Words:
        self.asked["turns"].append(list(turns))
        return Words("It is\x1b[2J so. This picture is authentic.", 9, 0.0, finished=True)


def verdict_of(picture: Picture) -> Verdict:
    return Verdict.AUTHENTIC if "calm" in picture.path else Verdict.TAMPERED


@pytest.fixture(autouse=True)
def examiner(monkeypatch: pytest.MonkeyPatch, report_of: Any) -> dict[str, Any]:
    """Put it in the place of the real one; return what it was asked."""
    Examiner.report_of, Examiner.asked = staticmethod(report_of), {"spoke": 0, "turns": []}
    for name, content in (("examiner", Examiner), ("checkpoint", CheckpointError)):
        module = ModuleType(f"morelli.model.{name}")
        setattr(module, content.__name__, content)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return Examiner.asked


@pytest.fixture
def folder(photo: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    shutil.copy(photo, folder / "odd.png")
    data = photo.read_bytes()
    (folder / "calm.png").write_bytes(data + b"\0")
    return folder


def records(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "reports.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(("explain", "count"), [("all", 2), ("suspicious", 1), ("none", 0)])
def test_report_writes_words_where_they_are_asked_for(
    folder: Path, tmp_path: Path, examiner: dict[str, Any], explain: str, count: int
) -> None:
    out = tmp_path / "out"
    words = ["report", str(folder), "--out", str(out), "--explain", explain]
    assert cli.main(words) == cli.DONE
    assert len(records(out)) == 2
    assert examiner["spoke"] == count
    assert cli.main(words) == cli.DONE
    assert examiner["spoke"] == count


def test_report_in_shards_is_merged(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    for part in ("1/2", "2/2"):
        assert cli.main([*REPORT, str(folder), "--out", str(out), "--shard", part]) == cli.DONE
    assert cli.main(["report", "--merge", "--out", str(out)]) == cli.DONE
    assert len(records(out)) == 2
    assert "2 examined" in capsys.readouterr().err


def test_a_bad_picture_is_reported_at_the_end_of_every_run(folder: Path, tmp_path: Path) -> None:
    (folder / "bad.jpg").write_text("no picture")
    words = [*REPORT, str(folder), "--out", str(tmp_path / "out")]
    assert [cli.main(words) for _ in range(2)] == [cli.SOME_FAILED] * 2


@pytest.mark.parametrize(
    "words",
    [
        ["report", "--out", "x"],
        ["report", "photos", "--merge", "--out", "x"],
    ],
)
def test_report_needs_either_inputs_or_merge(words: list[str], tmp_path: Path) -> None:
    assert cli.main([word if word != "x" else str(tmp_path) for word in words]) == cli.USAGE


@pytest.mark.parametrize(
    "words",
    [
        ["a.zip", "--out", "x", "--engine", "ray"],
        ["a", "--out", "x", "--engine", "ray", "--shard", "1/2"],
        ["a", "--out", "x", "--cluster", "head:6379"],
        ["a", "--out", "s3://bucket/case"],
    ],
)
def test_what_an_engine_cannot_do_is_said_in_one_line(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["report", *words]) == cli.USAGE
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "a/b", "1/2/3"])
def test_a_shard_that_makes_no_sense_is_refused(shard: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["report", "in", "--out", str(tmp_path), "--shard", shard])
    assert caught.value.code == cli.USAGE


@pytest.mark.parametrize(
    "words",
    [
        ["report", "gone/", "--out", "out"],
        ["report", "in", "--out", "out", "--checkpoint", "bad"],
        ["chat", "gone.jpg"],
        ["chat", "in/odd.png", "--checkpoint", "bad"],
        ["serve", "--host", "0.0.0.0"],
        ["serve", "--keys", "gone.txt"],
        ["serve", "--backend", "http://127.0.0.1:9/v1"],
        ["demo", "--backend", "nowhere"],
    ],
)
def test_what_cannot_begin_is_one_line_and_status_one(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
) -> None:
    monkeypatch.chdir(folder.parent)
    assert cli.main(words) == cli.SOME_FAILED
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_chat_shows_the_examination_and_answers_until_an_empty_line(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    examiner: dict[str, Any],
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("Why?\nAnd where?\n/clear\nWho?\n\nnot read\n"))
    assert cli.main(["chat", str(folder / "odd.png")]) == cli.DONE
    printed = capsys.readouterr().out
    assert "Tampered" in printed
    assert printed.count("It is?[2J so.") == 3
    assert "This picture is authentic" not in printed
    assert "1 withheld" in printed
    questions = [[turn.question for turn in turns] for turns in examiner["turns"]]
    assert questions == [["Why?"], ["Why?", "And where?"], ["Who?"]]
