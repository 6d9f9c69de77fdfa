"""The frozen weights of the language model in 4 bits (QLoRA, Dettmers et al. 2023).

bitsandbytes rounds them (nf4, their scales rounded too) and multiplies by them; PEFT trains its
updates on top. What is saved is the adapter alone, which merges with the base weights as they were.
bitsandbytes is imported where it is needed: it comes with the extra packages for training.
"""

import torch
from torch import nn

from morelli.model.forgery_vlm import ForgeryVLM

QUANTISED = ("none", "4bit")
"""What the language model's frozen weights may be rounded to."""


def quantise_language(model: ForgeryVLM, kind: str, strategy: str, bf16: bool) -> None:
    """Round the linear layers of the language model, in place, before updates are laid over them.

    Args:
        model: over pulled base weights, not adapted yet.
        kind: a name in `QUANTISED`.
        strategy: that the run shares its work by; rounded weights cannot be cut in shares.
        bf16: multiply in bfloat16.

    Raises:
        ValueError: no such kind, or one that this model or strategy cannot have.
    """
    if kind not in QUANTISED:
        raise ValueError(f"cannot quantise to {kind!r}; there are {', '.join(QUANTISED)}")
    if kind == "none":
        return
    if strategy != "ddp":
        raise ValueError(f"weights in 4 bit cannot be shared out by {strategy}; use --strategy ddp")
    if not model.config.base:
        raise ValueError("weights in 4 bit need base weights to pull; this model is its own base")
    round_linear_layers(model, torch.bfloat16 if bf16 else torch.float32)


def round_linear_layers(model: ForgeryVLM, dtype: torch.dtype) -> None:
    """Replace the language model's linear layers by such that hold 4-bit weights.

    Args:
        model: on the CPU; what is rounded is rounded there.
        dtype: that products are computed in.
    """
    from bitsandbytes.nn import Linear4bit, Params4bit

    for parent in list(model.model.language_model.layers.modules()):
        for name, layer in parent.named_children():
            if type(layer) is not nn.Linear:
                continue
            rounded = Linear4bit(
                layer.in_features, layer.out_features, layer.bias is not None, compute_dtype=dtype,
                quant_type="nf4", device="meta",
            )  # fmt: skip
            rounded.weight = Params4bit(layer.weight.data, requires_grad=False, quant_type="nf4")
            rounded.bias = layer.bias
            rounded.support_avx512bf16_for_cpu = False  # else an answer packs them another way
            setattr(parent, name, rounded.to("cpu"))
    model.is_loaded_in_4bit = True  # tells PEFT which kind of update to lay over them
