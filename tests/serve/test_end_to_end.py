"""The program as a user has it: the shipped checkpoint, a real picture, the command line."""

import json
from pathlib import Path

import cv2
import pytest

from morelli.data_pipeline.report import validate
from morelli.data_pipeline.sample import make_sample
from morelli.serve.cli import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Examine the sample forgery, a text file called a picture and a missing path, together."""
    out = tmp_path_factory.mktemp("reports")
    sample = out / "sample.jpg"
    make_sample(sample)
    liar = out / "text.jpg"
    liar.write_text("this is no picture")
    paths = [str(liar), str(sample), str(out / "missing.png")]
    assert main(["examine", *paths, "--out", str(out / "reports")]) == 1
    return out / "reports"


@pytest.fixture(scope="module")
def records(folder: Path) -> list[dict[str, object]]:
    lines = (folder / "reports.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_bad_files_get_an_error_object_and_the_picture_is_still_examined(
    records: list[dict[str, object]],
) -> None:
    for record in records:
        validate(record)
    codes = [record["error"]["code"] if "error" in record else None for record in records]
    assert codes == ["not_an_image", None, "missing"]


def test_map_and_mask_have_the_size_of_the_picture_and_agree_with_the_verdict(
    folder: Path, records: list[dict[str, object]]
) -> None:
    record = records[1]
    size = (record["image"]["height"], record["image"]["width"])
    soft = cv2.imread(str(folder / record["map"]["path"]), cv2.IMREAD_UNCHANGED)
    assert soft.shape == size
    assert (record["mask"] is not None) == (record["verdict"] == "tampered")
    if record["mask"]:
        mask = cv2.imread(str(folder / record["mask"]["path"]), cv2.IMREAD_UNCHANGED)
        assert mask.shape == size
        assert set(mask.ravel().tolist()) <= {0, 255}


def test_the_words_are_the_trained_models_and_most_of_them_are_shown(
    records: list[dict[str, object]],
) -> None:
    record = records[1]
    assert record["run"]["words"] > 20
    assert len(record["findings"]) > record["withheld"]


def test_the_page_is_one_file_that_shows_the_verdict(
    folder: Path, records: list[dict[str, object]]
) -> None:
    (page,) = folder.rglob("report.html")
    text = page.read_text()
    assert records[1]["image"]["sha256"] in text
    assert "http://" not in text.replace("http://www.w3.org", "")
    assert 'src="data:image/' in text or "url(data:image/" in text
