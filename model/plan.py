"""Tell what a preset costs: parameters by part, memory by stage, and the machines that it fits.

The model is built on the meta device, so this needs neither weights nor memory. Memory is an
estimate by the formulas that the text states, for one picture a step; nothing here is measured.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn

from morelli.model.config import ForgeryVLMConfig
from morelli.model.forgery_vlm import ForgeryVLM
from morelli.model.presets import PRESETS

_GIB = 2**30
_USABLE = 0.9
_CLIP_RANK = 16
_LANGUAGE_RANK = 8
_TEXT_TOKENS = 1024
_CHUNK = 8
_TRAIN_VIEWS = 5
_GENERATIONS = 8
_FOUR_BIT = 0.5625
_WEIGHT = 4
_TRAINED = 16

_FORMULAS = f"""\
GiB for one picture a step; it fits if a machine's share is below {_USABLE:.0%} of its memory.
  inference  bytes x parameters + cache + scratch; 4 bit: {_FOUR_BIT} bytes for each weight of the
             language model's linear layers (nf4, one float32 for 64 weights), 2 for the rest
  cache      2 x layers x key-value heads x head width x tokens x bytes, of which
             {_TEXT_TOKENS} tokens are text
  scratch    {_CHUNK} views x bytes x (P^2 (6 DINO heads + 2 fusion heads) + 10 P x width),
             P patches a view; Segment Anything's encoder takes 2 x heads x 4096^2 x bytes more
  training   {_WEIGHT} x frozen + {_TRAINED} x trained (float32 weight, gradient, two AdamW moments)
             + activations; products are rounded to bf16, what is held is not
  LoRA       trained = our own parts in full, rank {_CLIP_RANK} on CLIP,
             rank {_LANGUAGE_RANK} on the language model
  full       trained = everything; in localise all but the language model
  activations
             in bf16 with checkpointing, of {_TRAIN_VIEWS} views: a transformer of L layers on s
             tokens of width h takes (2 L + 34) s h bytes, the fusion its scratch, a logit 10
  reward     as explain, with the cache of {_GENERATIONS} answers; full also keeps a frozen copy
  8 x        weights, gradients and moments are shared out (fsdp, zero3), activations are not;
             zero2 shares out gradients and moments only, ddp nothing
