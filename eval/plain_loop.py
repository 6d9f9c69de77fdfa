"""The yardstick of speed: Hugging Face's `generate`, one picture at a time, on the same weights.

What a reader of the model's card would write: the checkpoint as it is stored, every picture through
the instruments and the processor, then `generate` with its own cache. It writes as many tokens as
the examiner did, after the same verdict; it gives no probability, no interval and no mask.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from morelli.data_pipeline.images import Picture
from morelli.data_pipeline.instruments import measure

if TYPE_CHECKING:
    from morelli.model.checkpoint import Checkpoint
    from morelli.model.examiner import Examiner


@dataclass(frozen=True, slots=True)
class Answered:
    """What was written about one picture.

    Attributes:
        tokens: of the prompt, up to the line break after `<seg>`.
        text: the words.
        count: number of tokens of them.
        seconds: from the opened picture to the last word.
    """

    tokens: tuple[int, ...]
    text: str
    count: int
    seconds: float


def by_examiner(examiner: "Examiner", picture: Picture) -> Answered:
    """Let an examiner look at a picture and write about it."""
    start = time.perf_counter()
    look = examiner.look(picture)
    words = examiner.speak(look)
    return Answered(look.tokens, words.text, words.count, time.perf_counter() - start)


def by_generate(checkpoint: "Checkpoint", picture: Picture, like: Answered) -> Answered:
    """Let `generate` write as many tokens about a picture, after the same verdict.

    Args:
        checkpoint: as it was loaded; an examiner may not have changed it.
        picture: opened.
        like: what the examiner wrote.
    """
    model, processor = checkpoint.model, checkpoint.processor
    start = time.perf_counter()
    views = processor.pixel_values(picture.pixels, measure(picture))
    ids = torch.tensor([like.tokens])
    with torch.inference_mode():
        written = model.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids),
            pixel_values=torch.from_numpy(views)[None], do_sample=False,
            # the last token may end the answer
            min_new_tokens=max(1, like.count - 1), max_new_tokens=like.count,
            eos_token_id=processor.tokenizer.eos_token_id,
            pad_token_id=processor.tokenizer.pad_token_id,
        )  # fmt: skip
    new = written[0, ids.shape[1] :].tolist()
    return Answered(like.tokens, processor.decode(new), len(new), time.perf_counter() - start)


def agreement(ours: Sequence[Answered], theirs: Sequence[Answered]) -> float:
    """Return the share of answers that have the same words."""
    same = [one.text == other.text for one, other in zip(ours, theirs, strict=True)]
    return sum(same) / len(same)
