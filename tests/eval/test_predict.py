import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from morelli.data_pipeline.images import ImageError, write_mask
from morelli.eval.evaluate import Selection
from morelli.eval.predict import Case, predict
from morelli.eval.predictions import FILE, read_predictions
from morelli.eval.scoring import score
from morelli.eval.tables import markdown
from morelli.eval.told import READINGS
from morelli.eval.transforms import Transform

CHECKPOINT = "c" * 64
SAVED = (Transform("jpeg", 90),)


def cases_in(folder: Path, changes: tuple[Transform, ...] = ()) -> list[Case]:
    return Selection(["manifest"], folder, changes=changes).cases()


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_each_transform_is_a_version_of_its_own_in_both_classes(
    examiner: Any, forgeries: Path, tmp_path: Path
) -> None:
    path = predict(examiner, CHECKPOINT, cases_in(forgeries, SAVED), tmp_path / "out")
    assert len(examiner.looked) == 12
    versions = {(str(one.label), one.version) for one in read_predictions(path)}
    assert versions == {(label, version) for label in ("tampered", "authentic")
                        for version in ("as is", "JPEG 90")}  # fmt: skip


def test_a_run_goes_on_where_it_was_killed(examiner: Any, forgeries: Path, tmp_path: Path) -> None:
    cases = cases_in(forgeries)
    path = predict(examiner, CHECKPOINT, cases, tmp_path / "out")
    before = path.read_bytes()
    path.write_bytes(before[:-40])
    predict(examiner, CHECKPOINT, cases, tmp_path / "out")
    assert len(examiner.looked) == len(cases) + 1
    assert path.read_bytes() == before


def test_the_pictures_are_only_read(examiner: Any, forgeries: Path, tmp_path: Path) -> None:
    before = content(forgeries)
    predict(examiner, CHECKPOINT, cases_in(forgeries, SAVED), tmp_path / "out")
    assert content(forgeries) == before


def test_predictions_of_another_checkpoint_are_not_mixed_in(
    examiner: Any, forgeries: Path, tmp_path: Path
) -> None:
    predict(examiner, CHECKPOINT, cases_in(forgeries), tmp_path / "out")
    with pytest.raises(ValueError, match="give another --out"):
        predict(examiner, "d" * 64, cases_in(forgeries), tmp_path / "out")


def test_a_moved_mask_is_kept_beside_the_predictions(
    examiner: Any, forgeries: Path, tmp_path: Path, red_box: NDArray[np.bool_]
) -> None:
    crop = (Transform("crop", 0.75),)
    path = predict(examiner, CHECKPOINT, cases_in(forgeries, crop), tmp_path / "out")
    (cropped,) = [one for one in read_predictions(path) if one.key[1:] == ("0.jpg", "crop 0.75")]
    assert cropped.mask is not None
    assert cropped.mask.parent == tmp_path / "out" / "truth"
    crops = [one for one in score(path)["sets"] if one["version"] == "crop 0.75"]
    assert {one["pixel"]["f1"]["value"] > 0.9 for one in crops} == {True}


def test_a_picture_that_is_none_stops_the_run_and_keeps_what_was_done(
    examiner: Any, forgeries: Path, tmp_path: Path
) -> None:
    (forgeries / "5.jpg").write_bytes(b"no picture")
    with pytest.raises(ImageError, match=r"5\.jpg"):
        predict(examiner, CHECKPOINT, cases_in(forgeries), tmp_path / "out")
    assert len(list(read_predictions(tmp_path / "out" / FILE))) == 5


def test_a_mask_of_another_size_is_named_with_the_line_of_the_manifest(
    examiner: Any, forgeries: Path, tmp_path: Path
) -> None:
    write_mask(np.ones((80, 80), bool), forgeries / "2-mask.png")
    with pytest.raises(ValueError, match=r"manifest\.csv:4: .*80 x 80 pixels but its picture 128"):
        predict(examiner, CHECKPOINT, cases_in(forgeries), tmp_path / "out")


