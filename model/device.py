"""The one place at which it is chosen where a model computes."""

import torch

from morelli.model.precision import fastest_dtype


class DeviceError(ValueError):
    """There is no such device here; the message says what there is."""


def device_of(name: str) -> torch.device:
    """Return a device by its name, such as "cpu", "cuda" or "cuda:1".

    Raises:
        DeviceError: torch knows no such name, or this machine has no such device.
    """
    try:
        device = torch.device(name)
    except RuntimeError:
        raise DeviceError(f"no device is called {name!r}; give cpu, cuda or cuda:1") from None
    if device.type == "cpu":
        return device
    found = torch.accelerator.current_accelerator(check_available=True)
    count = torch.accelerator.device_count() if found is not None else 0
    if found is None or found.type != device.type or (device.index or 0) >= count:
        there = "none" if found is None else f"{count} of {found.type}"
        raise DeviceError(
            f"there is no {name} here: torch {torch.__version__} finds {there} beside the "
            "processor; check the driver and torch's build, or leave --device out"
        )
    return device


def fastest_dtype_on(device: torch.device) -> torch.dtype:
    """Return what a device multiplies many rows in; a processor is asked by a probe."""
    if device.type == "cpu":
        return fastest_dtype()
    narrow = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if narrow else torch.float32
