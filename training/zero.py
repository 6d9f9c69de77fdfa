"""What DeepSpeed's ZeRO shares out, taken from it whole and given back.

DeepSpeed's own checkpoints can be read by the same number of processes under the same stage only.
Here its weights and moments are asked for one by one, so that a run may go on under any strategy.
DeepSpeed is imported where it is needed: it comes with the extra packages for training.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from morelli.training.resuming import learned

_MOMENTS = ("exp_avg", "exp_avg_sq")


class ZeroShares:
    """A model that DeepSpeed is to share out, or has; every process must call each method.

    DeepSpeed takes no parameter without a dimension, so single numbers are given one meanwhile.
    """

    def __init__(self, model: nn.Module) -> None:
        """Prepare a model for DeepSpeed.

        Args:
            model: adapted, on no engine yet.
        """
        self._model = model
        self._single = {name for name, p in model.named_parameters() if not p.dim()}
        for parameter in model.parameters():
            if not parameter.dim():
                parameter.data = parameter.data.reshape(1)

    def weights(self) -> dict[str, Tensor]:
        """Return what an adapter holds, in single precision: all but the frozen base."""
        from deepspeed.runtime.zero import GatheredParameters
        from deepspeed.utils import safe_get_full_fp32_param

        trained = learned(self._model)
        found = {name: safe_get_full_fp32_param(p) for name, p in trained.items()}
        parameters = dict(self._model.named_parameters())
        kept = {n: p for n, p in parameters.items() if n not in trained and "modules_to_save" in n}
        with GatheredParameters(list(kept.values())):
            found |= {name: parameter.detach().clone() for name, parameter in kept.items()}
        state = self._model.state_dict()
        found |= {name: value for name, value in state.items() if name not in parameters}
        return {name: self._plain(name, value.cpu()) for name, value in found.items()}

    def _plain(self, name: str, value: Tensor) -> Tensor:
        return value.reshape(()) if name in self._single else value

    def moments(self, step: int) -> dict[str, Tensor]:
        """Return the moments as `resuming.moments_of` does, after so many steps."""
        from deepspeed.utils import safe_get_full_optimizer_state

        found: dict[str, Tensor] = {}
        for name, parameter in learned(self._model).items():
            for moment in _MOMENTS:
                value = safe_get_full_optimizer_state(parameter, moment)
                if value is not None:
                    found[f"{name}/{moment}"] = self._plain(name, value.cpu())
            found[f"{name}/step"] = torch.tensor(float(step))
        return found

    def put_moments(self, moments: Mapping[str, Tensor]) -> None:
        """Give DeepSpeed's optimiser the moments of a checkpoint."""
        from deepspeed.utils import safe_set_full_optimizer_state

        for name, parameter in learned(self._model).items():
            for moment in _MOMENTS:
                value = moments.get(f"{name}/{moment}")
                if value is not None:
                    safe_set_full_optimizer_state(parameter, value.reshape(-1), moment)

    def make_whole(self, engine: Any) -> None:
        """End DeepSpeed's part: each process holds the whole model, in single precision."""
        from deepspeed.runtime.zero import GatheredParameters
        from transformers.integrations.deepspeed import unset_hf_deepspeed_config

        best = self.weights()
        parameters = dict(self._model.named_parameters())
        with GatheredParameters(list(parameters.values())):
            whole = {name: p.detach().clone().float() for name, p in parameters.items()}
        engine.destroy()
        unset_hf_deepspeed_config()  # else the next model would be born in shares
        # DeepSpeed's parameters go on asking the other processes: new ones take their places
        fresh = {}
        for name, parameter in parameters.items():
            value = best.get(name, whole[name]).to(whole[name].device)
            fresh[id(parameter)] = nn.Parameter(self._plain(name, value), parameter.requires_grad)
        for module in self._model.modules():
            held = module._parameters.items()
            module._parameters = {n: None if p is None else fresh[id(p)] for n, p in held}


def begin(optimizer: Any, steps: int = 0) -> None:
    """Tell DeepSpeed's optimiser how many steps it took, and give it moments if it has none.

    DeepSpeed 0.19 takes a step with gradients of zero when ZeRO-3 begins, which AdamW would count;
    under ZeRO-2 it finds the moments of the first group of parameters only, unless all are there.

    Args:
        optimizer: as accelerate wraps it.
        steps: that were taken.
    """
    shares, inner = optimizer.optimizer, optimizer.optimizer.optimizer
    for group in inner.param_groups:
        for flat in group["params"]:
            for moment in _MOMENTS:
                inner.state[flat].setdefault(moment, torch.zeros_like(flat))
            inner.state[flat].setdefault("step", torch.tensor(0.0))
    for state in inner.state.values():
        state["step"] = torch.tensor(float(steps))
    if hasattr(shares, "_lazy_init_hp_params_optimizer_state"):
        shares._hp_optimizer_states_linked = False
        shares._lazy_init_hp_params_optimizer_state()
