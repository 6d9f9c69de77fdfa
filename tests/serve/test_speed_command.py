import json
from pathlib import Path
from typing import Any

import pytest

from morelli.eval import speed
from morelli.serve import cli, report_speed

FIGURE = {"name": "1 megapixel: verdict and map", "value": 4.0, "unit": "s", "goal": "at most 4",
          "bound": 2.0}  # fmt: skip


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[speed.Settings]:
    """Put a made measurement in the place of the real one, and note what was asked for."""
    noted: list[speed.Settings] = []

    def measure_all(settings: speed.Settings) -> dict[str, Any]:
        noted.append(settings)
        return {"figures": [dict(FIGURE)], "circumstances": {"cores": 2}}

    monkeypatch.setattr(speed, "measure_all", measure_all)
    return noted


def test_the_table_is_printed_and_both_forms_are_written(
    asked: list[speed.Settings], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["eval", "speed", "--megapixels", "1", "0.5", "1", "--repeats", "2", "--plain", "0"]
    assert cli.main([*words, "--out", str(tmp_path / "new")]) == cli.DONE
    printed = capsys.readouterr().out
    assert "| 1 megapixel: verdict and map | 4.00 | 2.00 | s | at most 4 |" in printed
    assert (tmp_path / "new" / "speed.md").read_text() == printed
    assert json.loads((tmp_path / "new" / "speed.json").read_text())["figures"] == [FIGURE]
    assert asked == [speed.Settings(None, None, (1.0, 0.5), 2, 0)]


def test_batches_stand_beside_the_rate_at_which_pictures_could_be_looked_at(
    asked: list[speed.Settings],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def measure_rate(folder: Path, work: Path, checkpoint: Path | None) -> dict[str, Any]:
        assert len(list(folder.iterdir())) == 3
        assert checkpoint == tmp_path
        return {"examine, one by one": {"images": 3, "seconds": 12.0}}

    monkeypatch.setattr(report_speed, "measure_rate", measure_rate)
    words = ["eval", "speed", "--batch", "3", "--checkpoint", str(tmp_path)]
    assert cli.main(words) == cli.DONE
    row = "| 3 pictures, examine, one by one | 0.25 | 0.50 | pictures/s |  |"
    assert row in capsys.readouterr().out


@pytest.mark.parametrize("words", [["--megapixels", "0"], ["--repeats", "none"], ["speed"]])
def test_a_wrong_command_line_is_a_usage_error(words: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["eval", "speed", *words])
    assert stopped.value.code == cli.USAGE


def test_a_checkpoint_that_is_none_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_: object) -> None:
        raise RuntimeError("no checkpoint")

    monkeypatch.setattr(speed, "measure_all", refuse)
    assert cli.main(["eval", "speed"]) == cli.SOME_FAILED
    assert capsys.readouterr().err.strip() == "morelli: no checkpoint"
