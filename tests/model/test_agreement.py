"""Whatever the model puts out, verdict, mask and words agree in what is shown."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morelli.data_pipeline.answer import contradicts, named_places, speaks_of_altered_part
from morelli.data_pipeline.images import Picture
from morelli.data_pipeline.instruments import measure
from morelli.data_pipeline.places import NINTHS, PLACES, box_of
from morelli.data_pipeline.report import ReportPaths, validate
from morelli.data_pipeline.schema import Measurement, Status, Verdict
from morelli.data_pipeline.stand_ins import stand_in
from morelli.data_pipeline.teacher import teach
from morelli.data_pipeline.verifier import cited, verify
from morelli.model.calibration import Calibrator, map_peak
from morelli.model.checkpoint import Checkpoint
from morelli.model.conversation import Words
from morelli.model.examiner import Examiner
from morelli.model.look import Look
from morelli.model.stability import CHANGES, settled

SCORES = tuple(np.linspace(0, 1, 400).tolist())
CALIBRATOR = Calibrator(scores=SCORES, manipulated=tuple(int(s > 0.5) for s in SCORES))

STATEMENTS = (
    "This picture is authentic.",
    "The picture was edited.",
    "It is a synthetic image.",
    "The verdict is inconclusive.",
    "The image has not been altered.",
    "The altered part lies in the {place}.",
    "That is where the altered part lies.",
    "The grain in the {place} is much stronger than elsewhere.",
    "The grain is even everywhere, as in [F7].",
    "The grain is of another strength, 1.07 times, and then it",
)


def model_text(seed: int, readings: dict[str, Measurement], mask: np.ndarray) -> str:
    """Return lines as a model may write them: taught for any verdict, torn, and made up."""
    rng = np.random.default_rng(seed)
    lines = []
    for verdict in rng.permutation(list(Verdict)).tolist():
        taught = teach(Verdict(verdict), "splice", mask, readings, rng).claims
        lines += [f"[{c.instrument} {c.polarity} {c.place}] {c.sentence}" for c in taught]
    for words in STATEMENTS:
        header = f"[{rng.choice(list(readings))} {rng.choice(['anomalous', 'normal'])} "
        sentence = words.format(place=rng.choice(NINTHS))
        lines.append(f"{header}{rng.choice(PLACES)}] {sentence}")
    lines += ["no header at all.", "[noise anomalous nowhere] It differs.", "[", "\u2603"]
    chosen = rng.permutation(lines).tolist()[: int(rng.integers(1, len(lines)))]
    torn = int(rng.integers(len(chosen)))
    chosen[torn] = chosen[torn][: int(rng.integers(1, 60))]
    return "\n".join(chosen)


@pytest.fixture(scope="module")
def examined(
    tiny_checkpoint: Checkpoint, draw: Callable[..., Picture]
) -> tuple[Examiner, Picture, tuple[Measurement, ...]]:
    examiner = Examiner(dataclasses.replace(tiny_checkpoint, calibrator=CALIBRATOR))
    picture = draw(72, 96)
    return examiner, picture, measure(picture)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1))
def test_verdict_mask_and_words_never_disagree_whatever_the_model_puts_out(
    examined: tuple[Examiner, Picture, tuple[Measurement, ...]], seed: int
) -> None:
    examiner, picture, measured = examined
    rng = np.random.default_rng(seed)
    soft = rng.random((6, 8)) ** rng.uniform(0.2, 6)
    soft = np.kron(soft, np.ones((12, 12))).astype(np.float32)
    some = [stand_in(m, soft > 0.5, rng) if rng.random() < 0.6 else m for m in measured[:3]]
    readings = (*some, *measured[3:])
    logits = rng.normal(0, 4, 3)
    decision, stability = settled(
        CALIBRATOR, logits, rng.normal(0, 1, (len(CHANGES), 3)), float(rng.uniform(0.02, 0.9))
    )
    look = Look(
        readings, decision.probability, decision.interval, decision.verdict, soft, logits,
        map_peak(soft), stability=tuple(stability),
    )  # fmt: skip
    text = model_text(seed, {one.instrument: one for one in some}, soft > 0.5)
    report = examiner.report(picture, look, Words(text, 9, 0.1, finished=True))

    # the words change nothing that was decided
    silent = examiner.report(picture, look, None)
    assert (report.verdict, report.probability) == (silent.verdict, silent.probability)
    assert report.verdict is decision.verdict
    low, high = report.interval
    assert low - 1e-9 <= 1 - report.probability["authentic"] <= high + 1e-9
    # a mask is shown for tampered pictures alone, and is that of the map
    assert (report.mask is not None) == (report.verdict is Verdict.TAMPERED)
    if report.mask is not None:
        np.testing.assert_array_equal(report.mask, soft > 0.5)
    # every line is shown as the model wrote it, or counted
    lines = [line for line in text.split("\n") if line.strip()]
    assert len(report.findings) + report.withheld == len(lines)
    assert cited(report.rationale) == tuple(one.id for one in report.findings)
    named = {one.instrument: one for one in readings}
    for finding in report.findings:
        assert any(line.endswith(f"] {finding.statement}") for line in lines)
        assert not contradicts(finding.statement, report.verdict)
        if speaks_of_altered_part(finding.statement):
            assert report.mask is not None
            for place in named_places(finding.claim):
                assert box_of(place, 72, 96).crop(report.mask).any()
        status, _ = verify(finding.claim, named, 72, 96)
        assert status is finding.status
        if finding.status is Status.CONFIRMED:
            assert named[finding.instrument].anomalous or finding.polarity == "normal"
    maps = {m.instrument: f"{m.instrument}.png" for m in readings if m.map is not None}
    validate(report.as_json(ReportPaths("map.png", None if report.mask is None else "m.png", maps)))
