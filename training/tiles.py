"""An endless stream of freshly made forgeries, cut into tiles for the localiser."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from morelli.data_pipeline.images import picture_from_bytes
from morelli.data_pipeline.instruments import measure
from morelli.data_pipeline.maker import Pool, make
from morelli.data_pipeline.maker.make import Made
from morelli.data_pipeline.schema import CLASSES, Verdict
from morelli.model.config import ForgeryVLMConfig
from morelli.model.processing import layout_for
from morelli.model.views import Layout, pack, stack_maps

MASK_DETAIL = 4
"""Pixels of the mask decoder's output along one side of a patch."""


@dataclass(frozen=True)
class TilePlan:
    """How pictures become training tiles.

    Attributes:
        sides: sides of the made pictures in pixels, drawn evenly, one for each block.
        tiles: tiles taken from each.
        overviews: share of blocks whose pictures are also seen whole.
        block: pictures of one size, so that they fit one batch; the batch size.
        maps_dropped: share of pictures whose instrument maps are blanked, so that the network
            learns to look and not only to read them.
        first_seed: of the first picture; each next one adds 1.
        coarser: share of blocks cut at one scale more than their size asks for, so that the
            largest pictures, which are dear to make, are not the only ones seen so.
    """

    sides: tuple[int, ...]
    tiles: int
    overviews: float
    block: int
    maps_dropped: float
    first_seed: int
    coarser: float = 0.0


def worker_seeds(first: int, block: int) -> Iterator[tuple[int, int]]:
    """Return this worker's share of the endless seeds from `first`, its libraries on one thread.

    Args:
        first: seed.
        block: consecutive seeds that one worker takes, the batch size.

    Returns:
        Pairs of the block's first seed and the seed.
    """
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    worker = get_worker_info()
    start, step = (worker.id, worker.num_workers) if worker else (0, 1)
    blocks = itertools.count(first + start * block, step * block)
    return ((begin, seed) for begin in blocks for seed in range(begin, begin + block))


class MadeTiles(IterableDataset[dict[str, Tensor]]):
    """Pictures made on the fly, the same from the same first seed; never the same twice."""

    def __init__(self, pool: Pool, config: ForgeryVLMConfig, plan: TilePlan) -> None:
        super().__init__()
        self.pool = pool
        self.config = config
        self.plan = plan

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        """Give one picture's tiles at a time; workers interleave the seeds."""
        return itertools.starmap(self._sample, worker_seeds(self.plan.first_seed, self.plan.block))

    def _sample(self, block: int, seed: int) -> dict[str, Tensor]:
        shared = np.random.default_rng([block, 3])
        side = int(shared.choice(self.plan.sides))
        overview = bool(shared.random() < self.plan.overviews)
        coarser = bool(shared.random() < self.plan.coarser)
        rng = np.random.default_rng([seed, 1])
        made = make(self.pool, seed, side=side)
        height, width = made.mask.shape
        names = self.config.map_names
        blank = rng.random() < self.plan.maps_dropped
        picture = picture_from_bytes(made.data, f"made-{seed}")
        measurements = () if blank else measure(picture, names)
        scale = self.config.scale(height, width) + coarser
        where = layout_for(self.config, height, width, min(scale, self.config.scales))
        chosen = _choose(made.mask, where.corners, where.size, self.plan.tiles, rng)
        maps = stack_maps(measurements, names, height, width)
        views = pack(made.pixels, maps, where, chosen, overview)
        truth = [
            altered_share(made.mask, where, index, MASK_DETAIL * self.config.grid)
            for index in chosen
        ]
        return {
            "pixel_values": torch.from_numpy(views),
            "truth": torch.from_numpy(np.stack(truth)),
            "label": torch.tensor(label_of(made)),
        }


def label_of(made: Made) -> int:
    """Return the index of the picture's class in `schema.CLASSES`."""
    return CLASSES.index(made.verdict)


def _choose(
    mask: NDArray[np.bool_],
    corners: tuple[tuple[int, int], ...],
    size: int,
    count: int,
    rng: np.random.Generator,
) -> list[int]:
    """Take tiles at random, the first one with altered pixels where there are any."""
    order = rng.permutation(len(corners)).tolist()
    altered = [i for i in order if mask[_window(corners[i], size)].mean() > 0.01]
    first = altered[:1]
    return first + [i for i in order if i not in first][: count - len(first)]


def _window(corner: tuple[int, int], size: int) -> tuple[slice, slice]:
    x, y = corner
    return slice(y, y + size), slice(x, x + size)


def altered_share(
    mask: NDArray[np.bool_], where: Layout, index: int, side: int
) -> NDArray[np.float32]:
    """Return the share of altered pixels under each of a tile's side x side mask pixels."""
    tile = np.zeros((where.size, where.size), np.float32)
    part = mask[_window(where.corners[index], where.size)]
    tile[: part.shape[0], : part.shape[1]] = part
    stride = where.size // side
    share = tile.reshape(side, stride, side, stride).mean((1, 3))
    return np.asarray(share, np.float32)


def collate_views(samples: list[dict[str, Tensor]]) -> dict[str, Any]:
    """Stack pictures, padding those of fewer tiles with invalid ones."""
    most = max(len(sample["truth"]) for sample in samples)

    def padded(name: str, length: int) -> Tensor:
        parts = [sample[name] for sample in samples]
        return torch.stack(
            [torch.cat([p, p.new_zeros(length - len(p), *p.shape[1:])]) for p in parts]
        )

    return {
        "pixel_values": padded("pixel_values", most + 1),
        "truth": padded("truth", most),
        "labels": torch.stack([sample["label"] for sample in samples]),
    }


SYNTHETIC = CLASSES.index(Verdict.SYNTHETIC)
