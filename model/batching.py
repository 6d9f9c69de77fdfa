"""Going on from several texts at once: one forward pass a token for all of them.

Writing is bound by reading the weights, which serves all of them. A text alone and the same text
among others run through the same lines, and differ by the rounding of float32 only: with the
checkpoint that ships, logits of 30 move by 0.00003.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import Cache, StoppingCriteria

from morelli.model.growing_cache import growing_cache

if TYPE_CHECKING:
    from morelli.model.forgery_vlm import ForgeryVLM
    from morelli.model.processing import ForgeryProcessor


def beside_each_other(caches: Sequence[Any], lengths: Sequence[int]) -> Cache:
    """Join the memories of several texts, each moved to the right end as padded tokens are.

    Args:
        caches: of one text each; they stay as they are.
        lengths: how many tokens of each to take, from its start.

    Returns:
        A cache of as many rows, of the longest length; what is left of a shorter text is zero and
        has to be masked.
    """
    longest = max(lengths)

    def aligned(states: Sequence[Tensor]) -> Tensor:
        rows = zip(states, lengths, strict=True)
        return torch.cat(
            [functional.pad(row[..., :n, :], (0, 0, longest - n, 0)) for row, n in rows]
        )

    joined = growing_cache()
    for number, layers in enumerate(zip(*(cache.layers for cache in caches), strict=True)):
        keys, values = [layer.keys for layer in layers], [layer.values for layer in layers]
        joined.update(aligned(keys), aligned(values), number)
    return joined


def write_on(
    model: "ForgeryVLM",
    processor: "ForgeryProcessor",
    texts: Sequence[Sequence[int]],
    cache: Any,
    limit: int,
    stopping: Sequence[StoppingCriteria] = (),
    temperature: float | None = None,
) -> list[list[int]]:
    """Write what follows several texts, until each has come to its end.

    Args:
        model: that writes.
        processor: of the model.
        texts: token ids, image placeholders included.
        cache: memory of all tokens of the longest text but its last one, shorter texts at the
            right end; it grows.
        limit: most tokens to write.
        stopping: what else may stop the writing of all of them.
        temperature: at which tokens are drawn, by torch's generator; None takes the likeliest.

    Returns:
        The new tokens of each text, the end token included where it was reached.
    """
    longest = max(map(len, texts))
    padding = processor.tokenizer.pad_token_id
    end = processor.tokenizer.eos_token_id
    device = model.lm_head.weight.device
    mask = torch.tensor([[0] * (longest - len(t)) + [1] * len(t) for t in texts], device=device)
    ids = [[padding] * (longest - len(t)) + list(t) for t in texts]
    written = model.generate(
        input_ids=torch.tensor(ids, device=device), attention_mask=mask,
        # Left to itself it would count the padding, which the memory of a shorter text does not.
        position_ids=(mask.cumsum(-1) - 1).clamp(min=0),
        past_key_values=cache, max_new_tokens=limit, **_drawing(model, temperature),
        stopping_criteria=list(stopping), eos_token_id=end, pad_token_id=padding,
        synced_gpus=False,  # a process may write alone, with the whole model
    )  # fmt: skip
    new: list[list[int]] = written[:, longest:].tolist()
    return [row[: row.index(end) + 1] if end in row else row for row in new]


def _drawing(model: "ForgeryVLM", temperature: float | None) -> dict[str, Any]:
    """Return how tokens are chosen, as settings of `generate`."""
    if temperature is None:
        return {"do_sample": False}
    # From the whole distribution, or what is learned from were not what the model says; but a
    # placeholder has no picture behind it.
    return {
        "do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0,
        "suppress_tokens": [model.config.image_token_id],
    }  # fmt: skip
