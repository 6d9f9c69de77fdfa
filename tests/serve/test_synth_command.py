import csv
from pathlib import Path

import pytest
import skimage.data
from PIL import Image

from morelli.data_pipeline.maker import KINDS
from morelli.data_pipeline.maker.shards import FORMATS
from morelli.serve import synth_command
from morelli.serve.cli import main


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["path", "source", "camera", "width", "height"])
        writer.writeheader()
        for name in ("chelsea", "coffee"):
            image = Image.fromarray(getattr(skimage.data, name)())
            image.save(folder / f"{name}.png")
            size = {"width": image.width, "height": image.height}
            row = {"path": f"{name}.png", "source": "scikit-image", "camera": "", **size}
            writer.writerow(row)
    return folder


def test_every_kind_is_listed_with_its_label(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "synth", "--kinds"]) == 0
    listed = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [words[0] for words in listed] == list(KINDS)
    assert {words[1] for words in listed} == {"authentic", "tampered", "synthetic"}


def test_the_help_names_every_format() -> None:
    assert tuple(FORMATS) == synth_command.FORMATS


@pytest.mark.parametrize("form", FORMATS)
def test_a_set_in_any_format_is_made_validated_and_shown(
    form: str, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = tmp_path / "made"
    words = ["data", "synth", "--photos", str(photos), "--out", str(made), "--count", "3"]
    words += ["--side", "96", "--format", form, "--shard", "2"]
    assert main(words) == 0
    assert main(words) == 0
    manifest = made / "manifest.jsonl"
    assert f"{manifest}: 3 pictures" in capsys.readouterr().out
    sheet = tmp_path / "sheet.html"
    assert main(["data", "show", str(manifest), "--out", str(sheet)]) == 0
    assert sheet.read_text(encoding="utf-8").count("data:image/jpeg") == 3
    main(["data", "validate", str(manifest)])
    said = capsys.readouterr().out
    assert "no such file" not in said
    assert "cannot be read" not in said


def test_what_is_missing_or_cannot_be_made_is_said_in_a_line(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "synth", "--photos", str(photos)]) == 2
    assert "give --out and --count" in capsys.readouterr().err
    words = ["data", "synth", "--photos", str(photos), "--out", str(tmp_path), "--count", "1"]
    assert main([*words, "--kind", "collage"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
