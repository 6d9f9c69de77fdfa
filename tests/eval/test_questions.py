"""Questions are answered by what a report states, and scored as worked out by hand."""

from pathlib import Path

import pytest

from morelli.data_pipeline.schema import CLASSES, Verdict
from morelli.eval.predictions import AS_IS, Prediction
from morelli.eval.question_scores import questions_of
from morelli.eval.questions import Option, Question
from morelli.eval.readings import Reading

A, T, S, UNSURE = Verdict.AUTHENTIC, Verdict.TAMPERED, Verdict.SYNTHETIC, Verdict.INCONCLUSIVE
YES_NO: tuple[Option, ...] = ((S,), (A, T))


def asked(options: tuple[Option, ...], answer: int = 0, pictures: tuple[str, ...] = ("p",),
          part: str = "doc", side: str | None = None, task: str = "task") -> Question:  # fmt: skip
    return Question(f"{part}-{answer}-{pictures}", task, part, side, pictures, options, answer)


def reading(name: str, verdict: Verdict | None, synthetic: float, *questions: Question) -> Reading:
    probability = None if verdict is None else (1 - synthetic, 0.0, synthetic)
    return Reading(
        Prediction(
            place=name, set="s", id=name, version=AS_IS, label=A, kind=None, source="s",
            image=Path(), mask=None, checkpoint="c", verdict=verdict, probability=probability,
            interval=None, maps={}, questions=questions,
        ),
        {},
    )  # fmt: skip


@pytest.mark.parametrize(("verdict", "given"), [(S, 0), (A, 1), (T, 1), (UNSURE, None)])
def test_a_verdict_answers_by_the_only_option_that_it_makes_true(
    verdict: Verdict, given: int | None
) -> None:
    assert asked(YES_NO).answered([verdict], [None]) == given


def test_options_that_no_verdict_tells_apart_stay_unanswered() -> None:
    kinds = asked(((T,), (T,), (T,)))
    boxes = asked(((), (), (), ()))
    mixed = asked(((A,), (T,), (T,)))
    for verdict in CLASSES:
        assert kinds.answered([verdict], [None]) is None
        assert boxes.answered([verdict], [None]) is None
    assert [mixed.answered([verdict], [None]) for verdict in CLASSES] == [0, None, None]
    assert [one.answerable for one in (kinds, boxes, mixed, asked(YES_NO))] == [
        False, False, True, True]  # fmt: skip


def test_of_two_pictures_the_likelier_one_is_chosen_and_a_tie_is_no_choice() -> None:
    surer, less = (0.2, 0.0, 0.8), (0.5, 0.2, 0.3)
    generated = asked(((S,), (S,)), pictures=("p", "q"))
    taken = asked(((A, T), (A, T)), pictures=("p", "q"))
    assert generated.answered([UNSURE, UNSURE], [surer, less]) == 0
    assert taken.answered([UNSURE, UNSURE], [surer, less]) == 1
    assert generated.answered([S, S], [surer, surer]) is None
    assert generated.answered([S, A], [surer, None]) is None


def test_a_question_survives_the_predictions_and_a_wrong_one_is_refused() -> None:
    question = asked(YES_NO, side="fake")
    assert Question.from_json(question.as_json()) == question
    with pytest.raises(ValueError, match="answer 2 is none of 2 options"):
        asked(YES_NO, answer=2)
    with pytest.raises(ValueError, match="3 pictures for 2 options"):
        asked(YES_NO, pictures=("p", "q", "r"))


def test_figures_are_those_worked_out_by_hand() -> None:
    # doc: fake 1 of 2 right, real 1 of 1; person: fake 0 of 1, real 1 of 2 (one inconclusive)
    rows = [
        ("d1", S, "doc", "fake"), ("d2", A, "doc", "fake"), ("d3", A, "doc", "real"),
        ("p1", T, "person", "fake"), ("p2", A, "person", "real"), ("p3", UNSURE, "person", "real"),
    ]  # fmt: skip
    readings = [
        reading(name, verdict, 0.5, asked(YES_NO, int(side == "real"), (name,), part, side))
        for name, verdict, part, side in rows
    ]
    found = questions_of(readings)
    assert found is not None
    figures = found["task"]
    assert list(found) == ["task"]
    assert figures["questions"] == 6
    assert figures["accuracy"]["value"] == pytest.approx(3 / 6)
    assert figures["answerable"]["value"] == 1
    assert figures["answered"]["value"] == pytest.approx(5 / 6)
    assert figures["accuracy_when_answered"]["value"] == pytest.approx(3 / 5)
    assert figures["accuracy_when_answered"]["n"] == 5
    assert figures["chance"]["value"] == pytest.approx(1 / 2)
    # LOKI: (2 * (1/2 + 1) / 2 + 1 * (0 + 1/2) / 2) / 3
    assert figures["balanced_accuracy"]["value"] == pytest.approx(1.75 / 3)
    assert figures["by_part"]["doc"]["value"] == pytest.approx(2 / 3)
    assert figures["by_part"]["person"]["value"] == pytest.approx(1 / 3)


def test_unanswerable_questions_count_as_wrong_and_tasks_are_summed_up() -> None:
    kinds = asked(((T,), (T,), (T,), (T,)), 1, ("p",), task="kinds")
    found = questions_of([reading("p", S, 1.0, asked(YES_NO), kinds)])
    assert found is not None
    assert list(found) == ["task", "kinds", "all"]
    assert found["kinds"]["accuracy"]["value"] == 0
    assert found["kinds"]["answerable"]["value"] == 0
    assert "accuracy_when_answered" not in found["kinds"]
    assert found["all"]["accuracy"]["value"] == 0.5
    assert found["all"]["answerable"]["value"] == 0.5
    assert found["all"]["chance"]["value"] == pytest.approx((1 / 2 + 1 / 4) / 2)
    assert "balanced_accuracy" not in found["task"]


def test_questions_about_one_picture_are_one_piece_of_evidence() -> None:
    twice = (asked(YES_NO), asked(((A,), (T, S)), 1))
    found = questions_of([reading("p", S, 1.0, *twice)])
    assert found is not None
    assert found["task"]["questions"] == 2
    assert found["task"]["accuracy"] == {"value": 1.0, "low": 0.0, "high": 1.0, "n": 1}


def test_a_question_with_a_picture_nobody_looked_at_or_judged_is_not_asked() -> None:
    pair = asked(((S,), (S,)), pictures=("p", "q"))
    assert questions_of([reading("p", S, 1.0, pair)]) is None
    assert questions_of([reading("p", S, 1.0, pair), reading("q", None, 0.0)]) is None
    assert questions_of([reading("p", S, 1.0, pair), reading("q", A, 0.1)]) is not None
