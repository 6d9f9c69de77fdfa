"""The classification probability mapper: verdict probabilities read from the language model itself.

Append the verdict stem, run one forward pass, and take the softmax over the logits of the verdict
words at temperature T. Two words and T = 10 are FakeReasoning's recipe.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from morelli.data_pipeline.answer import VERDICT_STEM

if TYPE_CHECKING:
    from morelli.model.processing import ForgeryProcessor


def verdict_token_ids(tokenizer: Any, words: Sequence[str], stem: str = VERDICT_STEM) -> list[int]:
    """Return the token that tells each word from the others right after the stem.

    Works for any tokenizer: the words are tokenised behind the stem, so merges across the space,
    byte fallbacks and leading-space marks are the ones that generation meets.

    Args:
        tokenizer: a Hugging Face tokenizer.
        words: with their leading space, for example " tampered".
        stem: the text that comes before.

    Raises:
        ValueError: two words begin with the same token, or a word changes the stem's tokens.
    """
    start = tokenizer(stem, add_special_tokens=False)["input_ids"]
    first: list[int] = []
    for word in words:
        ids = tokenizer(stem + word, add_special_tokens=False)["input_ids"]
        if ids[: len(start)] != start or len(ids) == len(start):
            raise ValueError(
                f"{word!r} merges with {stem!r} in this tokenizer; choose another word"
            )
        first.append(ids[len(start)])
    if len(set(first)) != len(first):
        raise ValueError(f"verdict words {list(words)} begin with the same tokens {first}")
    return first


def verdict_logits(next_logits: Tensor, token_ids: Sequence[int], temperature: float) -> Tensor:
    """Map next-token logits to verdict logits.

    Args:
        next_logits: (B, vocabulary), read right after the verdict stem.
        token_ids: K ids from `verdict_token_ids`.
        temperature: T, above 0; larger is less certain.

    Returns:
        (B, K) float32 logits; their softmax is the probability, their cross-entropy the loss.
    """
    chosen = next_logits[:, torch.as_tensor(list(token_ids), device=next_logits.device)]
    return chosen.float() / temperature


def verdict_of_one(next_logits: Tensor, processor: "ForgeryProcessor") -> NDArray[np.float64]:
    """Return the (K,) raw verdict logits of one picture.

    Args:
        next_logits: (1, vocabulary), read right after the verdict stem.
        processor: of the model.
    """
    temperature = processor.config.verdict_temperature
    logits = verdict_logits(next_logits, processor.verdict_ids, temperature)
    raw: NDArray[np.float64] = logits[0].cpu().double().numpy()
    return raw
