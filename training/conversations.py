"""An endless stream of made pictures with the question put to the model and the answer taught."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import IterableDataset

from morelli.data_pipeline.answer import VERDICT_STEM, parse, render
from morelli.data_pipeline.follow_ups import follow_ups
from morelli.data_pipeline.maker import Pool
from morelli.data_pipeline.schema import CLASSES, Answer, Measurement, Verdict
from morelli.data_pipeline.stand_ins import stand_in
from morelli.data_pipeline.teacher import drawn_outcome, teach
from morelli.model.conversation import Turn
from morelli.model.follow_up import Examined, lay_out
from morelli.model.processing import ForgeryProcessor
from morelli.training.cases import Case, made_case
from morelli.training.tiles import (
    MASK_DETAIL,
    altered_share,
    collate_views,
    worker_seeds,
)

IGNORED = -100
"""Label of tokens that are not learned."""

UNKNOWN = -1.0
"""Share of altered pixels where nobody knows the mask."""

MOST_TURNS = 3
"""Most follow-up questions of one lesson."""

MOST_TOKENS = 700
"""Longest lesson in tokens; turns beyond are left out. Time and memory of a step grow with it."""

_STAND_IN_SHARE = 0.7


@dataclass(frozen=True)
class LessonPlan:
    """How pictures become conversations.

    Attributes:
        sides: sides of the made pictures in pixels, drawn evenly, one for each block.
        block: pictures of one size, so that they fit one batch; the batch size.
        readings_dropped: share of pictures whose maps are blanked and of whose readings some are
            left out of the question, or replaced.
        inconclusive: share of answers that open with "inconclusive".
        follow_ups: share of the blocks whose answers are followed by one to three questions.
        first_seed: of the first picture.
    """

    sides: tuple[int, ...]
    block: int
    readings_dropped: float
    inconclusive: float
    follow_ups: float
    first_seed: int


class MadeConversations(IterableDataset[dict[str, Tensor]]):
    """Pictures made on the fly, measured, asked about and answered by the teacher."""

    def __init__(self, pool: Pool, processor: ForgeryProcessor, plan: LessonPlan) -> None:
        super().__init__()
        self.pool = pool
        self.processor = processor
        self.plan = plan

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        """Give one conversation at a time; workers interleave the seeds."""
        return itertools.starmap(self._sample, worker_seeds(self.plan.first_seed, self.plan.block))

    def _sample(self, block: int, seed: int) -> dict[str, Tensor]:
        side = int(np.random.default_rng([block, 3]).choice(self.plan.sides))
        case = made_case(self.pool, seed, side, self.processor.config.map_names)
        rng = np.random.default_rng([seed, 2])
        # Drawn for the block, since a batch takes as long as its longest lesson.
        followed = np.random.default_rng([block, 6]).random() < self.plan.follow_ups
        turns = int(rng.integers(1, MOST_TURNS + 1)) if followed else 0
        return converse(
            case, self.processor, rng, self.plan.readings_dropped, self.plan.inconclusive, turns
        )


def converse(
    case: Case,
    processor: ForgeryProcessor,
    rng: np.random.Generator,
    readings_dropped: float = 0.0,
    inconclusive: float = 0.0,
    turns: int = 0,
) -> dict[str, Tensor]:
    """Put one picture, the question, the taught answer and what follows it into tensors.

    A reference answer is taught as it stands, and then no reading that it may cite is left out;
    without one the teacher writes the answer.

    Args:
        case: the picture.
        processor: of the model that learns.
        rng: of every draw.
        readings_dropped: chance that the maps are blanked and some readings left out or replaced.
        inconclusive: chance that the teacher's answer opens with "inconclusive".
        turns: questions that follow the answer, as far as `MOST_TOKENS` allows.

    Returns:
        "pixel_values", "truth" (T, h, w; `UNKNOWN` where the mask is not known), "label",
        "input_ids", "answer" (labels of the words) and "stem", the position the verdict is read at.
    """
    dropped = rng.random() < readings_dropped
    whole = not dropped or case.answer is not None
    spoken = case.measurements if whole else _some(case, rng)
    views = processor.pixel_values(case.pixels, () if dropped else case.measurements)
    answer = parse(case.answer) if case.answer else _taught(case, spoken, rng, inconclusive)
    ids, labels, stem = _tokens(processor, case, spoken, answer)
    if turns:
        _follow(processor, *_questions(case, spoken, answer, rng, turns), ids, labels)
    return {
        "pixel_values": torch.from_numpy(views),
        "truth": torch.from_numpy(altered_shares(case, processor)),
        "label": torch.tensor(CLASSES.index(case.truth.verdict)),
        "input_ids": torch.tensor(ids),
        "answer": torch.tensor(labels),
        "stem": torch.tensor(stem),
    }


def altered_shares(case: Case, processor: ForgeryProcessor) -> NDArray[np.float32]:
    """Return the (T, h, w) share of altered pixels under each mask pixel of a case's tiles.

    `UNKNOWN` everywhere if the mask is not known, or the picture is not a camera's to begin with.
    """
    where = processor.layout(case.truth.height, case.truth.width)
    side = MASK_DETAIL * processor.config.grid
    if case.truth.mask is None or case.truth.verdict is Verdict.SYNTHETIC:
        return np.full((len(where.corners), side, side), UNKNOWN, np.float32)
    return np.stack(
        [altered_share(case.truth.mask, where, i, side) for i in range(len(where.corners))]
    )


def _taught(
    case: Case, spoken: tuple[Measurement, ...], rng: np.random.Generator, inconclusive: float
) -> Answer:
    named = {measurement.instrument: measurement for measurement in spoken}
    mask = _mask(case)
    if rng.random() < inconclusive:
        # nothing may be said of an altered part that nobody is sure of
        return teach(Verdict.INCONCLUSIVE, None, np.zeros_like(mask), named, rng)
    return teach(case.truth.verdict, case.kind, mask, named, rng)


def _tokens(
    processor: ForgeryProcessor, case: Case, spoken: tuple[Measurement, ...], answer: Answer
) -> tuple[list[int], list[int], int]:
    """Return token ids, labels, and the position from which the verdict is read."""
    words = render(answer).removeprefix(VERDICT_STEM)
    text = processor.prompt(spoken, case.truth.height, case.truth.width)
    prompt = processor.encode(text)
    opening = processor.verdict_prefix(answer.verdict)
    ids = prompt + processor.encode(words) + [processor.tokenizer.eos_token_id]
    if ids[len(prompt) : len(prompt) + len(opening)] != opening:
        raise ValueError(f"the answer's tokens do not continue the prefix of {answer.verdict}")
    # The opening is learned too, or nobody could sample a whole answer; not so a verdict that was
    # drawn by lot.
    drawn = opening.index(processor.config.seg_token_id) if answer.verdict not in CLASSES else 0
    skipped = len(prompt) + drawn
    return ids, [IGNORED] * skipped + ids[skipped:], len(prompt) - 1


def _follow(
    processor: ForgeryProcessor,
    examined: Examined,
    turns: Sequence[Turn],
    ids: list[int],
    labels: list[int],
) -> None:
    """Append questions and answers, laid out as at inference; only the answers are learned.

    Raises:
        ValueError: the conversation does not go on from the tokens so far.
    """
    for number, turn in enumerate(turns):
        opened = lay_out(processor, examined, [*turns[:number], Turn(turn.question)])
        reply = [*processor.encode(turn.answer or ""), processor.tokenizer.eos_token_id]
        if opened[: len(ids)] != ids:
            raise ValueError(f"follow-up question {number + 1} does not continue the conversation")
        if len(opened) + len(reply) > MOST_TOKENS:
            return
        labels += [IGNORED] * (len(opened) - len(ids)) + reply
        ids += opened[len(ids) :] + reply


def _questions(
    case: Case,
    spoken: tuple[Measurement, ...],
    answer: Answer,
    rng: np.random.Generator,
    count: int,
) -> tuple[Examined, list[Turn]]:
    """Return what a conversation knows of a lesson's picture, and questions with answers."""
    tampered = answer.verdict is Verdict.TAMPERED
    mask = _mask(case) if tampered else np.zeros((case.truth.height, case.truth.width), bool)
    outcome = drawn_outcome(answer.verdict, mask, rng)
    named = {measurement.instrument: measurement for measurement in spoken}
    said = follow_ups(outcome, named, mask, rng, count)
    examined = Examined(spoken, case.truth.height, case.truth.width, answer, outcome)
    return examined, [Turn(question, reply) for question, reply in said]


