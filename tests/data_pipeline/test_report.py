import json
import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from morelli.data_pipeline.images import Picture, open_picture
from morelli.data_pipeline.report import (
    ErrorReport,
    Report,
    ReportError,
    ReportPaths,
    canonical,
    to_line,
    validate,
)
from morelli.data_pipeline.schema import Box, Finding, Measurement, Polarity, Status, Verdict

HEIGHT, WIDTH = 72, 96

DESIGN_ORDER = [
    "schema", "image", "verdict", "probability", "interval", "mask", "map", "manipulation",
    "measurements", "findings", "rationale", "withheld", "stability", "metadata", "model", "prior",
    "operating_point", "validation", "run", "custody", "review", "limits", "seconds",
]  # fmt: skip

PATHS = ReportPaths(map="p/map.png", mask="p/mask.png", instruments={"noise": "p/noise.png"})


@pytest.fixture
def picture(tmp_path: Path) -> Picture:
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), np.full((HEIGHT, WIDTH, 3), 90, np.uint8))
    return open_picture(path)


def report(picture: Picture, **changes: Any) -> Report:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[: HEIGHT // 2, : WIDTH // 2] = True
    noise = Measurement(
        "noise", 2.4, "times", (0.6, 1.6), 0.8, "Grainy.", np.zeros((HEIGHT, WIDTH), np.float32)
    )
    finding = Finding(
        id="F1",
        instrument="noise",
        polarity=Polarity.ANOMALOUS,
        place="upper left",
        box=Box(0, 0, 10, 10),
        statement="Grainy.",
        value=2.4,
        expected=(0.6, 1.6),
        unit="times",
        reliability=0.8,
        status=Status.CONFIRMED,
        reason="It is outside.",
    )
    fields: dict[str, Any] = {
        "picture": picture,
        "verdict": Verdict.TAMPERED,
        "probability": {"authentic": 0.1, "tampered": 0.7, "synthetic": 0.2},
        "interval": (0.8, 0.95),
        "mask": mask,
        "map": mask.astype(np.float32),
        "manipulation": "splice",
        "measurements": (noise,),
        "findings": (finding,),
        "rationale": "It is grainy [F1].",
        "withheld": 0,
        "stability": [{"transform": "JPEG 90", "probability": 0.9, "verdict": "tampered"}],
        "metadata": {},
        "model": {"name": "tiny", "version": "1", "sha256": "0" * 64, "calibration": "none"},
        "prior": 0.5,
        "operating_point": 0.5,
        "validation": {},
        "run": {"time": "2026-11-23T19:00:00Z", "dtype": "float32"},
        "custody": [{"time": "2026-11-23T19:00:00Z", "action": "read"}],
        "limits": ("None known.",),
        "seconds": {"model": 0.5},
    }
    return Report(**(fields | changes))


def changed(record: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(record))
    *parents, last = path.split(".")
    place: Any = copy
    for name in parents:
        place = place[int(name)] if name.isdecimal() else place[name]
    place[last] = value
    return copy


def test_a_report_has_the_fields_of_the_design_in_their_order(picture: Picture) -> None:
    record = report(picture).as_json(PATHS)
    assert list(record) == DESIGN_ORDER
    assert list(record["image"]) == ["path", "sha256", "bytes", "format", "width", "height"]
    assert list(record["probability"]) == ["authentic", "tampered", "synthetic"]
    validate(record)


def test_the_area_of_the_mask_is_its_share_of_the_picture(picture: Picture) -> None:
    # Half the rows and half the columns are a quarter of the pixels.
    assert report(picture).as_json(PATHS)["mask"] == {"path": "p/mask.png", "area": 0.25}
    assert report(picture).where == "upper left"


def test_an_error_object_is_valid_and_names_its_file() -> None:
    record = ErrorReport("a.jpg", "empty", "a.jpg: holds no bytes").as_json()
    validate(record)
    assert record["image"] == {"path": "a.jpg"}


def test_a_mask_is_refused_unless_the_verdict_is_tampered(picture: Picture) -> None:
    with pytest.raises(ValueError, match="the verdict is authentic"):
        report(picture, verdict=Verdict.AUTHENTIC)
    record = report(picture).as_json(PATHS)
    with pytest.raises(ReportError, match=r"^mask must be null"):
        validate(changed(record, "verdict", "inconclusive"))


def test_arrays_of_another_size_than_the_picture_are_refused(picture: Picture) -> None:
    with pytest.raises(ValueError, match=r"map must have the picture's shape \(72, 96\)"):
        report(picture, map=np.zeros((5, 5), np.float32))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("schema", "morelli.report/2"),
        ("image.sha256", "abc"),
        ("image.width", 0),
        ("verdict", "fake"),
        ("probability.tampered", 0.7 + 2e-6),
        ("probability.tampered", True),
        ("probability.tampered", 1.2),
        ("interval", [0.9, 0.8]),
        ("interval", [0.9]),
        ("interval", [0.9, 1.1]),
        ("mask.area", 1.5),
        ("map.path", None),
        ("measurements.0.value", math.nan),
        ("measurements.0.expected", [0, math.inf]),
        ("measurements.0.reliability", 2),
        ("findings.0.status", "proven"),
        ("findings.0.polarity", "odd"),
        ("findings.0.instrument", "dowsing"),
        ("findings.0.box", [0, 0, WIDTH + 1, 10]),
        ("findings.0.box", [10, 0, 5, 10]),
        ("rationale", "It is grainy [F2]."),
        ("withheld", -1),
        ("stability.0.verdict", "perhaps"),
        ("prior", "half"),
        ("model", []),
        ("limits", ["Fine.", 3]),
        ("seconds.model", -1),
    ],
)
def test_a_broken_field_is_refused_by_its_path(picture: Picture, path: str, value: Any) -> None:
    record = report(picture).as_json(PATHS)
    with pytest.raises(ReportError) as caught:
        validate(changed(record, path, value))
    assert caught.value.path.split(".")[0].split("[")[0] == path.split(".")[0]


