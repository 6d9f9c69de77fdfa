"""A language model's memory in buffers that grow by doubling.

transformers' own dynamic cache copies all keys and values of every layer for each new token; on
two cores that takes as long as reading half of the weights.
"""

from typing import Any

from torch import Tensor
from transformers import Cache
from transformers.cache_utils import DynamicLayer

_FIRST_ROOM = 256


class GrowingLayer(DynamicLayer):  # type: ignore[misc]
    """Keys and values of one layer, views of the front of larger buffers."""

    keys: Tensor
    values: Tensor
    key_room: Tensor | None = None
    value_room: Tensor | None = None

    def update(
        self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any
    ) -> tuple[Tensor, Tensor]:
        """Append (B, heads, new, width) keys and values, and return all of both."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        self.key_room = _with_room(self.keys, key_states, self.key_room)
        self.value_room = _with_room(self.values, value_states, self.value_room)
        end = (self.keys.shape[-2] if self.keys.numel() else 0) + key_states.shape[-2]
        self.keys, self.values = self.key_room[..., :end, :], self.value_room[..., :end, :]
        return self.keys, self.values


def _with_room(known: Tensor, new: Tensor, room: Tensor | None) -> Tensor:
    """Return a buffer that begins with `known` and then `new`: `room` itself if it can be."""
    length = known.shape[-2] if known.numel() else 0
    total = length + new.shape[-2]
    # a cache that was reordered or repeated has left its buffer
    is_front = room is not None and known.data_ptr() == room.data_ptr()
    if room is None or not is_front or room.shape[-2] < total or len(room) != len(new):
        room = new.new_empty(*new.shape[:-2], max(_FIRST_ROOM, 2 * total), new.shape[-1])
        if length:
            room[..., :length, :] = known
    room[..., length:total, :] = new
    return room


def copy_of(cache: Cache, length: int) -> Cache:
    """Return a copy of the first tokens of a cache, with no more room than they take."""
    kept = Cache(layer_class_to_replicate=DynamicLayer)
    for number, layer in enumerate(cache.layers):
        kept.update(layer.keys[..., :length, :], layer.values[..., :length, :], number)
    return kept


def growing_cache() -> Cache:
    """Return an empty cache that any of transformers' decoders takes as `past_key_values`."""
    return Cache(layer_class_to_replicate=GrowingLayer)
