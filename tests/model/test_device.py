from collections.abc import Callable

import pytest
import torch

from morelli.data_pipeline.images import Picture
from morelli.model.checkpoint import Checkpoint
from morelli.model.conversation import Turn
from morelli.model.device import DeviceError, device_of, fastest_dtype_on
from morelli.model.examiner import Examiner
from morelli.model.precision import fastest_dtype
from morelli.model.tiny_checkpoint import make_tiny_checkpoint

Draw = Callable[..., Picture]


def test_the_processor_is_there_on_every_machine() -> None:
    assert device_of("cpu") == torch.device("cpu")
    assert fastest_dtype_on(torch.device("cpu")) is fastest_dtype()


@pytest.mark.parametrize(("name", "reason"), [
    ("gpu", "no device is called 'gpu'"), ("cuda:99", "there is no cuda:99 here"),
    ("meta", "there is no meta here"),
])  # fmt: skip
def test_a_device_that_is_not_there_is_refused_with_a_way_out(name: str, reason: str) -> None:
    with pytest.raises(DeviceError, match=reason):
        device_of(name)


def test_the_count_of_devices_is_held_against_the_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        torch.accelerator, "current_accelerator", lambda check_available: torch.device("cuda")
    )
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 2)
    assert device_of("cuda:1") == torch.device("cuda:1")
    assert device_of("cuda") == torch.device("cuda")
    with pytest.raises(DeviceError, match="finds 2 of cuda"):
        device_of("cuda:2")


def test_an_examiner_is_refused_before_its_weights_are_moved(tiny_checkpoint: Checkpoint) -> None:
    with pytest.raises(DeviceError):
        Examiner(tiny_checkpoint, device="cuda:99")


def test_what_a_gpu_multiplies_in_is_asked_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for narrow, dtype in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr(
            torch.cuda, "is_bf16_supported", lambda including_emulation, has=narrow: has
        )
        assert fastest_dtype_on(torch.device("cuda")) is dtype


@pytest.mark.skipif(not torch.accelerator.is_available(), reason="no accelerator here")
def test_an_accelerator_comes_to_what_the_processor_comes_to(draw: Draw) -> None:
    name = str(torch.accelerator.current_accelerator())
    reports, replies = [], []
    for device in ("cpu", name):
        examiner = Examiner(make_tiny_checkpoint(), device=device)
        look = examiner.look(draw(130, 300))
        report = examiner.report(draw(130, 300), look, examiner.speak_many([look, look])[1])
        replies.append(examiner.chat(look, report, [Turn("Why?")]).count)
        reports.append(report)
    here, there = reports
    assert there.run["device"] == name
    assert there.verdict is here.verdict
    assert there.probability == pytest.approx(here.probability, abs=0.01)
    assert [one["verdict"] for one in there.stability] == [one["verdict"] for one in here.stability]
    assert abs(there.map - here.map).max() < 0.02
    assert min(replies) > 0
