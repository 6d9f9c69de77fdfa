import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch

from morelli.data_pipeline.images import Picture
from morelli.data_pipeline.instruments import measure
from morelli.data_pipeline.report import Report, ReportPaths, canonical, validate
from morelli.data_pipeline.schema import CLASSES, Measurement, Told, Verdict
from morelli.model import processing
from morelli.model.calibration import Calibrator, map_peak
from morelli.model.checkpoint import Checkpoint, CheckpointError
from morelli.model.examiner import Examiner

Draw = Callable[..., Picture]


def _record(report: Report) -> dict[str, object]:
    maps = {m.instrument: f"{m.instrument}.png" for m in report.measurements if m.map is not None}
    mask = "mask.png" if report.mask is not None else None
    return report.as_json(ReportPaths("map.png", mask, maps))


def _statements(measurements: Sequence[Measurement]) -> list[str]:
    return [one.statement for one in measurements]


def _leaning(checkpoint: Checkpoint, verdict: Verdict) -> Checkpoint:
    offsets = tuple(100.0 * (name == verdict) for name in CLASSES)
    calibrator = dataclasses.replace(checkpoint.calibrator, offsets=offsets, temperature=1e3)
    return dataclasses.replace(checkpoint, calibrator=calibrator)


@pytest.mark.parametrize("verdict", CLASSES)
def test_report_mask_and_words_follow_the_verdict(
    tiny_checkpoint: Checkpoint, draw: Draw, verdict: Verdict
) -> None:
    picture = draw(96, 130)
    report = Examiner(_leaning(tiny_checkpoint, verdict)).examine(picture)
    validate(_record(report))
    assert report.verdict is verdict
    assert (report.mask is not None) == (verdict is Verdict.TAMPERED)
    assert report.map.shape == (96, 130)
    assert 0 <= report.map.min() <= report.map.max() <= 1


def test_what_the_shown_map_suspects_moves_the_probability(
    tiny_checkpoint: Checkpoint, draw: Draw
) -> None:
    weighed = dataclasses.replace(
        tiny_checkpoint.calibrator, map_weights=(0.0, 2.0, 0.0), mask_offset=0.7
    )
    picture = draw(96, 130)
    look = Examiner(dataclasses.replace(tiny_checkpoint, calibrator=weighed), stability=False).look(
        picture
    )
    plain = dataclasses.replace(tiny_checkpoint, calibrator=Calibrator())
    unweighed = Examiner(plain, stability=False).look(picture)
    assert look.peak == pytest.approx(unweighed.peak, abs=0.02)
    assert look.peak == pytest.approx(map_peak(look.map, 0.7))
    joined = look.verdict_logits + np.array([0.0, 2.0 * look.peak, 0.0])
    assert look.probability == weighed.decide(joined, 0.5).probability


@pytest.mark.parametrize("verdict", [*CLASSES, Verdict.INCONCLUSIVE])
def test_the_cache_holds_the_answer_that_was_decided_for(
    tiny_checkpoint: Checkpoint, draw: Draw, verdict: Verdict
) -> None:
    examiner = Examiner(_leaning(tiny_checkpoint, verdict), stability=False)
    look = examiner.look(draw(96, 130))
    assert look.verdict is verdict
    assert look.cache.get_seq_length() == len(look.tokens)
    ending = examiner.processor.verdict_prefix(verdict)
    assert list(look.tokens[-len(ending) :]) == ending
    # the same answer from a cache that was read anew up to its last token
    alone = examiner.speak(look).text
    (beside,) = examiner.speak_many([examiner.look(draw(96, 130))])
    assert beside.text == alone


def test_the_same_bytes_give_the_same_report(tiny_checkpoint: Checkpoint, draw: Draw) -> None:
    first = Examiner(tiny_checkpoint).examine(draw(150, 90))
    second = Examiner(tiny_checkpoint).examine(draw(150, 90))
    assert canonical(_record(first)) == canonical(_record(second))
    np.testing.assert_array_equal(first.map, second.map)


def test_pictures_examined_before_change_nothing(tiny_checkpoint: Checkpoint, draw: Draw) -> None:
    examiner = Examiner(tiny_checkpoint)
    alone = canonical(_record(examiner.examine(draw(80, 80))))
    examiner.examine(draw(200, 140, seed=3))
    assert canonical(_record(examiner.examine(draw(80, 80)))) == alone


