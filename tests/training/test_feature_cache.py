from dataclasses import fields

import pytest
import torch

from morelli.training.adapters import freeze_encoders
from morelli.training.feature_cache import cache_features


@pytest.fixture
def model(small):
    inner = small.start().model.get_base_model().eval()
    freeze_encoders(inner)
    return inner


@pytest.fixture
def views(small):
    processor = small.start().processor
    return processor.stack([small.case(0), small.case(1, side=100), small.case(0)])


@torch.no_grad()
@pytest.mark.parametrize(("bf16", "tolerance"), [(False, 1e-4), (True, 0.1)])
def test_cached_features_are_those_of_the_encoders(model, views, bf16, tolerance):
    plain = model.model.vision(views)
    cache = cache_features(model, bf16=bf16)
    for _ in range(2):
        found = model.model.vision(views)
        assert found.batch == plain.batch
        for field in fields(plain):
            expected = getattr(plain, field.name)
            if isinstance(expected, torch.Tensor):
                torch.testing.assert_close(
                    getattr(found, field.name), expected, atol=tolerance, rtol=10 * tolerance
                )
    assert cache.computed == 2
    cache.close()
    model.model.vision(views)
    assert cache.computed == 2


def test_a_gradient_may_meet_what_an_examination_cached(model, views):
    cache_features(model)
    with torch.inference_mode():
        model.model.vision(views)
    model.decode_masks(model.model.vision(views), None).sum().backward()
    assert any(p.grad is not None for p in model.mask_decoder.parameters())


@torch.no_grad()
def test_memory_is_bounded(model, views):
    cache = cache_features(model, limit=1)
    model.model.vision(views)
    assert cache.computed == 3


def test_encoders_that_learn_are_not_cached(small):
    with pytest.raises(ValueError, match="features of encoders that learn"):
        cache_features(small.start().model.get_base_model())
