"""The measurement of batches, on a tiny model with random weights."""

import json
from pathlib import Path
from typing import Any

import pytest

from morelli.serve import report_speed
from morelli.serve.report_speed import main


def test_a_batch_is_measured_beside_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def here(*words: str, checkpoint: str) -> dict[str, float]:
        assert main(["run", *words, "--checkpoint", checkpoint]) == 0
        found: dict[str, float] = json.loads(capsys.readouterr().out)
        return found

    monkeypatch.setattr(report_speed, "_apart", here)
    out = tmp_path / "rate.json"
    words = ["rate", "--count", "3", "--checkpoint", "tiny", "--explain", "all"]
    assert main([*words, "--out", str(out)]) == 0
    figures: dict[str, Any] = json.loads(out.read_text())["figures"]
    assert list(figures) == ["examine, one by one", "report --explain all"]
    for one in figures.values():
        assert (one["images"], one["with words"]) == (3, 3)
        assert min(one.values()) >= 0
    rows = capsys.readouterr().out.splitlines()[2:4]
    assert [row.split("|")[2].strip() for row in rows] == ["3", "3"]
    assert rows[0].split("|")[5].strip() == "1.00"
