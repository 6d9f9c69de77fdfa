"""How several processes share the work of training, by one name.

Start them with `torchrun --nproc_per_node N`; a single process is the case N = 1 of each. What a
strategy needs is also written as a file of accelerate's or DeepSpeed's own format into the run, so
that one can see and reuse it.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


def _ddp() -> dict[str, Any]:
    # Some heads take no part in some stages.
    return {"ddp_find_unused_parameters": True}


def _fsdp() -> dict[str, Any]:
    config = {
        "version": 2,
        "reshard_after_forward": True,
        "auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
        "transformer_layer_cls_to_wrap": ["LlamaDecoderLayer", "CLIPEncoderLayer"],
        "state_dict_type": "FULL_STATE_DICT",
        "cpu_ram_efficient_loading": False,
    }
    return {"fsdp": "full_shard auto_wrap", "fsdp_config": config}


def _zero(stage: int) -> dict[str, Any]:
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
            "bf16": {"enabled": "auto"},
        }
    }


STRATEGIES: dict[str, Callable[[], dict[str, Any]]] = {
    "ddp": _ddp,
    "fsdp": _fsdp,
    "zero2": lambda: _zero(2),
    "zero3": lambda: _zero(3),
}
"""Every strategy by its name, as settings of transformers' TrainingArguments."""


def strategy_settings(name: str, out: Path) -> dict[str, Any]:
    """Return the settings of a strategy, and write them to `out`/strategy.json.

    Raises:
        ValueError: no such strategy.
    """
    if name not in STRATEGIES:
        raise ValueError(f"no such strategy {name!r}; there are {', '.join(STRATEGIES)}")
    settings = STRATEGIES[name]()
    out.mkdir(parents=True, exist_ok=True)
    (out / "strategy.json").write_text(json.dumps(settings, indent=1) + "\n")
    return settings
