"""From sampled tokens to what a reward looks at: words, probability and mask of each answer."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from morelli.data_pipeline.answer import VERDICT_STEM
from morelli.model.calibration import Calibrator
from morelli.model.cpm import verdict_logits
from morelli.model.forgery_vlm import ForgeryVLM, seg_state
from morelli.model.processing import ForgeryProcessor
from morelli.model.views import stitch
from morelli.training.cases import Case
from morelli.training.rewards.rollout import Rollout

_Look = tuple[NDArray[np.float64], NDArray[np.float32]]


class RolloutReader:
    """Reads the probability and the mask of sampled answers from the model that wrote them."""

    def __init__(
        self, model: ForgeryVLM, processor: ForgeryProcessor, calibrator: Calibrator
    ) -> None:
        self.model = model
        self.processor = processor
        self.calibrator = calibrator

    def prompt(self, case: Case) -> list[int]:
        """Return the tokens that a case's answer follows, the verdict stem included."""
        height, width = case.truth.height, case.truth.width
        return self.processor.encode(self.processor.prompt(case.measurements, height, width))

    @torch.no_grad()
    def read(self, cases: Sequence[Case], completions: Sequence[Sequence[int]]) -> list[Rollout]:
        """Return a rollout for each sampled answer.

        The mask hangs on what stands up to `<seg>` alone, so answers to one picture that open with
        the same verdict share one forward pass.

        Args:
            cases: the picture of each answer.
            completions: token ids behind the verdict stem, the end token included if it came.
        """
        openings = [self._opening(tokens) for tokens in completions]
        keys = [(id(case), tuple(o)) for case, o in zip(cases, openings, strict=True)]
        looks: dict[tuple[int, tuple[int, ...]], _Look] = {}
        for key, case, opening in zip(keys, cases, openings, strict=True):
            if key not in looks:
                looks[key] = self._look(case, opening)
        end = self.processor.tokenizer.eos_token_id
        return [
            Rollout.read(self._text(tokens), *looks[key], finished=end in tokens)
            for key, tokens in zip(keys, completions, strict=True)
        ]

    def _opening(self, tokens: Sequence[int]) -> list[int]:
        """Return the tokens up to `<seg>`; `<seg>` alone if the answer never says it."""
        seg = self.model.config.seg_token_id
        said = list(tokens)
        return said[: said.index(seg) + 1] if seg in said else [seg]

    def _text(self, tokens: Sequence[int]) -> str:
        end = self.processor.tokenizer.eos_token_id
        kept = list(tokens)
        kept = kept[: kept.index(end)] if end in kept else kept
        return VERDICT_STEM + str(self.processor.tokenizer.decode(kept, skip_special_tokens=False))

    def _look(self, case: Case, opening: list[int]) -> _Look:
        prompt = self.prompt(case)
        device = self.model.lm_head.weight.device
        ids = torch.tensor([prompt + opening], device=device)
        features = self.model.model.vision(self.processor.stack([case]).to(device))
        output = self.model.model(input_ids=ids, features=features, use_cache=False)
        hidden = output.last_hidden_state
        logits = verdict_logits(
            self.model.lm_head(hidden[:, len(prompt) - 1]),
            self.processor.verdict_ids,
            self.model.config.verdict_temperature,
        )
        state = seg_state(hidden, ids, self.model.config.seg_token_id)
        masks = self.model.decode_masks(features, state).float() + self.calibrator.mask_offset
        where = self.processor.layout(case.truth.height, case.truth.width)
        soft = stitch(masks.sigmoid().cpu().numpy(), where)
        return self.calibrator.probabilities(logits[0].double().cpu().numpy()), soft


@torch.no_grad()
def sample_answers(
    reader: RolloutReader, cases: Sequence[Case], most_tokens: int, sample: bool = False
) -> list[Rollout]:
    """Answer each case from the verdict word on, as GRPO samples it.

    Args:
        reader: of the model that answers.
        cases: pictures of one scale.
        most_tokens: longest answer in tokens.
        sample: draw the tokens at temperature 1, by torch's generator; else take the likeliest.
    """
    model, tokenizer = reader.model, reader.processor.tokenizer
    prompts = [torch.tensor(reader.prompt(case)).flip(0) for case in cases]
    ids = pad_sequence(prompts, batch_first=True, padding_value=tokenizer.pad_token_id).flip(1)
    filled = pad_sequence([torch.ones_like(p) for p in prompts], batch_first=True).flip(1)
    device = model.lm_head.weight.device
    written: Tensor = model.generate(
        input_ids=ids.to(device), attention_mask=filled.to(device),
        pixel_values=reader.processor.stack(cases).to(device), max_new_tokens=most_tokens,
        do_sample=sample, eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        synced_gpus=False,  # a process may answer alone, with the whole model
    )  # fmt: skip
    return reader.read(
        cases, [_until_end(row, tokenizer.eos_token_id) for row in written[:, ids.shape[1] :]]
    )


def _until_end(row: Tensor, end: int) -> list[int]:
    tokens: list[int] = row.tolist()
    return tokens[: tokens.index(end) + 1] if end in tokens else tokens
