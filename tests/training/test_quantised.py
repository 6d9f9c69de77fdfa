import pytest
import torch

from morelli.model.calibration import Calibrator
from morelli.model.forgery_vlm import ForgeryVLM
from morelli.model.presets import tiny
from morelli.model.processing import ForgeryProcessor, tiny_tokenizer
from morelli.training.adapters import adapt, freeze_encoders
from morelli.training.cases import Cases
from morelli.training.loop import LoopConfig
from morelli.training.quantised import quantise_language, round_linear_layers
from morelli.training.run_folder import read_metrics
from morelli.training.sft import SFTConfig, learn
from morelli.training.start import Start
from morelli.training.warm_start import load_adapter

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def base():
    torch.manual_seed(0)
    return ForgeryVLM(tiny())


def packed(model):
    layers = model.get_base_model().model.language_model.layers
    return {n: p for n, p in layers.named_parameters() if p.dtype == torch.uint8}


def test_updates_are_learned_over_frozen_weights_in_4_bits_and_fit_the_plain_base(small, tmp_path):
    pytest.importorskip("bitsandbytes", reason="comes with the extra packages for training")
    model = base()
    round_linear_layers(model, torch.float32)
    adapted = adapt(model)
    freeze_encoders(model)
    before = {name: weight.clone() for name, weight in packed(adapted).items()}
    assert len(before) == 2 * 7  # of each layer: four of attention, three behind it
    processor = ForgeryProcessor(tiny(), tiny_tokenizer(tiny()))
    start = Start(adapted, processor, Calibrator())
    cases = Cases(small.case, 4)
    loop = LoopConfig(
        steps=30, pictures=4, warmup=2, workers=0, log_steps=5, save_steps=30, precision="float32"
    )
    config = SFTConfig(tmp_path, tmp_path, low_rank_rate=1e-2, full_rate=1e-2, loop=loop)
    assert learn(start, cases, cases, config)

    rows = [row for row in read_metrics(tmp_path / "metrics.jsonl") if "words" in row]
    assert rows[-1]["words"] < rows[0]["words"] - 0.05  # low rank teaches a random model little
    assert rows[-1]["loss"] < 0.95 * rows[0]["loss"]
    after = packed(adapted)
    assert all(torch.equal(after[name], weight) for name, weight in before.items())
    learned = [n for n, p in adapted.named_parameters() if "lora_B" in n and p.any()]
    assert any("language_model" in name for name in learned)

    adapted.save_pretrained(str(tmp_path / "adapter"))
    plain = load_adapter(base(), tmp_path / "adapter").get_base_model().eval()
    ids = torch.tensor([[3, 20, 30, 40]])
    with torch.no_grad():
        rounded, whole = model.eval()(input_ids=ids).logits, plain(input_ids=ids).logits
        untrained = base().eval()(input_ids=ids).logits
    assert (rounded - whole).norm() < 0.5 * (untrained - whole).norm()


@pytest.mark.parametrize(
    ("kind", "strategy", "words"),
    [
        ("3bit", "ddp", "cannot quantise to '3bit'"),
        ("4bit", "fsdp", "cannot be shared out by fsdp"),
        ("4bit", "ddp", "this model is its own base"),
    ],
)
def test_what_cannot_be_rounded_is_refused_with_the_reason(kind, strategy, words):
    with pytest.raises(ValueError, match=words):
        quantise_language(base(), kind, strategy, bf16=False)
