import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from morelli.data_pipeline.maker import KINDS
from morelli.data_pipeline.maker.pages import PAGE
from morelli.data_pipeline.maker.pool import part_of
from morelli.eval import made_sets, yardsticks
from morelli.eval.evaluate import Selection
from morelli.eval.predict import predict


def test_it_scores_the_half_and_the_qualities_that_are_asked_for(
    forgeries: Path, tmp_path: Path, examiner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look_at(cases: Any, checkpoint: Any, out: Path, words: bool) -> None:
        predict(examiner, "c" * 64, cases, out, words)

    monkeypatch.setattr(yardsticks, "look_at", look_at)
    out = tmp_path / "out"
    words = ["--forgeries", str(forgeries), "--out", str(out), "--half", "all", "--reencode", "80"]
    assert yardsticks.main(words) == 0
    versions = {one["version"] for one in json.loads((out / "scores.json").read_text())["sets"]}
    assert versions == {"as is", "JPEG 80"}
    halves = [Selection(["manifest"], forgeries, half).cases() for half in ("dev", "test")]
    assert sum(map(len, halves)) == 6


def test_made_sets_are_scored_as_they_are_and_saved_anew(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = {
        "made, small": made_sets.MadeSet(200, {"copy_move": 1, "page": 1}),
        "made, large": made_sets.MadeSet(220, {"untouched": 1}, reencoded=False),
    }
    monkeypatch.setattr(made_sets, "MADE_SETS", wanted)
    monkeypatch.setattr(yardsticks, "MADE_SETS", wanted)
    seen: list[tuple[str, str]] = []
    monkeypatch.setattr(
        yardsticks,
        "look_at",
        lambda cases, *_, **__: seen.extend((one.item.set, str(one.change)) for one in cases),
    )
    words = ["--made", str(photos), str(photos), "--out", str(tmp_path / "out")]
    assert yardsticks.main(words) == 1  # nothing was predicted
    assert [name for name, _ in seen] == ["made, small"] * 4 + ["made, large"]
    assert len({change for _, change in seen}) == 2


def test_nothing_to_score_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stopped:
        yardsticks.main(["--out", str(tmp_path)])
    assert stopped.value.code == 2


def test_missing_predictions_are_one_line_and_exit_status_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert yardsticks.main(["--out", str(tmp_path), "--only-score"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.fixture
def photos(tmp_path: Path, paint: Any) -> Path:
    """Photographs that are generated pictures, too."""
    photos = tmp_path / "photos"
    lines = ["path,source,camera,width,height,label,generator"]
    for number in range(40):
        paint(photos / f"{number}.jpg", number, False)
        image = Image.open(photos / f"{number}.jpg").resize((400, 400))
        image.save(photos / f"{number}.jpg")
        lines.append(f"{number}.jpg,s{number},c{number},400,400,synthetic,g")
    (photos / "manifest.csv").write_text("\n".join(lines) + "\n")
    return photos


def test_a_made_set_is_made_once_and_holds_what_it_says(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = made_sets.MadeSet(200, {"copy_move": 2, "untouched": 1, "page": 1})
    monkeypatch.setattr(made_sets, "MADE_SETS", {"made, small": wanted})
    made = list(made_sets.made_items(photos, photos, tmp_path / "made", "made, small"))
    assert wanted.count == len({item.sample.id for item in made}) == 4
    assert [item.sample.kind for item in made] == ["copy_move", "copy_move", None, None]
    keys = {item.sample.source for item in made} - {PAGE}
    assert keys
    assert {part_of(key) for key in keys} == {"validation"}
    again = made_sets.made_items(photos / "gone", photos, tmp_path / "made", "made, small")
    assert [item.sample for item in again] == [item.sample for item in made]


def test_a_made_set_that_was_stopped_goes_on(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = made_sets.MadeSet(200, {"copy_move": 2, "untouched": 2})
    monkeypatch.setattr(made_sets, "MADE_SETS", {"made": wanted})
    before = list(made_sets.made_items(photos, photos, tmp_path / "made", "made"))
    (tmp_path / "made/made/untouched/manifest.jsonl").unlink()
    (tmp_path / "made/made/untouched/rows/000001.jsonl").unlink()
    kept = (tmp_path / "made/made/copy_move/manifest.jsonl").stat().st_mtime_ns
    after = list(made_sets.made_items(photos, photos, tmp_path / "made", "made"))
    assert [item.sample for item in after] == [item.sample for item in before]
    assert (tmp_path / "made/made/copy_move/manifest.jsonl").stat().st_mtime_ns == kept


def test_every_kind_of_the_sets_has_a_figure_of_its_own() -> None:
    wanted = made_sets.MADE_SETS["made, by kind"].counts
    forged = {"splice", "copy_move", "removal", "retouch", "document", "regenerated"}
    assert forged <= wanted.keys()
    camera = made_sets.MADE_SETS["made, camera resolution"]
    assert camera.camera
    for counts in (wanted, camera.counts):
        assert min(counts.values()) >= 12
        assert set(counts) <= set(KINDS)
