"""Reading on from what was read before: each text up to its last token, which writing begins with.

The last token of a text is left to `batching.write_on`, and so goes through the same lines whether
the text is written on alone or beside others.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from transformers import Cache

from morelli.model.growing_cache import copy_of

if TYPE_CHECKING:
    from morelli.model.forgery_vlm import ForgeryVLM

_AT_ONCE = 64
"""Tokens that are read in one pass. In bfloat16 a product is rounded as its size has it, so what
texts have in common ends where a pass of a text alone ends, too."""


def shared_prefix(first: Sequence[int], second: Sequence[int]) -> int:
    """Return how many tokens two sequences have in common at their start."""
    for index, (one, other) in enumerate(zip(first, second, strict=False)):
        if one != other:
            return index
    return min(len(first), len(second))


def read_on(
    model: "ForgeryVLM", known: Sequence[int], cache: Any, text: Sequence[int], end: int
) -> None:
    """Bring a cache to the first `end` tokens of a text that begins as what it knows does.

    Args:
        model: that reads.
        known: tokens that the cache is of; the text must share those of the picture.
        cache: at least of the tokens that both share; it is cut back to them, and grows.
        text: token ids.
        end: how many of them to read.

    Raises:
        ValueError: the text leaves what is known before the end of the picture, whose tokens
            cannot be read again.
    """
    shared = min(shared_prefix(known, text), cache.get_seq_length(), end)
    picture = model.config.image_token_id
    if picture in known[shared:]:
        raise ValueError(f"the conversation leaves the look's prompt at token {shared}")
    cache.crop(shared - cache.get_seq_length())
    for start in range(shared, end, _AT_ONCE):
        ids = torch.tensor([list(text[start : min(start + _AT_ONCE, end)])], device=model.device)
        model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)


def remembered(
    model: "ForgeryVLM",
    known: Sequence[Sequence[int]],
    caches: Sequence[Any],
    texts: Sequence[Sequence[int]],
) -> list[Cache]:
    """Read several texts, and what those that go on from the same cache have in common once.

    Args:
        model: that reads.
        known: for each text, tokens that its cache is of; see `read_on`.
        caches: for each text, perhaps the same for several; they are as they were afterwards.
        texts: token ids.

    Returns:
        A memory of each text but its last token.

    Raises:
        ValueError: see `read_on`.
    """
    together: dict[int, list[int]] = {}
    for number, cache in enumerate(caches):
        together.setdefault(id(cache), []).append(number)
    found: dict[int, Cache] = {}
    for numbers in together.values():
        some = [texts[number] for number in numbers]
        first, common = numbers[0], _in_common(some)
        trunk = copy_of(caches[first], caches[first].get_seq_length())
        shared = min(shared_prefix(known[first], common), trunk.get_seq_length())
        common = common[: len(common) - (len(common) - shared) % _AT_ONCE]
        read_on(model, known[first], trunk, common, len(common))
        for number in numbers:
            found[number] = copy_of(trunk, len(common))
            read_on(model, common, found[number], texts[number], len(texts[number]) - 1)
    return [found[number] for number in range(len(texts))]


def _in_common(texts: Sequence[Sequence[int]]) -> list[int]:
    """Return what all texts begin with, short of the last token of any."""
    common = list(texts[0])
    for text in texts[1:]:
        common = common[: shared_prefix(common, text)]
    return common[: min(map(len, texts)) - 1]