These figures say nothing of time."""


@dataclass(frozen=True)
class _Machine:
    name: str
    gib: int
    count: int = 1


_MACHINES = (
    _Machine("2-core CPU 24 GiB", 24),
    _Machine("RTX 4090 24 GB", 24),
    _Machine("A100 40 GB", 40),
    _Machine("A100 80 GB", 80),
    _Machine("H100 80 GB", 80),
    _Machine("8 x H100", 80, 8),
)

_GPUS = (16, 24, 40, 48, 80, 96, 141)
"""GB of memory of GPUs that one can buy or rent."""

STRATEGIES = ("ddp", "fsdp", "zero2", "zero3")
"""How several GPUs may share the work of training, as `training.strategy` names it."""


@dataclass(frozen=True)
class _Need:
    """Bytes of one way of running.

    Attributes:
        name: says which way.
        weights: what `fsdp` and `zero3` share out.
        learning: gradients and moments, which `zero2` shares out too.
        own: what each GPU must hold.
    """

    name: str
    weights: float
    own: float
    learning: float = 0.0

    @property
    def total(self) -> float:
        return self.weights + self.learning + self.own

    def share(self, gpus: int, strategy: str) -> float:
        """Return what each of some GPUs holds."""
        weights = self.weights / (gpus if strategy in ("fsdp", "zero3") else 1)
        learning = self.learning / (gpus if strategy != "ddp" else 1)
        return weights + learning + self.own

    def fits(self, machine: _Machine) -> bool:
        return self.share(machine.count, "fsdp") <= _USABLE * machine.gib * _GIB


def count_by_part(preset: str) -> dict[str, int]:
    """Count the parameters of each part of a preset; a tied language head counts once.

    Raises:
        ValueError: no such preset.
    """
    return {name: _count(modules) for name, modules in _parts(_meta_model(preset)).items()}


def plan(preset: str, gpus: int | None = None, strategy: str = "fsdp") -> str:
    """Describe parameters, memory and fitting machines of a preset, as text of a few dozen lines.

    Args:
        preset: name of a configuration.
        gpus: also say what each of so many GPUs holds while training.
        strategy: by which they share the work; one of `STRATEGIES`.

    Raises:
        ValueError: no such preset or strategy, or no GPU.
    """
    if strategy not in STRATEGIES or (gpus is not None and gpus < 1):
        raise ValueError(f"cannot plan for {gpus} GPUs by {strategy!r}; {', '.join(STRATEGIES)}")
    model = _meta_model(preset)
    sizes = {name: _count(modules) for name, modules in _parts(model).items()}
    needs = [*_inference(model), *_training(model, sizes)]
    lines = [f"{preset}: {sum(sizes.values()) / 1e6:,.1f} M parameters", ""]
    lines += [f"  {name:<22}{size / 1e6:>12,.1f} M" for name, size in sizes.items()]
    heading = "".join(f"  {machine.name}" for machine in _MACHINES)
    lines += ["", f"  {'memory':<22}{'GiB':>12}{heading}"]
    lines += [_row(need) for need in needs]
    if gpus is not None:
        lines += ["", f"  GiB on each of {gpus} GPUs by {strategy}, and the smallest that fits"]
        lines += [_share_row(need, gpus, strategy) for need in _training(model, sizes)]
    return "\n".join([*lines, "", _FORMULAS])


def _row(need: _Need) -> str:
    answers = "".join(
        f"  {'yes' if need.fits(machine) else 'no':>{len(machine.name)}}" for machine in _MACHINES
    )
    return f"  {need.name:<22}{need.total / _GIB:>12,.1f}{answers}"


def _share_row(need: _Need, gpus: int, strategy: str) -> str:
    held = need.share(gpus, strategy)
    fitting = [gib for gib in _GPUS if held <= _USABLE * gib * _GIB]
    smallest = f"{fitting[0]} GB" if fitting else "none"
    return f"  {need.name:<22}{held / _GIB:>12,.1f}  {smallest}"


def _meta_model(preset: str) -> ForgeryVLM:
    if preset not in PRESETS:
        raise ValueError(f"no preset {preset!r}; there are {', '.join(PRESETS)}")
    with torch.device("meta"):
        return ForgeryVLM(PRESETS[preset]())


def _parts(model: ForgeryVLM) -> dict[str, list[nn.Module]]:
    vision = model.model.vision
    parts: dict[str, list[nn.Module | None]] = {
        "semantic encoder": [vision.semantic],
        "artifact encoder": [vision.artifact],
        "projectors": [vision.semantic_projector, vision.artifact_projector],
        "fusion": [vision.fusion],
        "evidence": [vision.evidence],
        "language model": [model.model.language_model, model.lm_head],
        "mask decoder": [model.seg_prompt, model.mask_neck, model.mask_decoder],
        "mask image encoder": [model.sam_encoder],
    }
    found = {name: [m for m in modules if m is not None] for name, modules in parts.items()}
    return {name: modules for name, modules in found.items() if modules}


def _count(modules: Iterable[nn.Module]) -> int:
    sizes = {id(p): p.numel() for module in modules for p in module.parameters()}
    return sum(sizes.values())


def _linears(module: nn.Module) -> list[nn.Linear]:
    return [inner for inner in module.modules() if isinstance(inner, nn.Linear)]


def _low_rank(module: nn.Module, rank: int) -> int:
    return sum(rank * (linear.in_features + linear.out_features) for linear in _linears(module))


def _cache(config: ForgeryVLMConfig, size: float) -> float:
    text = config.text_config
    width = text.hidden_size // text.num_attention_heads
    entries = 2 * text.num_hidden_layers * text.num_key_value_heads * width
    return float(entries * (_TEXT_TOKENS + config.num_image_tokens) * size)


def _scratch(config: ForgeryVLMConfig, views: int, size: float) -> float:
    patches = config.grid**2
    heads = 6 * config.dino_config.num_attention_heads + 2 * config.fusion_heads
    width = config.text_config.hidden_size
    return float(views * size * (patches**2 * heads + 10 * patches * width))


def _sam_scratch(model: ForgeryVLM, size: float) -> float:
    if model.sam_encoder is None:
        return 0.0
    heads = model.sam_encoder.encoder.blocks[0].attn.num_heads
    return float(2 * heads * model.sam_encoder.grid**4 * size)


def _inference(model: ForgeryVLM) -> list[_Need]:
    config, total = model.config, _count([model])
    linear = sum(x.weight.numel() for x in _linears(model.model.language_model))
    weights = {
        "inference fp32": (4.0 * total, 4),
        "inference bf16": (2.0 * total, 2),
        "inference 4 bit": (_FOUR_BIT * linear + 2.0 * (total - linear), 2),
    }
    return [
        _Need(
            name,
            bytes_held,
            _cache(config, size) + _scratch(config, _CHUNK, size) + _sam_scratch(model, size),
        )
        for name, (bytes_held, size) in weights.items()
    ]


def _layers_kept(config: object, tokens: int) -> float:
    layers, width = config.num_hidden_layers, config.hidden_size  # type: ignore[attr-defined]
    return float((2 * layers + 34) * tokens * width)


def _vision_activations(model: ForgeryVLM) -> float:
    config = model.config
    tokens = _TRAIN_VIEWS * config.grid**2
    towers = _layers_kept(config.clip_config, tokens) + _layers_kept(config.dino_config, tokens)
    return towers + _scratch(config, _TRAIN_VIEWS, 2) + _sam_scratch(model, 2)


def _text_activations(config: ForgeryVLMConfig) -> float:
    tokens = _TEXT_TOKENS + config.num_image_tokens
    logits: int = 10 * tokens * config.text_config.vocab_size
    return _layers_kept(config.text_config, tokens) + logits


def _training(model: ForgeryVLM, sizes: dict[str, int]) -> list[_Need]:
    config, total = model.config, sum(sizes.values())
    language = sizes["language model"]
    clip = model.model.vision.semantic.clip
    towers = language + _count([clip]) + sizes.get("mask image encoder", 0)
    ours = total - towers + _low_rank(clip, _CLIP_RANK)
    with_words = ours + _low_rank(model.model.language_model, _LANGUAGE_RANK)
    seen = _vision_activations(model)
    read = seen + _text_activations(config)
    answers = _GENERATIONS * _cache(config, 2)

    def need(name: str, trained: int, frozen: int, own: float) -> _Need:
        weights = float(_WEIGHT * (frozen + trained))
        return _Need(name, weights, own, float((_TRAINED - _WEIGHT) * trained))

    return [
        need("localise LoRA", ours, towers, seen),
        need("localise full", total - language, language, seen),
        need("explain LoRA (SFT)", with_words, towers, read),
        need("explain full (SFT)", total, 0, read),
        need("reward LoRA (GRPO)", with_words, towers, read + answers),
        need("reward full (GRPO)", total, total, read + answers),
    ]
