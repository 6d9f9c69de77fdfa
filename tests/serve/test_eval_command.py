import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from morelli.data_pipeline.images import Picture
from morelli.data_pipeline.schema import Verdict
from morelli.eval import evaluate
from morelli.eval.benchmarks.registry import BENCHMARKS
from morelli.eval.evaluate import predict
from morelli.serve import cli
from morelli.serve.eval_command import BENCHMARK_NAMES


class Examiner:
    """Calls everything tampered, everywhere."""

    def look(self, picture: Picture, told: Any = None) -> Any:
        return SimpleNamespace(
            probability={"authentic": 0.25, "tampered": 0.5, "synthetic": 0.25},
            interval=(0.5, 0.9),
            verdict=Verdict.TAMPERED,
            map=np.ones((picture.height, picture.width), np.float32),
            seconds={},
        )


@pytest.fixture
def columbia(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a tiny Columbia tree, and put a fake examiner in the place of the real one."""

    def look_at(cases: Any, checkpoint: Any, out: Path, words: bool, device: str) -> Path:
        return predict(Examiner(), "fake", cases, out, words)  # type: ignore[arg-type]

    monkeypatch.setattr(evaluate, "look_at", look_at)
    root = tmp_path / "columbia"
    pixels = np.random.default_rng(0).integers(0, 255, (80, 80, 3), np.uint8)
    edges = np.zeros((80, 80, 3), np.uint8)
    edges[..., 0], edges[:40, :, 0], edges[:40, :, 1] = 200, 0, 200
    for name in ("4cam_auth/a.tif", "4cam_splc/b.tif", "4cam_splc/edgemask/b_edgemask.jpg"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(edges if "edgemask" in name else pixels).save(root / name)
    return root


def test_an_evaluation_prints_tables_and_writes_every_form(
    columbia: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = ["eval", "columbia", "--data", str(columbia), "--out", str(out)]
    assert cli.main([*words, "--transform", "jpeg:80"]) == cli.DONE
    printed = capsys.readouterr().out
    assert "| columbia | JPEG 80 |" in printed
    for ending in ("json", "md", "csv", "html"):
        assert (out / f"scores.{ending}").stat().st_size > 500
    scores = json.loads((out / "scores.json").read_text())
    assert scores["protocols"] == {"columbia": BENCHMARKS["columbia"].protocol}
    assert cli.main(["eval", "columbia", "--out", str(out), "--only-score"]) == cli.DONE


def test_the_layout_of_every_benchmark_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["eval", *BENCHMARK_NAMES, "--layout"]) == cli.DONE
    printed = capsys.readouterr().out
    for name, one in BENCHMARKS.items():
        assert f"{name}: {one.title}" in printed
        assert one.layout.splitlines()[0] in printed


def test_the_names_of_the_command_are_those_of_the_table() -> None:
    assert tuple(BENCHMARKS) == BENCHMARK_NAMES


@pytest.mark.parametrize(
    "words",
    [["casia"], ["casia1"], ["casia1", "--data", ".", "--transform", "melt"],
     ["casia1", "--data", ".", "--attack", "pgd:1.5x"],
     ["casia1", "--data", ".", "--tool", ".", "--transform", "jpeg:90"]],
)  # fmt: skip
def test_a_wrong_command_line_is_a_usage_error(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        status: Any = cli.main(["eval", *words])
    except SystemExit as stopped:
        status = stopped.code
    assert status == cli.USAGE
    assert capsys.readouterr().err


def test_a_folder_of_another_layout_is_told_what_was_expected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["eval", "casia1", "--data", str(tmp_path), "--out", str(tmp_path / "out")]
    assert cli.main(words) == cli.SOME_FAILED
    complaint = capsys.readouterr().err
    assert complaint.startswith("morelli: ")
    assert BENCHMARKS["casia1"].layout.splitlines()[0] in complaint
