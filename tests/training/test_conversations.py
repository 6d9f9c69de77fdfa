import io
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from morelli.data_pipeline.answer import parse
from morelli.data_pipeline.images import picture_from_bytes
from morelli.data_pipeline.report import Report
from morelli.data_pipeline.schema import Measurement, Verdict
from morelli.data_pipeline.verifier import findings, rationale_of
from morelli.model.base_weights import PullError, base_weights_dir
from morelli.model.conversation import Turn
from morelli.model.follow_up import conversation
from morelli.model.presets import embedded, tiny
from morelli.model.processing import ForgeryProcessor, load_tokenizer, tiny_tokenizer
from morelli.training import conversations
from morelli.training.conversations import (
    IGNORED,
    LessonPlan,
    MadeConversations,
    collate,
    converse,
)
from morelli.training.instruct import InstructTerms

SEEDS = range(12)


def _tiny():
    return ForgeryProcessor(tiny(), tiny_tokenizer(tiny()))


def _embedded():
    config = embedded()
    try:
        return ForgeryProcessor(
            config, load_tokenizer(base_weights_dir(config.base["text"]), config)
        )
    except PullError:
        return None


PULLED = _embedded()
PROCESSORS = [
    pytest.param(_tiny(), id="tiny"),
    pytest.param(
        PULLED,
        id="embedded",
        marks=pytest.mark.skipif(PULLED is None, reason="base weights are not pulled"),
    ),
]


@pytest.fixture(autouse=True)
def long_lessons(monkeypatch):
    # Tiny tokens are bytes, so its lessons are long.
    monkeypatch.setattr(conversations, "MOST_TOKENS", 100_000)


def _case(small, seed):
    """A picture with readings of all three states."""
    one = small.case(seed)
    heat = np.zeros((64, 64), np.float32)
    heat[40:, :20] = 1
    odd = Measurement("copy-move", 1.5, "% of the picture", (0, 0.05), 0.9, "It is read.", heat)
    silent = Measurement("jpeg", None, "bits per block", (0, 3.12), 0.0, "None.")
    return replace(one, measurements=(*one.measurements, silent, odd))


def _lesson(small, processor, seed, turns=3):
    rng = np.random.default_rng(seed)
    return converse(_case(small, seed), processor, rng, inconclusive=0.2, turns=turns)


def _said(processor, lesson):
    """What a lesson's tokens say: the answer, its questions with replies, and the probability."""
    text = processor.tokenizer.decode(lesson["input_ids"])
    spoken = re.findall(r"<\|im_start\|>(?:user|assistant)\n(.*?)<\|im_end\|>", text, re.DOTALL)
    turns = [
        Turn(asked.split("\n")[-1], reply)
        for asked, reply in zip(spoken[2::2], spoken[3::2], strict=True)
    ]
    return parse(spoken[1]), turns, int(re.search(r"(\d+) % probability", text)[1]) / 100


def _report(one, answer, probability):
    """The report that an examination with a lesson's outcome would give."""
    data = io.BytesIO()
    Image.fromarray(one.pixels).save(data, "PNG")
    picture = picture_from_bytes(data.getvalue(), one.name)
    named = {reading.instrument: reading for reading in one.measurements}
    found = findings(answer, named, picture.height, picture.width)
    shares = {"authentic": 1 - probability, "tampered": probability, "synthetic": 0.0}
    return Report(
        picture=picture, verdict=answer.verdict, probability=shares, interval=(0, 1),
        mask=one.truth.mask if answer.verdict is Verdict.TAMPERED else None,
        map=np.zeros((picture.height, picture.width), np.float32), manipulation=None,
        measurements=one.measurements, findings=found, rationale=rationale_of(found), withheld=0,
        stability=[], metadata={}, model={}, prior=0.5, operating_point=0.5, validation={}, run={},
        custody=[], limits=(), seconds={},
    )  # fmt: skip


@pytest.mark.parametrize("processor", PROCESSORS)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_lesson_is_laid_out_token_by_token_as_the_examiner_lays_out_a_chat(
    small, processor, seed
):
    lesson = _lesson(small, processor, seed)
    ids = lesson["input_ids"].tolist()
    answer, turns, probability = _said(processor, lesson)
    assert len(turns) == 3
    report = _report(_case(small, seed), answer, probability)
    for number, turn in enumerate(turns):
        asked = conversation(processor, report, [*turns[:number], Turn(turn.question)])
        reply = [*processor.encode(turn.answer), processor.tokenizer.eos_token_id]
        assert ids[: len(asked) + len(reply)] == asked + reply
    assert ids == asked + reply