def test_words_are_asked_for_and_scored(examiner: Any, forgeries: Path, tmp_path: Path) -> None:
    path = predict(examiner, CHECKPOINT, cases_in(forgeries), tmp_path / "out", words=True)
    text = score(path)["sets"][0]["text"]
    assert text["parse_rate"]["value"] == text["agreement"]["value"] == 1.0
    assert text["words"] == {"value": 3.0, "low": 3.0, "high": 3.0, "n": 4}
    # the words point to the upper left, which the red box reaches into; its centre is the centre
    assert text["pointing"]["value"] == 0.0
    assert text["true_precision"]["value"] == 1.0
    assert text["true_coverage"]["value"] == pytest.approx(12 * 12 / (40 * 50))


def test_the_table_reader_is_wrong_on_authentic_pictures_where_silence_is_right(
    examiner: Any, forgeries: Path, tmp_path: Path
) -> None:
    path = predict(examiner, CHECKPOINT, cases_in(forgeries), tmp_path / "out", words=True)
    text = score(path)["sets"][0]["text"]
    plain = text["table_reader"]
    # it speaks of the upper left of every picture: true of the two tampered ones of four
    assert (plain["true_precision"]["value"], plain["true_precision"]["n"]) == (0.5, 4)
    assert plain["true_coverage"]["value"] == text["true_coverage"]["value"]


def test_other_readings_are_versions_of_their_own(
    examiner: Any, forgeries: Path, tmp_path: Path
) -> None:
    cases = Selection(["manifest"], forgeries, readings=list(READINGS)).cases()
    path = predict(examiner, CHECKPOINT, cases, tmp_path / "out", words=True)
    assert examiner.seen == list(dict.fromkeys(examiner.looked))
    assert examiner.explained == [8, 8, 8]
    told = dict(zip((case.key for case in cases), examiner.told, strict=True))
    assert len(told) == 6 * 4
    for (_, _, version), one in told.items():
        assert (one is None) == (version == "as is")
    scores = score(path)
    rows = [row["version"] for row in scores["told"] if row["set"] == "boxes"]
    assert rows == ["as is", "readings removed", "readings shuffled", "readings contradicting"]
    assert scores["robustness"] == []
    flips = [row["flip_rate"] for row in scores["told"] if row["set"] == "boxes"]
    assert flips[0] is None
    assert flips[1]["value"] == 0.0
    readers = [one["text"]["table_reader"] for one in scores["sets"] if one["set"] == "boxes"]
    assert [reader is None for reader in readers] == [False, True, True, True]
    assert "If other readings are told" in markdown(scores)


def test_shuffled_readings_come_from_every_other_picture_of_the_set_once(forgeries: Path) -> None:
    cases = Selection(["manifest"], forgeries, readings=["shuffled"]).cases()
    pairs = {(case.item.sample.image, case.other) for case in cases if case.readings}
    assert all(own != other for own, other in pairs)
    assert {own for own, _ in pairs} == {other for _, other in pairs}
    with pytest.raises(ValueError, match="need a second"):
        Selection(["manifest"], forgeries, limit=1, readings=["shuffled"]).cases()


def change_last(path: Path, **changes: Any) -> None:
    lines = path.read_text().splitlines()
    lines[-1] = json.dumps(json.loads(lines[-1]) | changes)
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"label": "fake"}, "fake"),
        ({"label": "inconclusive"}, "inconclusive"),
        ({"id": "4.jpg"}, "twice"),
        ({"probability": {}}, "lacks"),
        ({"probability": {"authentic": float("nan"), "tampered": 0, "synthetic": 0}}, "NaN"),
        ({"probability": {"authentic": 0.3, "tampered": 0.3, "synthetic": 0}}, "sum to 1"),
        ({"interval": [0.9, 0.1]}, "low, high"),
        ({"verdict": "forged"}, "forged"),
        ({"maps": {"model": "maps/gone.png"}}, "no 8-bit grey map"),
        ({"maps": None}, "items"),
        ({"answer": {"rationale": "", "withheld": -1, "findings": []}}, "cannot be -1"),
        ({"answer": {"rationale": "", "withheld": 0, "findings": [{}]}}, "lacks"),
    ],
)
def test_a_broken_line_is_named(
    examiner: Any, forgeries: Path, tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    path = predict(examiner, CHECKPOINT, cases_in(forgeries), tmp_path / "out")
    change_last(path, **changes)
    with pytest.raises(ValueError, match=rf"{FILE}:6: .*{reason}"):
        score(path)
