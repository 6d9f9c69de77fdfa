"""Weights, gradients and moments shared out among processes, by torch's own `fully_shard`.

Not through accelerate, which turns its FSDP into plain data parallelism on a CPU without a word;
here the same code runs on either, and says so where something was not shared out.
"""

import torch
from peft import PeftModel
from torch import Tensor, distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from morelli.model.forgery_vlm import ForgeryVLM


def shard(model: PeftModel) -> None:
    """Share a model out among the processes, in place; each must call it.

    The language model's layers are shared out one by one, and so are those of encoders that learn.
    Encoders that do not learn stay whole on each process: their features are cached, so that
    processes run them unequally often, and a gathering that not all of them join would never end.
    So do single numbers, which cannot be cut; the trainer averages their gradients.

    Args:
        model: adapted, the same on every process, on the device that it is to learn on.

    Raises:
        RuntimeError: something that learns was not shared out.
    """
    kind = "cuda" if torch.cuda.is_available() else "cpu"
    mesh = init_device_mesh(kind, (distributed.get_world_size(),))
    idle = _idle_parts(model.get_base_model())
    whole = {parameter for part in idle for parameter in part.parameters()}
    whole |= {parameter for parameter in model.parameters() if not parameter.dim()}
    for layer in _layers(model.get_base_model()):
        if not whole.issuperset(layer.parameters()):
            fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh, ignored_params=whole)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and parameter.dim() and not isinstance(parameter, DTensor):
            raise RuntimeError(f"{name} learns, but was not shared out among the processes")


def _layers(model: ForgeryVLM) -> list[nn.Module]:
    vision = model.model.vision
    stacks = [model.model.language_model.layers]
    stacks += [module for module in vision.modules() if isinstance(module, nn.ModuleList)]
    return [layer for stack in stacks for layer in stack]


def _idle_parts(model: ForgeryVLM) -> list[nn.Module]:
    """Return the encoders, and what joins them, in which nothing learns."""
    parts = [*model.model.vision.children(), model.sam_encoder]
    found = [part for part in parts if isinstance(part, nn.Module)]
    return [part for part in found if not any(p.requires_grad for p in part.parameters())]


def gather(model: nn.Module) -> None:
    """Hold the whole model on each process from now on; every process must call it.

    Training cannot go on then. What torch would do at the next forward pass or whenever weights are
    read, which is to cut them up again, is undone: it would wait for processes that have ended.
    """
    if not any(isinstance(parameter, DTensor) for parameter in model.parameters()):
        return
    for module in _shards(model):
        module.set_reshard_after_forward(False, recurse=False)
        module.unshard()
        _let_go(module)


def _let_go(module: FSDPModule) -> None:
    """Take off torch's hooks, for which it has no public way (torch 2.14)."""
    state = module._get_fsdp_state()
    handles = [state._pre_forward_hook_handle, state._post_forward_hook_handle]
    for group in state._fsdp_param_groups:
        for kept in (
            group._module_to_pre_save_state_dict_hook_handle,
            group._module_to_pre_load_state_dict_hook_handle,
        ):
            handles += kept.values()
            kept.clear()
        handles += [parameter._post_load_hook_handle for parameter in group.fsdp_params]
    for handle in handles:
        handle.remove()


def reshard(model: nn.Module) -> None:
    """Let each process keep its share alone again."""
    for module in _shards(model):
        module.set_reshard_after_forward(True, recurse=False)
        module.reshard()


def _shards(model: nn.Module) -> list[FSDPModule]:
    return [module for module in model.modules() if isinstance(module, FSDPModule)]


def whole_of(tensor: Tensor) -> Tensor:
    """Return all of a tensor, gathered if it is shared out; then every process must call it."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def shared_as(tensor: Tensor, like: Tensor) -> Tensor:
    """Share a whole tensor out as another is; every process must hold the same one."""
    if not isinstance(like, DTensor):
        return tensor.to(like.device)
    return distribute_tensor(tensor.to(like.device), like.device_mesh, like.placements)
