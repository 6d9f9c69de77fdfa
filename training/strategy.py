"""How several processes share the work of training, by one name.

Start them with `torchrun --nproc_per_node N`; a single process is the case N = 1 of each. What a
strategy needs is also written as a file of accelerate's or DeepSpeed's own format into the run, so
that one can see and reuse it.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from morelli.model.precision import fastest_dtype


def _ddp(bf16: bool) -> dict[str, Any]:
    # Some heads take no part in some stages.
    return {"bf16": bf16, "ddp_find_unused_parameters": True}


def _fsdp(bf16: bool) -> dict[str, Any]:
    # Shared out by `full_shards`, not by transformers, which must not be told.
    return {"bf16": bf16}


def _zero(stage: int, bf16: bool) -> dict[str, Any]:
    zero: dict[str, Any] = {"stage": stage, "contiguous_gradients": True, "overlap_comm": False}
    if stage == 3:
        zero["stage3_gather_16bit_weights_on_model_save"] = True
    return {
        "deepspeed": {
            "zero_optimization": zero,
            "zero_allow_untested_optimizer": True,
            "train_micro_batch_size_per_gpu": "auto",
            "gradient_accumulation_steps": "auto",
            "train_batch_size": "auto",
            "gradient_clipping": "auto",
            # Rounds as the other strategies do; a "bf16" section would round the weights themselves
            "torch_autocast": {"enabled": bf16, "dtype": "bfloat16"},
        }
    }


STRATEGIES: dict[str, Callable[[bool], dict[str, Any]]] = {
    "ddp": _ddp,
    "fsdp": _fsdp,
    "zero2": lambda bf16: _zero(2, bf16),
    "zero3": lambda bf16: _zero(3, bf16),
}
"""Every strategy by its name, as settings of transformers' TrainingArguments."""


def strategy_settings(name: str, out: Path, bf16: bool = False) -> dict[str, Any]:
    """Return the settings of a strategy, and write them to `out`/strategy.json.

    Args:
        name: of the strategy.
        out: folder of the run.
        bf16: let matrix products run in bfloat16, the weights staying as they are.

    Raises:
        ValueError: no such strategy.
    """
    if name not in STRATEGIES:
        raise ValueError(f"no such strategy {name!r}; there are {', '.join(STRATEGIES)}")
    settings = STRATEGIES[name](bf16)
    out.mkdir(parents=True, exist_ok=True)
    (out / "strategy.json").write_text(json.dumps(settings, indent=1) + "\n")
    return settings


PRECISIONS = ("auto", "float32", "bfloat16")
"""What matrix products may be rounded to; "auto" asks the machine which is faster."""


def runs_in_bf16(precision: str) -> bool:
    """Tell whether matrix products are to run in bfloat16.

    Raises:
        ValueError: no such precision.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"no such precision {precision!r}; there are {', '.join(PRECISIONS)}")
    if precision != "auto":
        return precision == "bfloat16"
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    return fastest_dtype() is torch.bfloat16
