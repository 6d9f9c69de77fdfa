"""An endless stream of made pictures with the question put to the model and the answer taught."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import IterableDataset

from morelli.data_pipeline.answer import VERDICT_STEM, render
from morelli.data_pipeline.images import picture_from_bytes
from morelli.data_pipeline.instruments import measure
from morelli.data_pipeline.maker import Pool, make
from morelli.data_pipeline.maker.make import Made
from morelli.data_pipeline.schema import Measurement, Verdict
from morelli.data_pipeline.teacher import teach
from morelli.model.processing import ForgeryProcessor
from morelli.training.tiles import MASK_DETAIL, altered_share, collate_views, label_of, worker_seeds

IGNORED = -100
"""Label of tokens that are not learned."""


@dataclass(frozen=True)
class LessonPlan:
    """How pictures become conversations.

    Attributes:
        sides: sides of the made pictures in pixels, drawn evenly, one for each block.
        block: pictures of one size, so that they fit one batch; the batch size.
        readings_dropped: share of pictures whose maps are blanked and of whose readings some are
            left out of the question.
        inconclusive: share of answers that open with "inconclusive".
        first_seed: of the first picture.
    """

    sides: tuple[int, ...]
    block: int
    readings_dropped: float
    inconclusive: float
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
        rng = np.random.default_rng([seed, 2])
        made = make(self.pool, seed, side=side)
        height, width = made.mask.shape
        picture = picture_from_bytes(made.data, f"made-{seed}")
        measurements = measure(picture, self.processor.config.map_names)
        dropped = rng.random() < self.plan.readings_dropped
        spoken = _some(measurements, rng) if dropped else measurements
        views = self.processor.pixel_values(made.pixels, () if dropped else measurements)
        where = self.processor.layout(height, width)
        side = MASK_DETAIL * self.processor.config.grid
        truth = [altered_share(made.mask, where, i, side) for i in range(len(where.corners))]
        ids, labels, stem = self._text(made, spoken, rng)
        return {
            "pixel_values": torch.from_numpy(views),
            "truth": torch.from_numpy(np.stack(truth)),
            "label": torch.tensor(label_of(made)),
            "input_ids": torch.tensor(ids),
            "answer": torch.tensor(labels),
            "stem": torch.tensor(stem),
        }

    def _text(
        self, made: Made, spoken: tuple[Measurement, ...], rng: np.random.Generator
    ) -> tuple[list[int], list[int], int]:
        """Return token ids, labels, and the position from which the verdict is read."""
        height, width = made.mask.shape
        unsure = rng.random() < self.plan.inconclusive
        named = {measurement.instrument: measurement for measurement in spoken}
        if unsure:  # nothing may be said of an altered part that nobody is sure of
            verdict = Verdict.INCONCLUSIVE
            answer = teach(verdict, None, np.zeros_like(made.mask), named, rng)
        else:
            verdict = made.verdict
            answer = teach(verdict, made.kind, made.mask, named, rng)
        words = render(answer).removeprefix(VERDICT_STEM)
        prompt = self.processor.encode(self.processor.prompt(spoken, height, width))
        given = prompt + self.processor.verdict_prefix(verdict)
        ids = prompt + self.processor.encode(words) + [self.processor.tokenizer.eos_token_id]
        if ids[: len(given)] != given:
            raise ValueError(f"the answer's tokens do not continue the prefix of {verdict}")
        return ids, [IGNORED] * len(given) + ids[len(given) :], len(prompt) - 1


def _some(
    measurements: tuple[Measurement, ...], rng: np.random.Generator
) -> tuple[Measurement, ...]:
    count = int(rng.integers(1, len(measurements) + 1))
    chosen = sorted(rng.permutation(len(measurements))[:count])
    return tuple(measurements[index] for index in chosen)


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
