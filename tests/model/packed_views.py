"""Made-up pictures as the `tiny` model takes them, for several test files."""

import numpy as np
import torch

from morelli.model.views import layout, pack


def views_of(height, width, seed=0):
    """Pack a made-up picture: (1 + T, 9, 64, 64)."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    maps = rng.random((3, height, width), dtype=np.float32)
    return torch.from_numpy(pack(pixels, maps, layout(height, width, 64, 8)))


def batch_of(*pictures):
    """Stack pictures of different numbers of views, padded with zeros."""
    most = max(map(len, pictures))
    return torch.stack([torch.cat([p, p.new_zeros(most - len(p), *p.shape[1:])]) for p in pictures])
