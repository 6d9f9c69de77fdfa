from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from morelli.eval.attacks.aim import saved
from morelli.eval.bounds import Peaks, bytes_of_a_token, count_work, measure_peaks


@pytest.fixture
def picture() -> Any:
    return saved(np.random.default_rng(0).integers(0, 256, (80, 120, 3), np.uint8), "made")


def test_the_operations_of_the_prompt_are_those_of_its_layers_and_attention(
    picture: Any, random_examiner: Any
) -> None:
    work = count_work(random_examiner, picture)
    look = random_examiner.look(picture)
    config = random_examiner.model.config.text_config
    seg = random_examiner.processor.verdict_prefix(look.verdict)
    tokens = len(look.tokens) - len(seg)
    layers = random_examiner.model.model.language_model.layers
    weights = sum(
        module.weight.numel()
        for module in layers.modules()
        if getattr(module, "weight", torch.ones(1)).ndim == 2
    )
    head = config.hidden_size // config.num_attention_heads
    attention = 4 * config.num_hidden_layers * config.num_attention_heads * tokens**2 * head
    assert work.prompt == pytest.approx(2 * weights * tokens + attention, rel=0.01)
    assert work.encoders > 0
    assert work.rest > 0


def test_larger_pictures_take_more_work_of_the_encoders_alone(random_examiner: Any) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (240, 240, 3), np.uint8)
    small, large = (count_work(random_examiner, saved(one, "made")) for one in (noise[:70], noise))
    assert large.encoders > 1.2 * small.encoders
    assert large.prompt == pytest.approx(small.prompt, rel=0.2)


def test_counting_leaves_an_examiner_as_it_was(picture: Any, random_examiner: Any) -> None:
    before = random_examiner.look(picture)
    count_work(random_examiner, picture)
    assert random_examiner.stability is True
    after = random_examiner.look(picture)
    assert (before.verdict_logits == after.verdict_logits).all()


def test_a_token_reads_every_weight_of_the_language_model_once(
    picture: Any, random_examiner: Any
) -> None:
    look = random_examiner.look(picture)
    weights, cache = bytes_of_a_token(random_examiner, look)
    model = random_examiner.model
    language = model.model.language_model
    parts = [*language.layers.modules(), language.norm, model.lm_head]
    expected = sum(
        part.weight.nbytes
        for part in parts
        if isinstance(getattr(part, "weight", None), torch.Tensor)
    )
    embedding = model.get_input_embeddings()
    assert isinstance(embedding, nn.Embedding)
    assert weights == expected + embedding.weight[0].nbytes
    config = model.config.text_config
    head = config.hidden_size // config.num_attention_heads
    each = 2 * config.num_hidden_layers * config.num_key_value_heads * head * 4
    assert cache == each * (len(look.tokens) + 1)


def test_peaks_are_of_the_dtype_that_is_asked_for() -> None:
    peaks = Peaks(float32=1.0, bfloat16=2.0, reading=3.0)
    assert peaks.of(torch.bfloat16) == 2.0
    assert peaks.of(torch.float32) == 1.0


def test_measured_peaks_are_those_of_some_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("morelli.eval.bounds._MATRIX", 128)
    monkeypatch.setattr("morelli.eval.bounds._READ_BYTES", 4_000_000)
    peaks = measure_peaks()
    assert min(peaks.float32, peaks.bfloat16, peaks.reading) > 1e6
