import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from morelli.data_pipeline.images import write_map, write_mask
from morelli.eval.evaluate import Selection, write_scores
from morelli.eval.predict import predict
from morelli.eval.scoring import score
from morelli.eval.tables import long_csv, markdown
from morelli.eval.transforms import Transform

CHECKPOINT = "c" * 64


@pytest.fixture
def predicted(examiner: Any, forgeries: Path, tmp_path: Path) -> Path:
    saved = (Transform("jpeg", 90), Transform("blur", 7))
    cases = Selection(["manifest"], forgeries, changes=saved).cases()
    return predict(examiner, CHECKPOINT, cases, tmp_path / "out")


def test_an_examiner_that_finds_the_boxes_scores_one_and_beats_the_baselines(
    predicted: Path,
) -> None:
    boxes = score(predicted)["sets"][0]
    assert (boxes["set"], boxes["version"]) == ("boxes", "as is")
    assert boxes["n"] == {"authentic": 2, "tampered": 2, "synthetic": 0}
    assert boxes["pixel"]["f1"]["value"] > 0.95
    assert boxes["pixel"]["gated_f1"] == boxes["pixel"]["f1"]
    assert boxes["image"]["auc"]["value"] == boxes["image"]["accuracy"]["value"] == 1.0
    assert boxes["false_alarm_area"]["ungated"]["value"] == 0.0
    share = 40 * 50 / (96 * 128)
    everything = boxes["baselines"]["all-altered"]
    assert everything["f1_at_best_threshold"]["value"] == pytest.approx(2 * share / (1 + share))
    margin = boxes["pixel"]["f1"]["value"] - everything["f1_at_best_threshold"]["value"]
    assert everything["margin"]["value"] == pytest.approx(margin)


def test_scores_need_neither_pictures_nor_an_examiner(
    predicted: Path, forgeries: Path, tmp_path: Path
) -> None:
    for path in forgeries.glob("*.jpg"):
        path.unlink()
    written = write_scores(tmp_path / "out", {"manifest": "as given"})
    kept = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert kept == json.loads(json.dumps(written))
    assert kept["checkpoint"] == [CHECKPOINT]
    assert write_scores(tmp_path / "out", {})["protocols"] == {"manifest": "as given"}


def test_every_table_row_is_as_wide_as_its_header(predicted: Path) -> None:
    text = markdown(score(predicted))
    for table in text.split("\n\n"):
        if table.startswith("| "):
            assert len({line.count("|") for line in table.splitlines()}) == 1
    for word in ("Where", "Whether", "Wrongly marked", "After changes", "JPEG 90"):
        assert word in text


def test_the_csv_holds_every_estimate(predicted: Path) -> None:
    scores = score(predicted)
    rows = list(csv.DictReader(long_csv(scores).splitlines()))
    assert len(rows) == json.dumps(scores["sets"]).count('"low"')
    (one,) = [row for row in rows if (row["set"], row["version"], row["part"], row["figure"])
              == ("boxes", "as is", "pixel", "f1")]  # fmt: skip
    assert float(one["value"]) == scores["sets"][0]["pixel"]["f1"]["value"]


def test_a_verdict_that_turns_counts_as_a_flip(predicted: Path) -> None:
    lines = [json.loads(line) for line in predicted.read_text().splitlines()]
    for line in lines:
        if line["version"] == "blur 7" and line["id"] in ("0.jpg", "1.jpg"):
            line["verdict"] = "inconclusive"
    predicted.write_text("".join(json.dumps(line) + "\n" for line in lines))
    flips = {(one["set"], one["version"]): one["flip_rate"]["value"]
             for one in score(predicted)["robustness"]}  # fmt: skip
    assert flips == {("boxes", "JPEG 90"): 0.0, ("boxes", "blur 7"): 0.5,
                     ("more", "JPEG 90"): 0.0, ("more", "blur 7"): 0.0}  # fmt: skip


def line_of(folder: Path, name: str, label: str, verdict: str | None, **more: Any) -> str:
    record = {
        "set": "s", "id": name, "version": "as is", "label": label, "image": f"{name}.jpg",
        "mask": None, "checkpoint": "x", "verdict": verdict, "maps": {},
    }  # fmt: skip
    return json.dumps(record | more) + "\n"


def mapped(
    folder: Path, name: str, heat: NDArray[Any], mask: NDArray[np.bool_] | None
) -> dict[str, Any]:
    write_map(heat, folder / f"{name}-map.png")
    if mask is None:
        return {"maps": {"model": f"{name}-map.png"}}
    write_mask(mask, folder / f"{name}-mask.png")
    return {"maps": {"model": f"{name}-map.png"}, "mask": f"{name}-mask.png"}


def test_a_map_that_the_verdict_hides_counts_as_empty_when_gated(
    tmp_path: Path, red_box: NDArray[np.bool_]
) -> None:
    found, marked = red_box * 0.9, np.full(red_box.shape, 0.9)
    lines = [
        line_of(tmp_path, "a", "tampered", "tampered", **mapped(tmp_path, "a", found, red_box)),
        line_of(tmp_path, "b", "tampered", "authentic", **mapped(tmp_path, "b", found, red_box)),
        line_of(tmp_path, "c", "authentic", "authentic", **mapped(tmp_path, "c", marked, None)),
        line_of(tmp_path, "d", "authentic", "tampered", **mapped(tmp_path, "d", marked, None)),
    ]
    (tmp_path / "predictions.jsonl").write_text("".join(lines))
    one = score(tmp_path / "predictions.jsonl")["sets"][0]
    assert (one["pixel"]["f1"]["value"], one["pixel"]["gated_f1"]["value"]) == (1.0, 0.5)
    assert (one["pixel"]["auc"]["value"], one["pixel"]["gated_auc"]["value"]) == (1.0, 0.75)
    area = one["false_alarm_area"]
    assert (area["ungated"]["value"], area["gated"]["value"]) == (1.0, 0.5)


