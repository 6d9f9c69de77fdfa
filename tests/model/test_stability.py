import dataclasses
from collections.abc import Callable

import cv2
import numpy as np
import pytest
import torch

from morelli.data_pipeline.images import Picture
from morelli.data_pipeline.instruments import measure
from morelli.data_pipeline.report import Report, ReportPaths, validate
from morelli.data_pipeline.schema import Box, Measurement, Verdict
from morelli.model.calibration import Calibrator
from morelli.model.checkpoint import Checkpoint
from morelli.model.examiner import Examiner
from morelli.model.stability import (
    CHANGES,
    COPY_PIXELS,
    MOST_PIXELS,
    Seen,
    _carried,
    _read,
    _saved,
    _shown,
    drift,
    reduced,
    settled,
)
from morelli.model.vision import encode

Draw = Callable[..., Picture]

SCORES = tuple(np.linspace(0, 1, 400).tolist())
SURE = Calibrator(scores=SCORES, manipulated=tuple(int(s > 0.5) for s in SCORES))

AUTHENTIC, TAMPERED, SYNTHETIC = (np.where(np.arange(3) == n, 8.0, -8.0) for n in range(3))
STILL = np.zeros((len(CHANGES), 3))


def moving(number: int, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """One change alone turns the logits into others."""
    moved = STILL.copy()
    moved[number] = after - before
    return moved


SLOPELESS = dict.fromkeys(CHANGES, 0.0)


@pytest.mark.parametrize("before", [AUTHENTIC, TAMPERED, SYNTHETIC])
def test_copies_that_are_known_to_tell_nothing_leave_the_verdict_alone(before: np.ndarray) -> None:
    moved = np.stack([AUTHENTIC - before, SYNTHETIC - before, *STILL[2:]])
    decision, entries = settled(dataclasses.replace(SURE, slopes=SLOPELESS), before, moved, 0.5)
    assert decision == SURE.decide(before, 0.5)
    assert len({entry["probability"] for entry in entries}) == 1
    assert settled(SURE, before, moved, 0.5)[0].verdict is Verdict.INCONCLUSIVE


def test_each_change_is_listed_with_what_it_does_after_shrinking() -> None:
    slopes = SLOPELESS | {"JPEG 75": 0.25}
    moved = np.stack([AUTHENTIC - TAMPERED] * len(CHANGES))
    _, entries = settled(dataclasses.replace(SURE, slopes=slopes), TAMPERED, moved, 0.5)
    listed = {entry["transform"]: entry["probability"] for entry in entries}
    quarter = SURE.decide(TAMPERED + 0.25 * (AUTHENTIC - TAMPERED), 0.5)
    unmoved = 1 - SURE.decide(TAMPERED, 0.5).probability["authentic"]
    assert listed.pop("JPEG 75") == 1 - quarter.probability["authentic"] < unmoved
    assert set(listed.values()) == {unmoved}


def record_of(report: Report) -> dict[str, object]:
    maps = {m.instrument: f"{m.instrument}.png" for m in report.measurements if m.map is not None}
    return report.as_json(
        ReportPaths("map.png", "mask.png" if report.mask is not None else None, maps)
    )


def test_changes_that_change_nothing_leave_the_decision_as_it_is() -> None:
    decision, entries = settled(SURE, TAMPERED, STILL, 0.5)
    assert decision == SURE.decide(TAMPERED, 0.5)
    assert [entry["transform"] for entry in entries] == list(CHANGES)
    assert {entry["verdict"] for entry in entries} == {"tampered"}
    assert {entry["probability"] for entry in entries} == {1 - decision.probability["authentic"]}


@pytest.mark.parametrize("number", range(len(CHANGES)))
@pytest.mark.parametrize(("before", "after"), [(TAMPERED, AUTHENTIC), (AUTHENTIC, SYNTHETIC)])
def test_a_change_that_turns_the_verdict_widens_the_interval_and_leaves_it_open(
    number: int, before: np.ndarray, after: np.ndarray
) -> None:
    alone = SURE.decide(before, 0.5)
    decision, entries = settled(SURE, before, moving(number, before, after), 0.5)
    assert decision.verdict is Verdict.INCONCLUSIVE
    assert decision.probability == alone.probability
    low, high = decision.interval
    assert low <= entries[number]["probability"] <= high
    assert high - low > 0.9 > alone.interval[1] - alone.interval[0]


def test_a_change_from_one_kind_of_manipulation_to_the_other_leaves_the_verdict_open() -> None:
    decision, entries = settled(SURE, TAMPERED, moving(2, TAMPERED, SYNTHETIC), 0.5)
    assert entries[2]["verdict"] == "synthetic"
    assert decision.verdict is Verdict.INCONCLUSIVE


def test_a_change_to_less_certainty_alone_widens_the_interval_but_keeps_the_verdict() -> None:
    unsure = np.array([0.0, 0.1, -8.0])
    alone = SURE.decide(TAMPERED, 0.5)
    decision, entries = settled(SURE, TAMPERED, moving(0, TAMPERED, unsure), 0.5)
    assert entries[0]["verdict"] == "inconclusive"
    assert decision.verdict is Verdict.TAMPERED
    assert decision.interval[0] == pytest.approx(
        1 - SURE.decide(unsure, 0.5).probability["authentic"]
    )
    assert decision.interval[0] < alone.interval[0]


def test_movement_within_the_verdict_widens_nothing() -> None:
    moved = moving(1, TAMPERED, 0.9 * TAMPERED)
    assert settled(SURE, TAMPERED, moved, 0.5)[0] == SURE.decide(TAMPERED, 0.5)


def test_each_change_is_what_its_name_says(draw: Draw) -> None:
    pixels = draw(100, 80).pixels
    changed = {name: change(pixels) for name, change in CHANGES.items()}
    sizes = {name: (one.height, one.width, one.format) for name, one in changed.items()}
    assert sizes == {
        "JPEG 90": (100, 80, "JPEG"), "JPEG 75": (100, 80, "JPEG"),
        "resize 0.75": (75, 60, "PNG"), "resize 1.25": (125, 100, "PNG"),
        "one-pixel crop": (99, 79, "PNG"),
    }  # fmt: skip
    error = {
        name: float(np.abs(changed[name].pixels - pixels.astype(float)).mean())
        for name in ("JPEG 90", "JPEG 75")
    }
    assert 0 < error["JPEG 90"] < error["JPEG 75"] < 5
    np.testing.assert_array_equal(changed["one-pixel crop"].pixels, pixels[1:, 1:])
    back = cv2.resize(changed["resize 1.25"].pixels, (80, 100), interpolation=cv2.INTER_AREA)
    assert np.abs(back - pixels.astype(float)).mean() < 5


def test_a_large_picture_is_reduced_and_a_small_one_is_its_own_copy(draw: Draw) -> None:
    copy, small = reduced(draw(1300, 1900)), draw(64, 90)
    assert copy.width * copy.height == pytest.approx(COPY_PIXELS, rel=0.01)
    assert copy.width / copy.height == pytest.approx(1900 / 1300, rel=0.01)
    assert reduced(small) is small


@torch.inference_mode()
def seen_by(examiner: Examiner, picture: Picture) -> Seen:
    readings = measure(picture)
    parts = examiner.processor.view_parts(picture.pixels, readings)
    features = encode(examiner.model.model.vision, parts, torch.float32)
    spared = Examiner(examiner.checkpoint, stability=False)
    spared.dtype = torch.float32
    return Seen(picture, readings, features, spared.look(picture).verdict_logits)


@pytest.mark.parametrize("size", [(64, 64), (150, 130), (200, 260)])
@pytest.mark.parametrize("name", CHANGES)
def test_of_a_changed_picture_the_model_is_shown_what_a_whole_examination_shows(
    name: str, size: tuple[int, int], tiny_checkpoint: Checkpoint, draw: Draw
) -> None:
    examiner = Examiner(tiny_checkpoint)
    processor = examiner.processor
    picture = draw(*size)
    seen = seen_by(examiner, picture)
    changed = CHANGES[name](picture.pixels)
    prompt, view = _shown(processor, seen, picture, changed)
    readings = _read(seen.measurements, processor.config.map_names, changed)
    whole = next(processor.view_parts(changed.pixels, readings))
    np.testing.assert_array_equal(view, whole)
    assert prompt == processor.prompt(readings, changed.height, changed.width)
    anew = {one.instrument: one.value for one in measure(changed, {"noise", "jpeg"})}
    assert {one.instrument: one.value for one in readings if one.instrument in anew} == anew


@pytest.mark.parametrize("most", [MOST_PIXELS, 9000])
def test_a_change_that_changes_nothing_moves_nothing(
    most: int, tiny_checkpoint: Checkpoint, draw: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("morelli.model.stability.MOST_PIXELS", most)
    monkeypatch.setattr("morelli.model.stability.COPY_PIXELS", 9000)
    examiner = Examiner(tiny_checkpoint)
    seen = seen_by(examiner, _saved(draw(120, 150).pixels))
    real = drift(examiner.model, examiner.processor, seen, torch.float32)
    monkeypatch.setattr("morelli.model.stability.CHANGES", {"saved as it is": _saved})
    moved = drift(examiner.model, examiner.processor, seen, torch.float32)
    assert moved.shape == (1, 3)
    assert np.abs(moved).max() < 1e-2 * np.abs(real).max()


def test_only_copies_within_the_picture_are_not_searched_for_again(
    tiny_checkpoint: Checkpoint, draw: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def counting(copy: Picture, names: set[str]) -> tuple[Measurement, ...]:
        asked.append(names)
        return measure(copy, names)

    examiner = Examiner(tiny_checkpoint)
    seen = seen_by(examiner, draw(120, 150))
    monkeypatch.setattr("morelli.model.stability.measure", counting)
    drift(examiner.model, examiner.processor, seen, torch.float32)
    assert asked == [{"noise", "jpeg"}] * len(CHANGES)
    monkeypatch.setattr("morelli.model.stability.MOST_PIXELS", 9000)
    monkeypatch.setattr("morelli.model.stability.COPY_PIXELS", 9000)
    drift(examiner.model, examiner.processor, seen, torch.float32)
    assert len(asked) == 2 * len(CHANGES) + 1


def test_a_reading_of_the_whole_picture_is_laid_on_the_copy() -> None:
    heat = np.zeros((400, 600), np.float32)
    heat[100:200, 300:450] = 1
    reading = Measurement(
        "copy-move", 0.06, "of the picture", (0.0, 0.01), 1.0, "A region occurs twice.",
        map=heat, box=Box(300, 100, 450, 200),
    )  # fmt: skip
    laid = _carried(reading, 200, 300)
    assert laid.box == Box(150, 50, 225, 100)
    np.testing.assert_array_equal(laid.map, heat[::2, ::2])
    assert _carried(dataclasses.replace(reading, map=None), 200, 300).box is None


def test_copies_are_read_the_same_every_time_and_in_any_number_of_threads(
    tiny_checkpoint: Checkpoint, draw: Draw
) -> None:
    picture, threads = draw(200, 260), torch.get_num_threads()
    examiner = Examiner(tiny_checkpoint)
    found, seen = [], seen_by(examiner, picture)
    for count in (1, 2):
        torch.set_num_threads(count)
        found.append(drift(examiner.model, examiner.processor, seen, torch.float32))
    torch.set_num_threads(threads)
    assert found[0].shape == (len(CHANGES), 3)
    assert np.abs(found[0]).max() > 0
    np.testing.assert_allclose(found[0], found[1], atol=1e-4)


def test_a_report_lists_the_changes_unless_they_are_left_out(
    tiny_checkpoint: Checkpoint, draw: Draw
) -> None:
    picture = draw(70, 80)
    tried = Examiner(tiny_checkpoint)
    look = tried.look(picture)
    record = record_of(tried.report(picture, look))
    validate(record)
    assert [entry["transform"] for entry in look.stability] == list(CHANGES)
    assert record["stability"] == list(look.stability)
    assert any("tested on the overview" in limit for limit in record["limits"])
    spared = Examiner(tiny_checkpoint, stability=False)
    untried = spared.look(picture)
    assert untried.stability == ()
    assert untried.verdict_logits.tolist() == look.verdict_logits.tolist()
    limits = record_of(spared.report(picture, untried))["limits"]
    assert any("was not tested" in limit for limit in limits)


def test_a_verdict_that_a_change_turns_is_inconclusive_in_the_report(
    tiny_checkpoint: Checkpoint, draw: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    calibrator = dataclasses.replace(tiny_checkpoint.calibrator, offsets=(0.0, 9.0, 0.0))
    examiner = Examiner(dataclasses.replace(tiny_checkpoint, calibrator=calibrator))
    turning = STILL.copy()
    turning[3] = [2.0, -2.0, 0.0]
    monkeypatch.setattr("morelli.model.examiner.drift", lambda *_: STILL)
    assert examiner.look(draw(64, 64)).verdict is Verdict.TAMPERED
    monkeypatch.setattr("morelli.model.examiner.drift", lambda *_: turning)
    report = examiner.examine(draw(64, 64))
    validate(record_of(report))
    assert report.verdict is Verdict.INCONCLUSIVE
    assert report.mask is None