def _some(case: Case, rng: np.random.Generator) -> tuple[Measurement, ...]:
    """Return some of a case's readings, many of them replaced."""
    count = int(rng.integers(1, len(case.measurements) + 1))
    chosen = sorted(rng.permutation(len(case.measurements))[:count])
    mask = _mask(case)
    return tuple(
        stand_in(case.measurements[index], mask, rng)
        if rng.random() < _STAND_IN_SHARE
        else case.measurements[index]
        for index in chosen
    )


def _mask(case: Case) -> NDArray[np.bool_]:
    """Return the (H, W) mask of a case, all False if nothing was altered or nobody knows where."""
    if case.truth.mask is None:
        return np.zeros((case.truth.height, case.truth.width), bool)
    return case.truth.mask


def collate(samples: list[dict[str, Tensor]]) -> dict[str, Any]:
    """Stack conversations, padded on the right, with their views."""
    lengths = torch.tensor([len(sample["input_ids"]) for sample in samples])
    longest = int(lengths.max())
    return {
        **collate_views(samples),
        "input_ids": pad_sequence([s["input_ids"] for s in samples], batch_first=True),
        "attention_mask": (torch.arange(longest)[None] < lengths[:, None]).long(),
        "answer": pad_sequence(
            [s["answer"] for s in samples], batch_first=True, padding_value=IGNORED
        ),
        "stem": torch.stack([sample["stem"] for sample in samples]),
    }
