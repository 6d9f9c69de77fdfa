import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from morelli.eval import stability
from morelli.eval.stability import Agreement, Trial, agreements, table
from morelli.model.calibration import Calibrator

CHANGES = ("one", "other")
CLEAN, FORGED = np.array([2.0, -2.0, -9.0]), np.array([-2.0, 2.0, -9.0])


def trial(key: str, before: np.ndarray, after: list[np.ndarray], told: list[np.ndarray]) -> Trial:
    return Trial(key, before, np.stack(after), np.stack(told), np.zeros(len(told) + 1))


def test_turns_are_counted_change_by_change_and_in_all() -> None:
    trials = [
        trial("turns and is told", FORGED, [CLEAN, FORGED], [CLEAN, FORGED]),
        trial("turns and is missed", FORGED, [CLEAN, FORGED], [FORGED, FORGED]),
        trial("stays", CLEAN, [CLEAN, CLEAN], [CLEAN, CLEAN]),
        trial("stays and is told to turn", CLEAN, [CLEAN, CLEAN], [CLEAN, FORGED]),
    ]
    one, other, every = agreements(trials, CHANGES, Calibrator())
    assert [(a.turned.value, a.agrees.value) for a in (one, other, every)] == [
        (0.5, 0.75), (0.0, 0.75), (0.5, 0.5)]  # fmt: skip
    assert (one.found.value, one.found.n) == (0.5, 2)
    assert (one.alarms.value, one.alarms.n) == (0.0, 2)
    assert (other.alarms.value, other.alarms.n) == (0.25, 4)
    assert other.found.n == 0
    assert one.change == "one"
    # 1 - p(authentic) is 0.982 of the forged, 0.018 of the clean
    assert one.movement == pytest.approx(2 * 0.964 / 4, abs=1e-3)
    assert one.error == pytest.approx(0.964 / 4, abs=1e-3)
    # of (4, -4, 0) the mean square is 32 / 3, in two and one of four pictures
    assert one.logit_movement == pytest.approx((32 / 3 * 2 / 4) ** 0.5)
    assert one.logit_error == pytest.approx((32 / 3 * 1 / 4) ** 0.5)


def test_a_copy_that_tells_all_is_never_wrong() -> None:
    rng = np.random.default_rng(0)
    after = rng.normal(0, 2, (30, 2, 3))
    trials = [
        Trial(str(n), rng.normal(0, 2, 3), one, one, np.zeros(len(one) + 1))
        for n, one in enumerate(after)
    ]
    for found in agreements(trials, CHANGES, Calibrator()):
        assert found.agrees.value == found.found.value == 1.0
        assert found.alarms.value == found.error == 0.0
        assert found.movement > 0


def test_copies_are_told_with_the_map_of_the_picture_as_it_is() -> None:
    one = Trial("a", CLEAN, np.stack([CLEAN]), np.stack([FORGED]), np.array([2.0, -1.0]))
    joined = one.joined_by(Calibrator(map_weights=(0.0, 3.0, 0.0)))
    assert joined.before.tolist() == [2.0, 4.0, -9.0]
    assert joined.after.tolist() == [[2.0, -5.0, -9.0]]
    assert joined.told.tolist() == [[-2.0, 8.0, -9.0]]
    assert one.joined_by(Calibrator()).as_json() == one.as_json()


def test_what_is_told_is_shrunk_by_the_slopes_of_the_calibrator() -> None:
    one = trial("a", CLEAN, [FORGED, FORGED], [FORGED, FORGED])
    shrunk = one.told_by(Calibrator(slopes={"one": 0.25}), CHANGES)
    assert shrunk.told.tolist() == [(CLEAN + 0.25 * (FORGED - CLEAN)).tolist(), FORGED.tolist()]
    assert one.told_by(Calibrator(), CHANGES).as_json() == one.as_json()


def test_nothing_tried_is_said() -> None:
    with pytest.raises(ValueError, match="no picture was tried"):
        agreements([], CHANGES, Calibrator())


def test_the_table_says_none_where_nothing_turned() -> None:
    (row, *_) = agreements([trial("a", CLEAN, [CLEAN] * 2, [CLEAN] * 2)], CHANGES, Calibrator())
    assert isinstance(row, Agreement)
    assert "| one | 0.00 [0.00, 0.79] of 1 | 1.00 [0.21, 1.00] of 1 | none |" in table([row])


def test_a_trial_is_read_back_as_it_was_written() -> None:
    one = trial("a", CLEAN, [FORGED, CLEAN], [CLEAN, FORGED])
    again = Trial.from_json(json.loads(json.dumps(one.as_json())))
    assert again.as_json() == one.as_json()


def test_pictures_are_tried_once_and_a_run_goes_on_where_it_was_killed(
    random_examiner: Any, forgeries: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr("morelli.model.examiner.Examiner.load", lambda *_, **__: random_examiner)
    out = tmp_path / "trials.jsonl"
    command = [str(forgeries), "--out", str(out), "--half", "all", "--sources", "more"]
    assert stability.main(command) == 0
    first = capsys.readouterr().out
    lines = out.read_text().splitlines()
    assert "| any of them |" in first
    # the last line as a killed run leaves it
    out.write_text("\n".join([*lines[:-1], lines[-1][:20]]))
    monkeypatch.setattr(stability, "try_picture", _counting(stability.try_picture, counted := []))
    assert stability.main(command) == 0
    assert capsys.readouterr().out == first
    assert len(counted) == 1
    assert len(out.read_text().splitlines()) == len(lines)


def _counting(work: object, counted: list[str]) -> object:
    def counting(examiner: object, picture: object, key: str) -> Trial:
        counted.append(key)
        return work(examiner, picture, key)  # type: ignore[operator,no-any-return]

    return counting
