from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from morelli.data_pipeline.manifest import Row, rows_of, write_rows
from morelli.data_pipeline.schema import ForensicSample, Verdict
from morelli.serve.cli import main


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (96, 96, 3), np.uint8)).save(tmp_path / "a.png")
    sample = ForensicSample("a", tmp_path / "a.png", Verdict.AUTHENTIC, source="s")
    gone = ForensicSample("b", tmp_path / "b.png", Verdict.AUTHENTIC, source="t")
    write_rows([Row(sample), Row(gone)], tmp_path / "m.jsonl")
    return tmp_path / "m.jsonl"


def test_the_grammar_annotates_and_names_what_it_could_not_open(
    manifest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = manifest.parent / "taught.jsonl"
    assert main(["data", "annotate", str(manifest), "--out", str(out)]) == 1
    ((_, row),) = rows_of(out)
    assert row.conversation
    said = capsys.readouterr()
    assert "1 conversations" in said.out
    assert "line 2" in said.err
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("words", [["--endpoint", "http://x/v1"], ["--model", "m"], ["--estimate"]])
def test_half_an_endpoint_is_a_usage_error(manifest: Path, words: list[str]) -> None:
    assert main(["data", "annotate", str(manifest), "--out", "x.jsonl", *words]) == 2


def test_what_is_no_address_is_one_line(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--endpoint", "nowhere", "--model", "m", "--out", str(tmp_path / "x.jsonl")]
    assert main(["data", "annotate", str(manifest), *words]) == 1
    assert "is no address" in capsys.readouterr().err
    assert not (tmp_path / "x.jsonl").exists()