def test_views_that_are_packed_in_parts_are_those_of_the_whole(
    tiny_checkpoint: Checkpoint, draw: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processing, "_PART_PIXELS", 3 * 128**2)
    picture, processor = draw(130, 300), tiny_checkpoint.processor
    measurements = measure(picture)
    parts = list(processor.view_parts(picture.pixels, measurements))
    assert max(map(len, parts)) == 3
    whole = processor.pixel_values(picture.pixels, measurements)
    np.testing.assert_array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_encoders_may_multiply_in_either_dtype(
    tiny_checkpoint: Checkpoint, draw: Draw, dtype: torch.dtype
) -> None:
    examiner = Examiner(tiny_checkpoint)
    examiner.dtype = torch.float32
    exact = examiner.look(draw(120, 90))
    examiner.dtype = dtype
    report = examiner.examine(draw(120, 90))
    validate(_record(report))
    np.testing.assert_allclose(report.map, exact.map, atol=0.05)
    for name, probability in exact.probability.items():
        assert report.probability[name] == pytest.approx(probability, abs=0.02)


def test_the_number_of_threads_moves_no_probability(
    tiny_checkpoint: Checkpoint, draw: Draw
) -> None:
    picture = draw(130, 200)
    threads = torch.get_num_threads()
    looks = []
    for count in (1, 2):
        torch.set_num_threads(count)
        looks.append(Examiner(tiny_checkpoint).look(picture))
    torch.set_num_threads(threads)
    one, two = looks
    assert one.verdict is two.verdict
    for name in CLASSES:
        assert one.probability[name] == pytest.approx(two.probability[name], abs=1e-3)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (64, 700), (300, 65)])
def test_strips_and_the_smallest_pictures_are_examined(
    tiny_checkpoint: Checkpoint, draw: Draw, height: int, width: int
) -> None:
    look = Examiner(tiny_checkpoint).look(draw(height, width))
    assert look.map.shape == (height, width)
    assert np.isfinite(look.map).all()


def test_told_readings_reach_the_prompt_and_nothing_else(
    tiny_checkpoint: Checkpoint, draw: Draw
) -> None:
    picture = draw(96, 80)
    examiner = Examiner(tiny_checkpoint)
    plain, silent = examiner.look(picture), examiner.look(picture, Told((), 96, 80))
    assert _statements(plain.measurements) == _statements(silent.measurements)
    text = examiner.processor.decode(silent.tokens)
    assert "reliability" not in text
    assert "reliability" in examiner.processor.decode(plain.tokens)
    same = examiner.look(picture, Told(plain.measurements, 96, 80))
    assert same.tokens == plain.tokens
    np.testing.assert_array_equal(same.map, plain.map)
    report = examiner.examine(picture, Told((), 96, 80))
    assert _statements(report.measurements) == _statements(plain.measurements)


def test_without_a_fitted_calibrator_the_verdict_is_inconclusive(
    tiny_checkpoint: Checkpoint,
    draw: Draw,
) -> None:
    checkpoint = dataclasses.replace(tiny_checkpoint, calibrator=Calibrator())
    assert Examiner(checkpoint).look(draw(70, 70)).verdict is Verdict.INCONCLUSIVE


def test_a_base_rate_outside_zero_to_one_is_refused(
    tiny_checkpoint: Checkpoint, draw: Draw
) -> None:
    with pytest.raises(ValueError, match="between 0 and 1, got 1"):
        Examiner(tiny_checkpoint, prior=1.0)


def test_an_operating_point_turns_the_verdict_and_stands_in_the_report(
    tiny_checkpoint: Checkpoint, draw: Draw
) -> None:
    picture = draw(70, 70)
    score = 1 - Examiner(tiny_checkpoint, stability=False).look(picture).probability["authentic"]
    points = [
        {"name": "screening", "threshold_at_even_odds": 0.01 * score},
        {"name": "evidence", "threshold_at_even_odds": 1 - 0.01 * (1 - score)},
    ]
    calibrated = dataclasses.replace(
        tiny_checkpoint, validation={"calibration": {"operating_points": points}}
    )
    verdicts = {}
    for point in points:
        examiner = Examiner(calibrated.at(point["name"]), stability=False)  # type: ignore[arg-type]
        report = examiner.report(picture, examiner.look(picture))
        verdicts[point["name"]] = report.verdict
        assert report.operating_point == pytest.approx(point["threshold_at_even_odds"])
        assert report.run["settings"]["decides at"] == point["name"]
    assert verdicts["evidence"] in (Verdict.AUTHENTIC, Verdict.INCONCLUSIVE)
    assert verdicts["screening"] is not Verdict.AUTHENTIC
    with pytest.raises(CheckpointError, match=r"no operating point 'fair' \(measured: screening"):
        calibrated.at("fair")
    with pytest.raises(CheckpointError, match=r"measured: none.*eval calibrate"):
        tiny_checkpoint.at("screening")
