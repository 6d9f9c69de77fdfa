"""Choose the dtypes that are fastest on this machine: many rows at a time, and one."""

import time
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional

_SIDE = 256
_GAIN = 1.5


def _seconds(dtype: torch.dtype) -> float:
    """Time a product on one thread, by the processor's clock: what else runs must not decide."""
    left = torch.ones(_SIDE, _SIDE, dtype=dtype)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        left @ left
        best = float("inf")
        for _ in range(5):
            start = time.thread_time()
            left @ left
            best = min(best, time.thread_time() - start)
    finally:
        torch.set_num_threads(threads)
    return best


@cache
def fastest_dtype() -> torch.dtype:
    """Return bfloat16 if it is at least half as fast again as float32 here, else float32.

    Processors with matrix units multiply bfloat16 several times faster; those without emulate it
    a hundred times slower. The probe takes well under a second and its answer is recorded in every
    report, since the two round differently.
    """
    faster = _seconds(torch.bfloat16) * _GAIN < _seconds(torch.float32)
    return torch.bfloat16 if faster else torch.float32


class NarrowLinear(nn.Module):
    """A linear layer that keeps its weight in bfloat16 only, for inference.

    Words are written a token at a time, which is bound by reading the weights and not by
    multiplying them: half the bytes make it faster on any processor. Many rows are multiplied in
    bfloat16 where that is fastest, else with the weight widened for the moment. So is the last
    token of each text: products of bfloat16 are rounded to so few digits that the words of one
    text would depend on how many others are written beside it.
    """

    weight: Tensor

    def __init__(self, layer: nn.Linear) -> None:
        """Round the weight of `layer` and share its bias."""
        super().__init__()
        self.register_buffer("weight", layer.weight.detach().bfloat16())
        self.bias = layer.bias

    def forward(self, rows: Tensor) -> Tensor:
        """Map (B, T, in) to (B, T, out) in the dtype of the rows."""
        if rows.shape[-2] > 1 and fastest_dtype() is torch.bfloat16:
            product = functional.linear(rows.bfloat16(), self.weight).to(rows.dtype)
        else:
            product = functional.linear(rows, self.weight.to(rows.dtype))
        return product if self.bias is None else product + self.bias


def narrow_linears(model: nn.Module) -> None:
    """Replace the linear layers of a model in place by narrow ones; it can learn no more.

    Args:
        model: a language model or its head's parent, on a CPU; other devices are left alone.
    """
    for parent in list(model.modules()):
        for name, layer in parent.named_children():
            if type(layer) is nn.Linear and layer.weight.device.type == "cpu":
                setattr(parent, name, NarrowLinear(layer))
