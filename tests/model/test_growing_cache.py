import pytest
import torch
from transformers import DynamicCache

from morelli.model.growing_cache import growing_cache


def states(tokens, batch=2):
    return torch.randn(batch, 3, tokens, 4), torch.randn(batch, 3, tokens, 4)


def both():
    return growing_cache(), DynamicCache()


def put(caches, tokens, layer=0, batch=2):
    """Give both caches the same new states and return what each then holds."""
    new = states(tokens, batch)
    return [cache.update(*new, layer) for cache in caches]


def assert_alike(held):
    for growing, dynamic in zip(*held, strict=True):
        torch.testing.assert_close(growing, dynamic, rtol=0, atol=0)


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad])
def test_it_holds_what_the_dynamic_cache_holds(mode):
    with mode():
        torch.manual_seed(0)
        caches = both()
        for tokens in (200, 1, 1, 100, 1, 700, 1):
            assert_alike(put(caches, tokens))
        assert caches[0].get_seq_length() == 1004


@torch.inference_mode()
def test_what_is_cut_off_is_written_over():
    torch.manual_seed(0)
    caches = both()
    put(caches, 50)
    for cache in caches:
        cache.crop(-20)
    assert_alike(put(caches, 5))
    assert caches[0].get_seq_length() == 35


@torch.inference_mode()
def test_repeated_rows_leave_the_buffer_of_the_first():
    torch.manual_seed(0)
    caches = both()
    put(caches, 30)
    for cache in caches:
        cache.batch_repeat_interleave(2)
    assert_alike(put(caches, 1, batch=4))


@torch.inference_mode()
def test_a_token_is_written_into_the_room_that_is_left():
    cache = growing_cache()
    first, _ = cache.update(*states(10), 0)
    second, _ = cache.update(*states(1), 0)
    assert second.data_ptr() == first.data_ptr()
