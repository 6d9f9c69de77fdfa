"""Two pictures with true measurements, and honest answers to them."""

from types import SimpleNamespace

import numpy as np
import pytest

from morelli.data_pipeline.answer import render
from morelli.data_pipeline.places import box_of
from morelli.data_pipeline.schema import Measurement, Verdict
from morelli.data_pipeline.teacher import teach
from morelli.training.rewards.rollout import Rollout, Truth

HEIGHT, WIDTH = 60, 90


def reading(name, value, place=None, reliability=0.9):
    """Return a measurement that is normal from 0 to 2, anomalous in a place if it has one."""
    heat = np.zeros((HEIGHT, WIDTH), np.float32)
    if place:
        box_of(place, HEIGHT, WIDTH).crop(heat)[5:, 5:] = 1
    statement = f"The {name} instrument read {value}."
    return Measurement(name, value, "times", (0.0, 2.0), reliability, statement, heat)


def truth_of(verdict):
    """Return the truth of a picture, altered in the lower left if it is tampered."""
    tampered = verdict is Verdict.TAMPERED
    mask = np.zeros((HEIGHT, WIDTH), bool)
    if tampered:
        mask[42:58, 4:28] = True
    readings = [
        reading("noise", 3.4 if tampered else 1.0, "lower left" if tampered else None),
        reading("jpeg", 0.5),
        reading("copy-move", None, reliability=0.0),
    ]
    return Truth(verdict, mask, {r.instrument: r for r in readings}, HEIGHT, WIDTH)


def sure_of(verdict, chance=0.8):
    """Return class probabilities with most of them on one class."""
    from morelli.data_pipeline.schema import CLASSES

    rest = (1 - chance) / 2
    return np.array([chance if one is verdict else rest for one in CLASSES])


def map_of(truth, hit=True):
    """Return a map that covers most of the true mask, some of the rest and little else."""
    heat = np.full((HEIGHT, WIDTH), 0.1, np.float32)
    if hit and truth.mask.any():
        heat[44:60, 6:30] = 0.9
    return heat


def honest_answer(truth, seed=0):
    """Return a fair answer: the teacher's words, a rough mask, a probability of 0.8."""
    words = teach(
        truth.verdict, "splice", truth.mask, truth.measurements, np.random.default_rng(seed)
    )
    return Rollout.read(render(words), sure_of(truth.verdict), map_of(truth))


@pytest.fixture
def world():
    """Give what the tests of the rewards share."""
    return SimpleNamespace(
        height=HEIGHT, width=WIDTH, reading=reading, truth_of=truth_of, sure_of=sure_of,
        map_of=map_of, honest=honest_answer,
        truths=[truth_of(v) for v in (Verdict.AUTHENTIC, Verdict.TAMPERED, Verdict.SYNTHETIC)],
    )  # fmt: skip
