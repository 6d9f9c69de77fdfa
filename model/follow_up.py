"""How follow-up questions reach the language model, and how it is heard while it writes.

The model reads the picture and the readings as in an examination, then its own checked answer, then
the turns.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import StoppingCriteria

from morelli.data_pipeline.answer import VERDICT_STEM, render
from morelli.data_pipeline.prompts import SYSTEM, Outcome, line_of_outcome
from morelli.data_pipeline.report import Report
from morelli.data_pipeline.schema import Answer, Claim, Measurement, Status
from morelli.model.conversation import GUIDE, MAX_QUESTION, MAX_TURNS, Hear, Turn
from morelli.model.processing import IMAGE, ForgeryProcessor


@dataclass(frozen=True, slots=True)
class Examined:
    """What a conversation knows of a picture beside the picture itself.

    Attributes:
        measurements: what the instruments read.
        height: of the picture in pixels.
        width: of the picture in pixels.
        answer: the checked answer.
        outcome: the decision.
    """

    measurements: tuple[Measurement, ...]
    height: int
    width: int
    answer: Answer
    outcome: Outcome

    @classmethod
    def of(cls, report: Report) -> "Examined":
        """Take it from a report, without the claims that a measurement contradicts."""
        claims = tuple(
            Claim(found.instrument, found.polarity, found.place, found.statement)
            for found in report.findings
            if found.status is not Status.CONTRADICTED
        )
        return cls(
            report.measurements,
            report.picture.height,
            report.picture.width,
            Answer(report.verdict, claims),
            Outcome(report.verdict, 1 - report.probability["authentic"], report.where),
        )


def conversation(processor: ForgeryProcessor, report: Report, turns: Sequence[Turn]) -> list[int]:
    """Return the tokens of a conversation up to the answer of its last turn.

    Args:
        processor: of the model that will answer.
        report: of the picture that is asked about.
        turns: oldest first; the last one is open.

    Raises:
        ValueError: there is no turn, or the last one is already answered.
    """
    return lay_out(processor, Examined.of(report), turns)


def lay_out(processor: ForgeryProcessor, examined: Examined, turns: Sequence[Turn]) -> list[int]:
    """Do the same for what need not be a report: lessons are laid out as conversations are.

    Raises:
        ValueError: there is no turn, or the last one is already answered.
    """
    if not turns or turns[-1].answer is not None:
        raise ValueError("the last turn must be a question without an answer")
    readings = processor.question(examined.measurements, examined.height, examined.width)
    messages = [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": IMAGE * processor.config.num_image_tokens + readings},
        {"role": "assistant", "content": render(examined.answer)},
    ]
    reminder = f"{line_of_outcome(examined.outcome)}\n{GUIDE}"
    for turn in turns[-MAX_TURNS:]:
        question = plain(processor, turn.question)
        messages.append({"role": "user", "content": f"{reminder}\n{question}"})
        if turn.answer is not None:
            messages.append({"role": "assistant", "content": plain(processor, turn.answer)})
    text: str = processor.tokenizer.apply_chat_template(
        messages, tokenize=False, add_generation_prompt=True
    )
    return processor.encode(text)


def plain(processor: ForgeryProcessor, text: str) -> str:
    """Return words of a visitor without the markers that only the program may set."""
    markers = sorted({VERDICT_STEM, *_markers(processor)}, key=len, reverse=True)
    pattern = re.compile("|".join(map(re.escape, markers)))
    text = text[:MAX_QUESTION]
    # Taking one marker out may close the gap of another that was wrapped around it.
    while pattern.search(text):
        text = pattern.sub(" ", text)
    return text.strip()


class Listening(StoppingCriteria):  # type: ignore[misc]
    """Hands the text to a listener after every token, and stops when it says so."""

    def __init__(self, processor: ForgeryProcessor, start: int, hear: Hear) -> None:
        """Listen to what is generated from token `start` on."""
        self._processor, self._start, self._hear = processor, start, hear

    def __call__(self, input_ids: Tensor, scores: Tensor, **kwargs: object) -> Tensor:
        """Return (1,) bool, True to stop."""
        text = self._processor.decode(input_ids[0, self._start :].tolist())
        return torch.tensor([self._hear(text)], device=input_ids.device)


def _markers(processor: ForgeryProcessor) -> list[str]:
    added = processor.tokenizer.added_tokens_decoder
    return [str(token.content) for token in added.values()]
