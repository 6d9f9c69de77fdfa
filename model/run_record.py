"""What a report says of how it came about: the model, the machine, the settings and the file."""

import platform
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from typing import Any

import torch

from morelli.data_pipeline.images import Picture
from morelli.model.checkpoint import Checkpoint


def identity_of(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return what tells a checkpoint from every other."""
    return {
        "name": checkpoint.name,
        "version": checkpoint.version,
        "sha256": checkpoint.sha256,
        "calibration": checkpoint.calibrator.version,
    }


def run_record(
    checkpoint: Checkpoint, device: torch.device, dtype: torch.dtype, mask_threshold: float
) -> dict[str, Any]:
    """Return time, device, dtype, versions and settings of an examination.

    Args:
        checkpoint: that examines.
        device: that it computes on.
        dtype: that its encoders multiply in.
        mask_threshold: of the map, from which on a place is marked.
    """
    point = checkpoint.operating_point or "its stored threshold"
    if checkpoint.calibrator.operating_point is None:
        point = "the stated probability, at one half"
    settings = {"mask_threshold": mask_threshold, "decoding": "greedy", "decides at": point}
    return {
        "time": _now(),
        "device": str(device),
        "dtype": str(dtype).removeprefix("torch."),
        "versions": _versions() | {"python": platform.python_version()},
        "settings": settings,
    }


def opened(picture: Picture) -> dict[str, Any]:
    """Return the first entry of a picture's custody."""
    return {
        "time": _now(),
        "actor": "morelli",
        "action": "opened and examined",
        "sha256": picture.sha256,
    }


@cache
def _versions() -> dict[str, str]:
    """Return what is installed; asked once, since it takes a good part of writing a report."""
    packages = ("morelli", "torch", "transformers", "numpy", "opencv-python-headless")
    return {name: version(name) for name in packages}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