@pytest.mark.parametrize("seed", SEEDS)
def test_only_the_answer_and_the_replies_are_learned(small, seed):
    processor = _tiny()
    lesson = _lesson(small, processor, seed)
    labels = lesson["answer"]
    learned = labels != IGNORED
    assert torch.equal(labels[learned], lesson["input_ids"][learned])
    answer, turns, _ = _said(processor, lesson)
    text = processor.tokenizer.decode(labels[learned])
    first, *replies = text.removesuffix("<|im_end|>").split("<|im_end|>")
    assert replies == [turn.answer for turn in turns]
    # A verdict that was drawn by lot is not learned, but `<seg>` is.
    opening = "" if answer.verdict is Verdict.INCONCLUSIVE else f" {answer.verdict}"
    assert first.startswith(f"{opening}<seg>\n[")


@pytest.mark.parametrize("seed", SEEDS)
def test_questions_leave_the_verdict_the_mask_and_the_answer_of_a_lesson_as_they_are(small, seed):
    processor = _tiny()
    alone, followed = (_lesson(small, processor, seed, turns) for turns in (0, 3))
    count = len(alone["input_ids"])
    for name in ("input_ids", "answer"):
        assert torch.equal(followed[name][:count], alone[name])
    for name in ("pixel_values", "truth", "label", "stem"):
        assert torch.equal(followed[name], alone[name])
    assert (followed["input_ids"] == processor.config.seg_token_id).sum() == 1


def test_questions_beyond_the_longest_lesson_are_left_out(small, monkeypatch):
    processor = _tiny()
    whole = _lesson(small, processor, 1)
    monkeypatch.setattr(conversations, "MOST_TOKENS", len(whole["input_ids"]) - 1)
    shorter = _lesson(small, processor, 1)
    count = len(shorter["input_ids"])
    assert count < len(whole["input_ids"])
    assert torch.equal(shorter["input_ids"], whole["input_ids"][:count])
    assert len(_said(processor, shorter)[1]) == 2
    assert shorter["input_ids"][-1] == processor.tokenizer.eos_token_id


def test_follow_ups_come_in_the_wanted_share_of_the_blocks(small, monkeypatch):
    asked = []
    monkeypatch.setattr(conversations, "made_case", lambda pool, seed, side, names: seed)
    monkeypatch.setattr(conversations, "converse", lambda *args: asked.append(args[-1]))
    plan = LessonPlan((64,), 4, 1 / 3, 0.1, 0.5, 0)
    stream = iter(MadeConversations(None, _tiny(), plan))
    for _ in range(4 * 200):
        next(stream)
    blocks = [asked[start : start + 4] for start in range(0, len(asked), 4)]
    followed = [block for block in blocks if any(block)]
    assert 0.4 < len(followed) / len(blocks) < 0.6
    assert all(all(block) for block in followed)
    assert {count for block in followed for count in block} == {1, 2, 3}


def test_a_third_of_the_lessons_is_told_of_other_readings_with_the_maps_blanked(small):
    processor = _tiny()
    one = _case(small, 1)
    whole = processor.pixel_values(one.pixels, one.measurements)
    told = {True: [], False: []}
    for seed in range(300):
        lesson = converse(one, processor, np.random.default_rng(seed), 1 / 3)
        seen = np.array_equal(lesson["pixel_values"].numpy(), whole)
        text = processor.tokenizer.decode(lesson["input_ids"])
        lines = re.findall(r"(?:noise|jpeg): .*", text.split("Is this picture")[0])
        told[seen].append(any("anomalous" in line for line in lines))
    assert 0.25 < len(told[False]) / 300 < 0.42
    assert not any(told[True])
    assert 0.3 < np.mean(told[False]) < 0.8


def test_questions_leave_the_terms_of_verdict_evidence_and_mask_as_they_are(small):
    start = small.start()
    model = start.model.get_base_model().eval()
    terms = InstructTerms(start.processor.verdict_ids)
    with torch.no_grad():
        alone, followed = (
            terms(
                model, collate([_lesson(small, start.processor, seed, turns) for seed in range(4)])
            )
            for turns in (0, 3)
        )
    assert alone["words"] != followed["words"]
    for name in ("verdict", "evidence", "mask_cross_entropy", "mask_dice"):
        assert torch.allclose(alone[name], followed[name], atol=1e-5), name
