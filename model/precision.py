"""Choose the dtype that multiplies matrices fastest on this machine."""

import time
from functools import cache

import torch

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
