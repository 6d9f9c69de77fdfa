"""The examiner itself, with random weights, goes through an evaluation from end to end."""

from pathlib import Path
from typing import Any

from morelli.eval.attacks import Attack
from morelli.eval.evaluate import Selection, write_scores
from morelli.eval.predict import predict


def test_what_it_says_is_read_back_and_scored(
    random_examiner: Any, forgeries: Path, tmp_path: Path
) -> None:
    cases = Selection(["manifest"], forgeries, sources=["more"]).cases()
    predict(random_examiner, "0" * 64, cases, tmp_path, words=True)
    (one,) = write_scores(tmp_path, {})["sets"]
    assert one["n"] == {"authentic": 1, "tampered": 1, "synthetic": 0}
    for part in ("image", "calibration", "pixel", "false_alarm_area", "text"):
        assert one[part]


def test_attacks_are_versions_of_their_own_with_flips_and_misled_verdicts(
    random_examiner: Any, forgeries: Path, tmp_path: Path
) -> None:
    attacks = Attack.read(["pgd:0", "typographic-sign:8", "dilution:32"])
    cases = Selection(["manifest"], forgeries, sources=["more"], changes=attacks).cases()
    scores = write_scores(predict(random_examiner, "0" * 64, cases, tmp_path).parent, {})
    assert [one["version"] for one in scores["sets"]] == ["as is", *(a.name for a in attacks)]
    for row in scores["robustness"]:
        assert 0 <= row["flip_rate"]["value"] <= 1
        assert row["misled"] is None or row["misled"]["n"] <= row["flip_rate"]["n"]