def test_a_tool_that_gives_only_maps_is_scored_on_them_alone(
    tmp_path: Path, red_box: NDArray[np.bool_]
) -> None:
    lines = [
        line_of(tmp_path, name, "tampered", None, **mapped(tmp_path, name, red_box * 1.0, red_box))
        for name in "ab"
    ]
    (tmp_path / "predictions.jsonl").write_text("".join(lines))
    one = score(tmp_path / "predictions.jsonl")["sets"][0]
    assert one["image"] is None
    assert one["pixel"]["gated_f1"]["value"] == 1.0


def test_thresholds_of_baselines_come_from_other_pictures(tmp_path: Path) -> None:
    mask = np.zeros((64, 64), bool)
    mask[:32] = True
    lines = []
    for number in range(8):
        # a method whose map is right at 0.3 in one set and at 0.7 in the other
        level = 0.3 if number < 4 else 0.7
        facts = mapped(tmp_path, str(number), np.where(mask, level, level - 0.1), mask)
        facts["maps"] = {"other": facts["maps"]["model"]}
        facts["set"] = "low" if number < 4 else "high"
        lines.append(line_of(tmp_path, str(number), "tampered", "tampered", **facts))
    (tmp_path / "predictions.jsonl").write_text("".join(lines))
    low, high = score(tmp_path / "predictions.jsonl")["sets"]
    for one in (low, high):
        assert one["baselines"]["other"]["f1_at_best_threshold"]["value"] == 1.0
    # the threshold of the high set finds nothing in the low one; the other way all is altered
    figure = "f1_at_threshold_from_elsewhere"
    assert low["baselines"]["other"][figure]["value"] == 0.0
    assert high["baselines"]["other"][figure]["value"] == pytest.approx(2 / 3)


def test_the_empty_mask_of_a_tampered_picture_stops_with_its_line(tmp_path: Path) -> None:
    empty = np.zeros((64, 64), bool)
    facts = mapped(tmp_path, "a", np.zeros((64, 64)), empty)
    path = tmp_path / "predictions.jsonl"
    path.write_text(line_of(tmp_path, "a", "tampered", "tampered", **facts))
    with pytest.raises(ValueError, match=r"predictions\.jsonl:1: .*empty"):
        score(path)
    path.write_text(line_of(tmp_path, "a", "synthetic", "synthetic", **facts))
    assert score(path)["sets"][0]["pixel"] is None


def test_a_mask_of_another_size_stops_the_scoring(predicted: Path, forgeries: Path) -> None:
    write_mask(np.ones((80, 80), bool), forgeries / "0-mask.png")
    with pytest.raises(ValueError, match=r"jsonl:1: .*80 x 80 pixels but its picture 128 x 96"):
        score(predicted)


def test_predictions_of_nothing_are_refused(tmp_path: Path) -> None:
    (tmp_path / "predictions.jsonl").write_text("")
    with pytest.raises(ValueError, match="nothing to score"):
        score(tmp_path / "predictions.jsonl")


def test_the_gallery_shows_the_surest_mistakes_first(predicted: Path) -> None:
    lines = [json.loads(line) for line in predicted.read_text().splitlines()]
    for number, line in enumerate(lines):
        line["verdict"] = "synthetic"
        chance = 0.5 + number / 100
        line["probability"] = {"authentic": 1 - chance, "tampered": 0.0, "synthetic": chance}
    predicted.write_text("".join(json.dumps(line) + "\n" for line in lines))
    mistakes = score(predicted)["sets"][0]["gallery"]["surest_mistakes"]
    chances = [max(one["probability"]) for one in mistakes]
    assert chances == sorted(chances, reverse=True)
    assert len(chances) == 4


def test_predictions_tell_how_their_files_were_saved_and_are_binned_by_it(predicted: Path) -> None:
    sets = score(predicted)["sets"]
    for one in sets:
        ((quality, row),) = one["reliability_by"]["quality"].items()
        ((size, same),) = one["reliability_by"]["megapixels"].items()
        saved = {"as is": "95 to 100", "JPEG 90": "85 to 94", "blur 7": "of no JPEG"}
        assert quality == f"quality {saved[one['version']]}"
        assert size == "megapixels below 0.3"
        assert row == same
        assert row["n"] == sum(one["n"].values())


def test_a_part_is_ranked_against_all_authentic_pictures_and_by_itself(tmp_path: Path) -> None:
    lines = []
    for number in range(30):
        tampered, kind = number % 3 > 0, ("paste", "erase")[number % 2]
        chance = 0.9 if tampered and kind == "paste" else 0.1 + number / 300
        lines.append({
            "set": "s", "id": str(number), "version": "as is", "label": "tampered" if tampered
            else "authentic", "kind": kind if tampered else None, "source": f"half {number // 15}",
            "image": "-", "mask": None, "checkpoint": "c", "maps": {},
            "probability": {"authentic": 1 - chance, "tampered": chance, "synthetic": 0},
        })  # fmt: skip
    path = tmp_path / "predictions.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (one,) = score(path)["sets"]
    paste, erase = one["by_kind"]["paste"], one["by_kind"]["erase"]
    assert paste["auc"]["value"] == paste["recall_at_1%_false_positives"]["value"] == 1.0
    assert erase["auc"]["value"] < 0.7
    assert "macro_f1" not in paste
    assert paste["auc"]["n"] == 20
    assert set(one["by_source"]) == {"half 0", "half 1"}
    assert one["by_source"]["half 0"]["macro_f1"]["n"] == 15
    # lines that do not tell how the file was saved are not binned
    assert one["reliability_by"] == {}
