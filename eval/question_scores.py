"""Turns the answered questions of a set into its figures, by task."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from morelli.eval.estimates import Values, estimates, ratio_of
from morelli.eval.questions import Question
from morelli.eval.readings import Reading

ALL = "all"
"""The task of all questions together."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question, the index of the option that was given, None if none was."""

    question: Question
    given: int | None

    @property
    def right(self) -> bool:
        return self.given == self.question.answer


def questions_of(readings: Sequence[Reading]) -> dict[str, Any] | None:
    """Return the figures of a set's questions, None if none was asked.

    A question of which a picture was not looked at (`--limit`), or got neither verdict nor
    probability (a tool that gives maps alone), is not asked. Intervals resample pictures, or what
    a question compares, not questions: two questions about one picture are one piece of evidence.

    Args:
        readings: of one set in one version.

    Returns:
        task -> {"questions", "accuracy", "answerable", "answered", "accuracy_when_answered",
        "chance", "balanced_accuracy", "by_part"}. `answerable` is the share of questions that
        some verdict could answer, `chance` what guessing gets right; figures that the task does
        not define are left out. "balanced_accuracy" is the mean over parts of the mean of the
        accuracies on real and on fake ones, parts weighted by their fake ones, as LOKI has it.
    """
    said = {one.said.id: one.said for one in readings if one.said.said is not None}
    asked = []
    for reading in readings:
        for question in reading.said.questions:
            if all(name in said for name in question.pictures):
                about = [said[name] for name in question.pictures]
                given = question.answered(
                    [one.said for one in about], [one.probability for one in about]
                )
                asked.append(_Asked(question, given))
    if not asked:
        return None
    tasks = _grouped(asked, "task")
    figures = {name: _figures(some) | _balanced(some) for name, some in tasks.items()}
    return figures | ({ALL: _figures(asked)} if len(tasks) > 1 else {})


def _figures(asked: Sequence[_Asked]) -> dict[str, Any]:
    figures = _shares(
        asked,
        {
            "accuracy": [one.right for one in asked],
            "answerable": [one.question.answerable for one in asked],
            "answered": [one.given is not None for one in asked],
            "chance": [1 / len(one.question.options) for one in asked],
        },
    )
    answered = [one for one in asked if one.given is not None]
    if answered:
        figures |= _shares(answered, {"accuracy_when_answered": [one.right for one in answered]})
    parts = {
        part: _shares(some, {"accuracy": [one.right for one in some]})["accuracy"]
        for part, some in _grouped(asked, "part").items()
    }
    return {"questions": len(asked), **figures, "by_part": parts}


def _balanced(asked: Sequence[_Asked]) -> dict[str, Any]:
    """Return LOKI's accuracy, nothing where questions have no side.

    A part without real ones counts its fake ones alone; one without fake ones is left out.
    """
    sides = Counter((one.question.part, one.question.side) for one in asked)
    if any(side is None for _, side in sides):
        return {}
    weights = np.array([_weight(one.question, sides) for one in asked])
    if not weights.any():
        return {}
    return _shares(asked, {"balanced_accuracy": [one.right for one in asked]}, weights)


def _weight(question: Question, sides: Mapping[tuple[str, str | None], int]) -> float:
    fake, real = sides[question.part, "fake"], sides[question.part, "real"]
    if question.side == "fake":
        return 0.5 if real else 1.0
    return 0.5 * fake / real


def _shares(
    asked: Sequence[_Asked], columns: Mapping[str, Sequence[float]], weights: Values | None = None
) -> dict[str, Any]:
    """Return weighted means of a value a question, resampled by what the questions are about."""
    subjects = [frozenset(one.question.pictures) for one in asked]
    numbers = {subject: number for number, subject in enumerate(dict.fromkeys(subjects))}
    members = [numbers[subject] for subject in subjects]

    def summed(values: Values) -> Values:
        return np.bincount(members, values).astype(np.float64)

    shares = np.ones(len(asked)) if weights is None else weights
    below = summed(shares)
    statistics = {
        name: ratio_of(summed(shares * np.asarray(values, float)), below)
        for name, values in columns.items()
    }
    found = estimates(statistics, np.zeros(len(numbers)))
    return {name: one.as_json() for name, one in found.items()}


def _grouped(asked: Sequence[_Asked], attribute: str) -> Mapping[str, list[_Asked]]:
    groups: dict[str, list[_Asked]] = {}
    for one in asked:
        groups.setdefault(getattr(one.question, attribute), []).append(one)
    return groups
