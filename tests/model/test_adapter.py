import json

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from torch import nn

from morelli.model.adapter import ADAPTER, AdapterError, merge_adapter


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(10, 8)
        self.tower = nn.ModuleDict({"first": nn.Linear(8, 12), "second": nn.Linear(12, 8)})
        self.language = nn.Linear(8, 6, bias=False)
        self.head = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4))


def network():
    torch.manual_seed(0)
    return Network()


@pytest.fixture
def folder(tmp_path):
    """An adapter whose every trained number was moved off its start."""
    config = LoraConfig(
        r=4, lora_alpha=8, target_modules=["first", "second", "language"],
        rank_pattern={"language": 2}, alpha_pattern={"language": 3}, modules_to_save=["head"],
        trainable_token_indices={"words": [3, 7]},
    )  # fmt: skip
    adapted = get_peft_model(network(), config)
    with torch.no_grad():
        for parameter in adapted.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter))
        adapted.base_model.model.head.modules_to_save["default"][1].running_mean.fill_(0.3)
    adapted.save_pretrained(str(tmp_path))
    return tmp_path


def test_a_merged_adapter_equals_what_peft_merges(folder):
    expected = PeftModel.from_pretrained(network(), str(folder)).merge_and_unload().state_dict()
    model = network()
    merge_adapter(model, folder)
    found = model.state_dict()
    assert set(found) == set(expected)
    start = network().state_dict()
    assert not any(
        torch.equal(found[name], start[name]) for name in ("words.weight", "head.0.bias")
    )
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, msg=lambda text, n=name: f"{n}: {text}")


def test_only_the_trained_rows_of_an_embedding_change(folder):
    model = network()
    merge_adapter(model, folder)
    changed = (model.words.weight != network().words.weight).any(1)
    assert changed.nonzero().flatten().tolist() == [3, 7]


def test_an_adapter_of_another_model_is_refused_by_the_weights_name(folder):
    tensors = load_file(folder / ADAPTER)
    tensors["base_model.model.head.0.bias"] = torch.zeros(5)
    save_file(tensors, folder / ADAPTER)
    with pytest.raises(AdapterError, match=r"head\.0\.bias has shape \(5,\).* shape \(4,\)"):
        merge_adapter(network(), folder)


def test_an_adapter_that_adds_otherwise_is_refused(folder):
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"use_dora": True}))
    with pytest.raises(AdapterError, match="use_dora is not supported"):
        merge_adapter(network(), folder)
