"""What a model that learns is worth on pictures that it does not learn from."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from morelli.data_pipeline.schema import CLASSES
from morelli.training.cases import Case
from morelli.training.rewards import REWARDS, WEIGHTS, score
from morelli.training.rewards.rollout import Rollout
from morelli.training.rollouts import RolloutReader, sample_answers

_AT_ONCE = 8
"""Pictures that are answered together: writing is bound by reading the weights."""

COMPARISON = "evaluation.json"
"""What held-out pictures scored before and after, in a run's folder."""


@dataclass(frozen=True)
class Figure:
    """A mean over pictures.

    Attributes:
        mean: of the pictures.
        error: standard error of the mean.
        n: pictures that it rests on.
    """

    mean: float
    error: float
    n: int

    def __str__(self) -> str:
        return f"{self.mean:.3f} +- {self.error:.3f} (n = {self.n})"


def held_out(
    reader: RolloutReader,
    cases: Sequence[Case],
    most_tokens: int,
    weights: Mapping[str, float] = WEIGHTS,
    draws: int = 0,
) -> dict[str, Figure]:
    """Let the model answer held-out pictures and score the answers.

    Args:
        reader: of the model; it is left in evaluation mode.
        cases: not trained on.
        most_tokens: longest answer in tokens.
        weights: of the rewards in "score".
        draws: answers sampled for each picture and averaged; 0 takes the likeliest answer.

    Returns:
        "score" (0 to 1), "accuracy" of the class of highest probability, and every reward by its
        name; one that applies to no picture is left out.
    """
    reader.model.eval()
    rows: list[dict[str, float]] = []
    times = max(draws, 1)
    with tqdm(total=len(cases), desc="held-out answers", unit="picture", disable=None) as bar:
        for start in range(0, len(cases), _AT_ONCE):
            some = [cases[index] for index in range(start, min(start + _AT_ONCE, len(cases)))]
            asked = [case for case in some for _ in range(times)]
            answers = sample_answers(reader, asked, most_tokens, 1.0 if draws else None)
            for number, case in enumerate(some):
                own = answers[number * times : (number + 1) * times]
                rows.append(_mean(_row(rollout, case, weights) for rollout in own))
            bar.update(len(some))
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: _figure([row[name] for row in rows if name in row]) for name in names}


def _row(rollout: Rollout, case: Case, weights: Mapping[str, float]) -> dict[str, float]:
    likeliest = CLASSES[int(np.argmax(rollout.probability))]
    earned = {name: reward(rollout, case.truth) for name, reward in REWARDS.items()}
    return {
        "score": score(rollout, case.truth, weights),
        "accuracy": float(likeliest is case.truth.verdict),
        **{name: value for name, value in earned.items() if value is not None},
    }


def _mean(rows: Iterator[dict[str, float]]) -> dict[str, float]:
    values: dict[str, list[float]] = {}
    for row in rows:
        for name, value in row.items():
            values.setdefault(name, []).append(value)
    return {name: float(np.mean(found)) for name, found in values.items()}


def _figure(values: list[float]) -> Figure:
    count = len(values)
    error = float(np.std(values, ddof=1) / np.sqrt(count)) if count > 1 else float("nan")
    return Figure(float(np.mean(values)), error, count)


def before_training(
    reader: RolloutReader, cases: Sequence[Case], most_tokens: int, out: Path
) -> dict[str, Figure]:
    """Return what a model is worth before it learns, as `held_out`; a resumed run asks only once.

    Of several processes only the first one, which will write the comparison, is asked at all.

    Args:
        reader: of the model.
        cases: not trained on.
        most_tokens: longest answer in tokens.
        out: folder of the run, where the figures are kept.
    """
    if os.environ.get("RANK", "0") != "0":  # torchrun's
        return {}
    path = out / COMPARISON
    if path.exists():
        found = json.loads(path.read_text())["before"]
        return {name: Figure(**figure) for name, figure in found.items()}
    before = held_out(reader, cases, most_tokens)
    write_comparison(out, before, {})
    return before


def write_comparison(out: Path, before: Mapping[str, Figure], after: Mapping[str, Figure]) -> None:
    """Write both to the run's evaluation.json."""
    record = {
        "before": {name: asdict(figure) for name, figure in before.items()},
        "after": {name: asdict(figure) for name, figure in after.items()},
    }
    (out / COMPARISON).write_text(json.dumps(record, indent=1) + "\n")


def table_of(
    before: Mapping[str, Figure], after: Mapping[str, Figure]
) -> dict[str, tuple[str, str]]:
    """Return the rows of a card's table."""
    return {name: (str(before.get(name, "-")), str(figure)) for name, figure in after.items()}


def reached(after: Mapping[str, Figure]) -> dict[str, float]:
    """Return what every report of a checkpoint says that it reached."""
    return {
        f"{name} on {figure.n} held-out pictures": round(figure.mean, 4)
        for name, figure in after.items()
    }
