"""What a machine can do at most, and how much of it a model's work needs: floors under its seconds.

Encoders and prompts are bound by multiplying matrices, words that are written one at a time by
reading the weights from memory. Peaks are measured, operations counted by torch and bytes by what
a single step really reads.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from morelli.data_pipeline.images import Picture

if TYPE_CHECKING:
    from morelli.model.examiner import Examiner
    from morelli.model.look import Look

_MATRIX = 2048
_READ_BYTES = 512_000_000
_PASSES = 4


def _attention(
    query: Sequence[int], key: Sequence[int], value: Sequence[int], *_: Any, **__: Any
) -> int:
    """Return the operations of attention between (B, heads, T, width) queries, keys and values.

    As torch counts them on a GPU: what a causal mask spares is not left out.
    """
    batch, heads, rows, width = query
    return 2 * batch * heads * rows * key[2] * (width + value[3])


_CPU_ATTENTION = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention}
"""Torch counts attention on GPUs only."""


@dataclass(frozen=True, slots=True)
class Peaks:
    """What this machine reached.

    Attributes:
        float32: operations a second of matrix products, a multiplication and an addition being two.
        bfloat16: likewise.
        reading: bytes of memory read a second.
    """

    float32: float
    bfloat16: float
    reading: float

    def of(self, dtype: torch.dtype) -> float:
        """Return the operations a second of a dtype."""
        return self.bfloat16 if dtype is torch.bfloat16 else self.float32


@dataclass(frozen=True, slots=True)
class Work:
    """How much an examination has to do.

    Attributes:
        encoders: operations of both encoders and their fusion.
        prompt: operations of the language model on everything before the verdict.
        rest: operations of all else up to the map.
    """

    encoders: int
    prompt: int
    rest: int


def measure_peaks() -> Peaks:
    """Measure matrix products of 2048 x 2048 and the reading of half a gigabyte, best of four."""
    rates = []
    for dtype in (torch.float32, torch.bfloat16):
        left = torch.randn(_MATRIX, _MATRIX).to(dtype)
        rates.append(2 * _MATRIX**3 / _best_of(lambda left=left: left @ left))  # type: ignore[misc]
    memory = torch.ones(_READ_BYTES // 4)
    return Peaks(rates[0], rates[1], _READ_BYTES / _best_of(memory.sum))


def _best_of(work: Callable[[], Any]) -> float:
    """Return the shortest time of some runs, which other programs disturbed least."""
    times = []
    for _ in range(_PASSES):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def count_work(examiner: "Examiner", picture: Picture) -> Work:
    """Count the operations of one look, without what tries the stability of the verdict."""
    encoders: list[int] = []
    language: list[int] = []
    inner = examiner.model.model
    with FlopCounterMode(display=False, custom_mapping=_CPU_ATTENTION) as counter:
        total = counter.get_total_flops
        with (
            _calls(inner.vision, total, encoders),
            _calls(inner.language_model, total, language),
            without_stability(examiner),
        ):
            examiner.look(picture)
        whole = total()
    return Work(sum(encoders), language[0], whole - sum(encoders) - language[0])


@contextmanager
def _calls(module: nn.Module, total: Callable[[], int], found: list[int]) -> Iterator[None]:
    """Append by how much a total grows in each call of a module."""
    before: list[int] = []
    hooks = (
        module.register_forward_pre_hook(lambda *_: before.append(total())),
        module.register_forward_hook(lambda *_: found.append(total() - before.pop())),
    )
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def without_stability(examiner: "Examiner") -> Iterator[None]:
    """Let an examiner decide without trying what mild changes do to the verdict."""
    before, examiner.stability = examiner.stability, False
    try:
        yield
    finally:
        examiner.stability = before


def bytes_of_a_token(examiner: "Examiner", look: "Look") -> tuple[int, int]:
    """Return how many bytes of weights and of memory of the prompt one more token reads.

    Args:
        examiner: whose model writes.
        look: of a picture; its cache is left a token longer.
    """
    weights: list[int] = []
    hooks = [
        module.register_forward_hook(lambda one, given, _: weights.append(_read(one, given[0])))
        for module in examiner.model.modules()
        if isinstance(getattr(module, "weight", None), torch.Tensor)
    ]
    try:
        with torch.inference_mode():
            examiner.model(
                input_ids=torch.tensor([[look.tokens[-1]]]), past_key_values=look.cache,
                use_cache=True, logits_to_keep=1,
            )  # fmt: skip
    finally:
        for hook in hooks:
            hook.remove()
    cache = sum(layer.keys.nbytes + layer.values.nbytes for layer in look.cache.layers)
    return sum(weights), cache


def _read(module: nn.Module, given: torch.Tensor) -> int:
    weight = module.weight
    assert isinstance(weight, torch.Tensor)
    # of a table of embeddings only the rows of the tokens are read
    rows = given.numel() if isinstance(module, nn.Embedding) else len(weight)
    return rows * weight[0].nbytes
