"""Choose the dtypes that are fastest on this machine: many rows at a time, and one."""

import time
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional

_SIDE = 256
_GAIN = 1.5


def _seconds(dtype: torch.dtype) -> float:
    left = torch.ones(_SIDE, _SIDE, dtype=dtype)
    left @ left
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        left @ left
        best = min(best, time.perf_counter() - start)
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


class SingleRowLinear(nn.Linear):
    """A linear layer that reads half as much memory when it multiplies a single row.

    Words are written a token at a time, which is bound by reading the weights and not by
    multiplying them; so a rounded copy in bfloat16 doubles the speed on any processor.
    """

    narrow: Tensor

    def __init__(self, layer: nn.Linear) -> None:
        """Share the parameters of `layer` and keep a bfloat16 copy of its weight."""
        nn.Module.__init__(self)
        self.in_features, self.out_features = layer.in_features, layer.out_features
        self.weight, self.bias = layer.weight, layer.bias
        self.register_buffer("narrow", layer.weight.detach().bfloat16(), persistent=False)

    def forward(self, rows: Tensor) -> Tensor:
        """Map (..., in) to (..., out) in the dtype of the rows."""
        if rows.numel() != self.in_features or torch.is_grad_enabled():
            return super().forward(rows)
        narrow = functional.linear(rows.bfloat16(), self.narrow).to(rows.dtype)
        return narrow if self.bias is None else narrow + self.bias


def narrow_single_rows(model: nn.Module) -> None:
    """Replace the linear layers of a model in place, so that it writes single tokens faster.

    Args:
        model: a language model or its head's parent, on a CPU; other devices are left alone.
    """
    for parent in list(model.modules()):
        for name, layer in parent.named_children():
            if type(layer) is nn.Linear and layer.weight.device.type == "cpu":
                setattr(parent, name, SingleRowLinear(layer))