@pytest.mark.parametrize("name", [name for name in DESIGN_ORDER if name != "schema"])
def test_a_missing_field_is_refused_by_its_name(picture: Picture, name: str) -> None:
    record = report(picture).as_json(PATHS)
    del record[name]
    with pytest.raises(ReportError, match=name):
        validate(record)


def test_two_findings_may_not_share_an_id(picture: Picture) -> None:
    finding = report(picture).findings[0]
    record = report(picture, findings=(finding, finding)).as_json(PATHS)
    with pytest.raises(ReportError, match="findings"):
        validate(record)


def test_a_line_is_one_line_and_reads_back_in_the_same_order(picture: Picture) -> None:
    record = report(picture, rationale="First\nsecond [F1]. \u00e9").as_json(PATHS)
    line = to_line(record)
    assert "\n" not in line
    assert list(json.loads(line)) == DESIGN_ORDER
    assert json.loads(line) == record


def test_a_file_name_that_is_no_valid_text_can_be_written_and_read_back() -> None:
    record = ErrorReport("a\udcff.jpg", "missing", "gone").as_json()
    assert json.loads(to_line(record).encode()) == record


def test_the_canonical_text_changes_with_the_findings_but_not_with_the_times(
    picture: Picture,
) -> None:
    one = report(picture).as_json(PATHS)
    later = report(
        picture,
        run={"time": "2030-01-01T00:00:00Z", "dtype": "float32"},
        custody=[{"time": "2030-01-01T00:00:00Z", "action": "read"}],
        seconds={"model": 9.0},
    ).as_json(PATHS)
    other = report(picture, prior=0.4).as_json(PATHS)
    assert canonical(one) == canonical(later)
    assert canonical(one) == canonical(dict(reversed(one.items())))
    assert canonical(one) != canonical(other)


def test_a_number_that_is_not_finite_is_never_written(picture: Picture) -> None:
    with pytest.raises(ValueError, match="JSON"):
        to_line(report(picture, seconds={"model": math.nan}).as_json(PATHS))
