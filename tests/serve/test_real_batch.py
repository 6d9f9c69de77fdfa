"""A batch with the shipped checkpoint: what one picture after the other gives, it gives as well."""

import json
from pathlib import Path
from typing import Any

import cv2
import pytest

from morelli.data_pipeline.report import canonical
from morelli.data_pipeline.sample import make_sample
from morelli.serve.cli import main


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return three pictures whose readings, prompts and words differ in length."""
    folder = tmp_path_factory.mktemp("photos")
    make_sample(folder / "sample.jpg")
    pixels = cv2.imread(str(folder / "sample.jpg"))
    (folder / "sample.jpg").unlink()
    paths = [folder / name for name in ("left.jpg", "right.png", "small.jpg")]
    cv2.imwrite(str(paths[0]), pixels[:200, :200])
    cv2.imwrite(str(paths[1]), pixels[-150:, -220:])
    cv2.imwrite(str(paths[2]), cv2.resize(pixels, (180, 120), interpolation=cv2.INTER_AREA))
    return paths


def records(out: Path) -> dict[str, dict[str, Any]]:
    lines = (out / "reports.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    return {record["image"]["path"]: record for record in found}


def test_a_batch_reports_what_single_examinations_report(
    photos: list[Path], tmp_path: Path
) -> None:
    single, batch = tmp_path / "single", tmp_path / "batch"
    assert main(["examine", *map(str, photos), "--out", str(single)]) == 0
    assert main(["report", str(photos[0].parent), "--out", str(batch), "--at-once", "1"]) == 0
    alone, together = records(single), records(batch)
    assert set(alone) == set(together) == set(map(str, photos))
    for path, record in alone.items():
        assert together[path]["rationale"] == record["rationale"]
        assert canonical(together[path]) == canonical(record)
    images = [
        {path.relative_to(out): path.read_bytes() for path in out.rglob("*.png")}
        for out in (single, batch)
    ]
    assert images[0] == images[1]
    assert any(record["rationale"] for record in alone.values())
