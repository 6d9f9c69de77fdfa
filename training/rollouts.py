"""From pictures to sampled answers, and to what a reward looks at: words, probability and mask.

A picture and its question are read once; all answers to them go on from that memory.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from morelli.data_pipeline.answer import VERDICT_STEM
from morelli.data_pipeline.schema import Verdict
from morelli.model.batching import beside_each_other, write_on
from morelli.model.calibration import Calibrator, map_peak
from morelli.model.cpm import verdict_of_one
from morelli.model.forgery_vlm import ForgeryVLM
from morelli.model.growing_cache import growing_cache
from morelli.model.mask_decoder import soft_map
from morelli.model.processing import ForgeryProcessor
from morelli.model.vision import ViewFeatures
from morelli.training.cases import Case
from morelli.training.rewards.rollout import Rollout
from morelli.training.sampling_weights import merged_for_sampling


@dataclass(frozen=True, eq=False)
class Opened:
    """A picture and its question, read up to the verdict stem.

    Attributes:
        features: of its views.
        prompt: tokens, the verdict stem included.
        cache: the language model's memory of them; it stays as it is.
        verdict_logits: (K,) of the mapper.
    """

    features: ViewFeatures
    prompt: list[int]
    cache: Any
    verdict_logits: NDArray[np.float64]

    def memory(self) -> Any:
        """Return a copy of the memory, which may grow."""
        return beside_each_other([self.cache], [len(self.prompt)])


class RolloutReader:
    """Reads the probability and the mask of sampled answers from the model that wrote them."""

    def __init__(
        self,
        model: ForgeryVLM,
        processor: ForgeryProcessor,
        calibrator: Calibrator,
        bf16: bool = False,
    ) -> None:
        """Prepare.

        Args:
            model: that writes.
            processor: of the model.
            calibrator: of the model.
            bf16: write in bfloat16. A policy must write as it learns: what it says by rounding
                alone, it would be taught to say or not to.
        """
        self.dtype = torch.bfloat16 if bf16 else torch.float32
        self.model = model
        self.processor = processor
        self.calibrator = calibrator

    def writing(self) -> AbstractContextManager[None]:
        """Give the language model the weights that it writes fastest with, for a while."""
        return merged_for_sampling(self.model, self.dtype)

    def prompt(self, case: Case) -> list[int]:
        """Return the tokens that a case's answer follows, the verdict stem included."""
        height, width = case.truth.height, case.truth.width
        return self.processor.encode(self.processor.prompt(case.measurements, height, width))

    def features(self, case: Case) -> ViewFeatures:
        """Return what the encoders see of a case."""
        views = self.processor.stack([case]).to(self.model.lm_head.weight.device)
        features: ViewFeatures = self.model.model.vision(views)
        return features

    @torch.no_grad()
    def open(self, case: Case) -> Opened:
        """Read a picture and its question."""
        prompt, features = self.prompt(case), self.features(case)
        device = self.model.lm_head.weight.device
        output = self.model.model(
            input_ids=torch.tensor([prompt], device=device), features=features,
            past_key_values=growing_cache(), use_cache=True,
        )  # fmt: skip
        next_logits = self.model.lm_head(output.last_hidden_state[:, -1])
        raw = verdict_of_one(next_logits, self.processor)
        return Opened(features, prompt, output.past_key_values, raw)

    def read(
        self,
        cases: Sequence[Case],
        completions: Sequence[Sequence[int]],
        opened: Mapping[int, Opened] | None = None,
    ) -> list[Rollout]:
        """Return a rollout for each sampled answer.

        The mask hangs on what stands up to `<seg>` alone, so answers to one picture that open with
        the same verdict share one.

        Args:
            cases: the picture of each answer.
            completions: token ids behind the verdict stem, the end token included if it came.
            opened: all of the pictures, read already, by the id of their case.
        """
        pictures = opened or {key: self.open(one) for key, one in by_identity(cases).items()}
        maps: dict[tuple[int, tuple[int, ...]], NDArray[np.float32]] = {}

        def soft(case: Case, tokens: Sequence[int]) -> NDArray[np.float32]:
            opening = self.opening(tokens)
            key = (id(case), tuple(opening))
            if key not in maps:
                maps[key] = self._map(case, pictures[id(case)], opening)
            return maps[key]

        tampered = self.processor.verdict_prefix(Verdict.TAMPERED)
        end = self.processor.tokenizer.eos_token_id
        rollouts = []
        for case, tokens in zip(cases, completions, strict=True):
            # the probability is the examiner's, whatever verdict was sampled
            peak = map_peak(soft(case, tampered), self.calibrator.mask_offset)
            raw = pictures[id(case)].verdict_logits
            chances = self.calibrator.probabilities(self.calibrator.joined(raw, peak))
            finished = end in tokens
            rollouts.append(Rollout.read(self._text(tokens), chances, soft(case, tokens), finished))
        return rollouts

    def opening(self, tokens: Sequence[int]) -> list[int]:
        """Return the tokens up to `<seg>`; `<seg>` alone if the answer never says it."""
        seg = self.model.config.seg_token_id
        said = list(tokens)
        return said[: said.index(seg) + 1] if seg in said else [seg]

    def _text(self, tokens: Sequence[int]) -> str:
        end = self.processor.tokenizer.eos_token_id
        kept = list(tokens)
        kept = kept[: kept.index(end)] if end in kept else kept
        return VERDICT_STEM + str(self.processor.tokenizer.decode(kept, skip_special_tokens=False))

    @torch.no_grad()
    def _map(self, case: Case, picture: Opened, opening: list[int]) -> NDArray[np.float32]:
        ids = torch.tensor([opening], device=self.model.lm_head.weight.device)
        output = self.model.model(input_ids=ids, past_key_values=picture.memory(), use_cache=True)
        state: Tensor = output.last_hidden_state[:, -1]
        logits = self.model.decode_masks(picture.features, state)
        where = self.processor.layout(case.truth.height, case.truth.width)
        return soft_map(logits, where, self.calibrator.mask_offset)


