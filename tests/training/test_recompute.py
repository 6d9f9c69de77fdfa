import copy
from math import prod

import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks

from morelli.training.instruct import WEIGHTS, InstructTerms
from morelli.training.loop import LoopConfig, forgery_vlm
from morelli.training.loop import _arguments as loop_arguments
from morelli.training.own_data import Lessons


def kept_and_gradients(start, batch, recompute, tmp_path):
    """Return the bytes that a forward pass keeps for the backward pass, and the gradients."""
    model = copy.deepcopy(start.model)
    inner = forgery_vlm(model).train()
    arguments = loop_arguments(tmp_path, LoopConfig(recompute=recompute), validates=False)
    if arguments.activation_checkpointing:  # as transformers' trainer does
        model.activation_checkpointing_enable()
    kept = {}

    def keep(tensor):
        kept[tensor.untyped_storage().data_ptr()] = prod(tensor.shape) * tensor.element_size()
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        terms = InstructTerms(start.processor.verdict_ids)(inner, batch)
        loss = sum(WEIGHTS[name] * value for name, value in terms.items())
    loss.backward()
    learned = {n: p.grad for n, p in inner.named_parameters() if p.grad is not None}
    return sum(kept.values()), learned


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_is_computed_twice_gives_the_same_gradients_and_is_not_kept(small, tmp_path):
    start = small.start()
    cases = [small.case(1)]
    batch = Lessons(cases, cases, start.processor, 0, 0.0, 0.0)([0])
    most, plain = kept_and_gradients(start, batch, False, tmp_path)
    least, again = kept_and_gradients(start, batch, True, tmp_path)
    assert least < 0.7 * most
    assert plain.keys() == again.keys()
    for name, gradient in plain.items():
        torch.testing.assert_close(again[name], gradient)
