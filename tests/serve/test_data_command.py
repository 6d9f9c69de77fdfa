import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from morelli.data_pipeline.converters import DATA_SETS, FORMATS
from morelli.serve import data_command
from morelli.serve.cli import main


@pytest.fixture
def llava(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    entries = []
    for number, words in enumerate(("This image is fake.", "This image is authentic.")):
        coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8))
        coarse.resize((80, 80)).save(tmp_path / f"{number}.png")
        turns = [{"from": "human", "value": "<image>\nReal?"}, {"from": "gpt", "value": words}]
        entries.append({"id": str(number), "image": f"{number}.png", "conversations": turns})
    (tmp_path / "mine.json").write_text(json.dumps(entries))
    return tmp_path / "mine.json"


def test_the_help_names_every_converter() -> None:
    assert tuple(DATA_SETS) == data_command.DATA_SETS
    assert tuple(FORMATS) == data_command.FORMATS


def test_there_and_back_and_checked_and_shown(
    llava: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest, sheet = tmp_path / "out" / "manifest.jsonl", tmp_path / "sheet.html"
    assert main(["data", "convert", "llava", str(llava), "--out", str(tmp_path / "out")]) == 0
    swift = ["data", "convert", "manifest", str(manifest), "--to", "swift"]
    assert main([*swift, "--out", str(tmp_path / "swift")]) == 0
    assert main(["data", "validate", str(manifest)]) == 0
    assert main(["data", "show", str(manifest), "--out", str(sheet)]) == 0
    said = capsys.readouterr().out
    assert said.count("2 pictures") == 3
    assert "2 lines checked, 0 problems" in said
    messages = (tmp_path / "swift" / "swift.jsonl").read_text().splitlines()
    assert json.loads(messages[0])["messages"][1]["content"] == "This image is fake."


def test_a_problem_gives_exit_code_one_with_file_and_line(
    llava: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "convert", "llava", str(llava), "--out", str(tmp_path / "out")]) == 0
    (tmp_path / "1.png").unlink()
    assert main(["data", "validate", str(tmp_path / "out" / "manifest.jsonl")]) == 1
    assert "manifest.jsonl:2: missing picture" in capsys.readouterr().out


def test_another_layout_is_answered_with_the_published_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["data", "convert", "columbia", str(tmp_path), "--out", str(tmp_path / "out")]
    assert main(words) == 1
    assert "4cam_splc/edgemask" in capsys.readouterr().err
    assert main(["data", "convert", "columbia", "--layout"]) == 0
    assert "4cam_splc/edgemask" in capsys.readouterr().out
    assert main(["data", "convert", "columbia"]) == 2