@torch.no_grad()
def write_answers(
    reader: RolloutReader,
    cases: Sequence[Case],
    most_tokens: int,
    temperature: float | None = None,
    opened: Mapping[int, Opened] | None = None,
) -> list[list[int]]:
    """Answer each case from the verdict word on, as GRPO samples it.

    Args:
        reader: of the model that answers.
        cases: the picture of each answer.
        most_tokens: longest answer in tokens.
        temperature: at which tokens are drawn, by torch's generator; None takes the likeliest.
        opened: all of the pictures, read already, by the id of their case.

    Returns:
        The tokens of each answer behind the verdict stem, the end token included if it came.
    """
    pictures = opened or {key: reader.open(case) for key, case in by_identity(cases).items()}
    rows = [pictures[id(case)] for case in cases]
    # The last token of each prompt is read again: writing begins with its state.
    memory = beside_each_other([row.cache for row in rows], [len(row.prompt) - 1 for row in rows])
    return write_on(
        reader.model, reader.processor, [row.prompt for row in rows], memory, most_tokens,
        temperature=temperature,
    )  # fmt: skip


def sample_answers(
    reader: RolloutReader,
    cases: Sequence[Case],
    most_tokens: int,
    temperature: float | None = None,
) -> list[Rollout]:
    """Answer each case as `write_answers` does, and read what was written."""
    with reader.writing():
        opened = {key: reader.open(case) for key, case in by_identity(cases).items()}
        tokens = write_answers(reader, cases, most_tokens, temperature, opened)
        return reader.read(cases, tokens, opened)


def by_identity(cases: Sequence[Case]) -> dict[int, Case]:
    """Return each case once, by its id."""
    return {id(case): case for case in cases}
