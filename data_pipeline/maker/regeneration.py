"""Passes pictures through a small autoencoder, whole or in part, as latent generators do.

The networks are trained by `morelli.training.regenerator`; here OpenCV runs them.
"""

from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from morelli.data_pipeline.maker import fills
from morelli.data_pipeline.maker.blending import feather
from morelli.data_pipeline.maker.donors import Donors
from morelli.data_pipeline.maker.frame import (
    Edited,
    Pixels,
    blend,
    log_uniform,
    pick,
    span,
    to_pixels,
)
from morelli.data_pipeline.maker.history import resize
from morelli.data_pipeline.maker.pool import Pool
from morelli.data_pipeline.maker.regions import OBJECT_LIKE, draw_share, region
from morelli.data_pipeline.maker.shapes import clock_sector

LATENTS = {"nearest": (8, 8), "subpixel": (4, 4)}
"""Name of a network -> channels of its latents, and pixels that a latent is wide."""

_TILE, _MARGIN = 1024, 96
"""Pixels that are regenerated at once, and around them; no output looks further than the margin."""

_RIM = 16
"""Pixels by which a picture is continued beyond its edges, which zero padding would mark: the edges
must not tell a regenerated picture. A multiple of every latent's width."""

_COARSE = 16
"""Pixels that share one correction of their colours."""

_NOISE = 0.01, 0.06

_CLOCK_SHARE = 0.08
"""How often a sector of the picture is regenerated instead of a part of what it shows."""

_CONTEXT = 32
"""Pixels around a region that go through the network with it."""


class Regenerator:
    """A variational autoencoder on the processor, by OpenCV."""

    def __init__(self, name: str) -> None:
        """Load a network that comes with the maker.

        Args:
            name: a key of `LATENTS`.
        """
        source = files("morelli.data_pipeline.maker") / "weights" / f"{name}.onnx"
        self.name = name
        self.channels, self.factor = LATENTS[name]
        self._net: Any = cv2.dnn.readNetFromONNX(np.frombuffer(source.read_bytes(), np.uint8))

    def regenerate(self, pixels: Pixels, rng: np.random.Generator, noise: float) -> Pixels:
        """Encode a picture, move its latents by noise, and decode them.

        Args:
            pixels: (H, W, 3) RGB.
            rng: the source of the noise.
            noise: standard deviation of what is added to the latents, whose own is about 1.

        Returns:
            (H, W, 3), nothing of which is the picture's own.
        """
        height, width = pixels.shape[:2]
        padded = _padded(pixels, self.factor)
        rows, columns = (length // self.factor for length in padded.shape[:2])
        latents = np.zeros((1, self.channels, rows, columns), np.float32)
        if noise:
            drawn = rng.standard_normal(latents.shape, dtype=np.float32)
            latents = np.asarray(noise * drawn, np.float32)
        done = np.empty_like(padded)
        for outer, inner, kept in _tiles(padded.shape[:2]):
            done[inner] = self._forward(padded[outer], _shrunk(latents, outer, self.factor))[kept]
        done = _recoloured(done, padded)
        return np.ascontiguousarray(done[_RIM : _RIM + height, _RIM : _RIM + width])

    def _forward(self, view: Pixels, latents: NDArray[np.float32]) -> Pixels:
        values = view.transpose(2, 0, 1)[None].astype(np.float32) / np.float32(127.5) - 1
        self._net.setInput(np.ascontiguousarray(values), "pixels")
        self._net.setInput(np.ascontiguousarray(latents), "noise")
        made = self._net.forward()[0].transpose(1, 2, 0)
        return to_pixels((made + 1) * np.float32(127.5))


@cache
def regenerator(name: str) -> Regenerator:
    """Return a network, loaded once a process."""
    return Regenerator(name)


def reprocess(
    canvas: Pixels, pool: Pool, rng: np.random.Generator
) -> tuple[Pixels, dict[str, Any]]:
    """Pass a whole photograph through a network once or twice, at its size or a smaller one."""
    network = regenerator(pool.regenerator)
    noise = 0.0 if rng.random() < 0.4 else log_uniform(rng, *_NOISE)
    passes = 1 if rng.random() < 0.85 else 2
    scale = 1.0 if rng.random() < 0.7 else log_uniform(rng, 0.5, 1.0)
    height, width = canvas.shape[:2]
    small = max(16, round(height * scale)), max(16, round(width * scale))
    pixels = canvas if scale == 1.0 else resize(canvas, *small, "area")
    for _ in range(passes):
        pixels = network.regenerate(pixels, rng, noise)
    if scale != 1.0:
        pixels = resize(pixels, height, width, "cubic")
    drawn = {"network": network.name, "noise": noise, "passes": passes, "scale": scale}
    return pixels, drawn


def regenerated(host: Pixels, donors: Donors, rng: np.random.Generator) -> Edited:
    """Pass a region through a network and paste it back; its content may be replaced before.

    As it is, like an image-to-image model of little strength; blurred; filled from its
    surroundings; or with a piece of another picture, like generative fill.
    """
    share = draw_share(rng, host)
    if rng.random() < _CLOCK_SHARE:
        where = clock_sector(rng, host.shape[0], host.shape[1], share)
        drawn: dict[str, Any] = {"outline": "clock"}
    else:
        where, drawn = region(rng, host, donors, share, (*OBJECT_LIKE, "stroke", "box"))
    before = pick(rng, {"kept": 0.4, "blurred": 0.1, "filled": 0.3, "replaced": 0.2})
    below, replaced = _below(rng, host, where, before, donors)
    network = regenerator(donors.regenerator)
    noise = 0.0 if rng.random() < 0.4 else log_uniform(rng, *_NOISE)
    soft, sigma = feather(rng, where)
    window = _around(soft, int(rng.integers(network.factor)))
    layer = host.copy()
    layer[window] = network.regenerate(np.ascontiguousarray(below[window]), rng, noise)
    drawn |= {"before": before, **replaced, "network": network.name, "noise": noise}
    return Edited(blend(host, layer, soft), soft, {**drawn, "feather": sigma})


def _below(
    rng: np.random.Generator, host: Pixels, where: NDArray[np.float32], before: str, donors: Donors
) -> tuple[Pixels, dict[str, Any]]:
    """Return what goes into the network, and what was drawn for it."""
    if before == "kept":
        return host, {}
    if before == "blurred":
        sigma = log_uniform(rng, 1.0, 4.0)
        soft = np.asarray(cv2.GaussianBlur(host, (0, 0), sigma), np.uint8)
        return blend(host, soft, where), {"sigma": sigma}
    if before == "filled":
        return fills.exemplar(host, where, rng), {}
    rows, columns = span(where)
    size = rows.stop - rows.start, columns.stop - columns.start
    patch, donor = donors.crop(rng, *size, generated=False)
    layer = host.copy()
    layer[rows, columns] = patch
    return blend(host, layer, where), donor


def _around(soft: NDArray[np.float32], phase: int) -> tuple[slice, slice]:
    """Return the window of a region and its context, its grid of latents shifted by `phase`."""
    rows, columns = span(soft)
    return (
        slice(max(0, rows.start - _CONTEXT - phase), rows.stop + _CONTEXT),
        slice(max(0, columns.start - _CONTEXT - phase), columns.stop + _CONTEXT),
    )


def _padded(pixels: Pixels, factor: int) -> Pixels:
    """Reflect a picture's edges by a rim, and by what latents need to cover it."""
    below, right = -pixels.shape[0] % factor, -pixels.shape[1] % factor
    edges = (_RIM, _RIM + below, _RIM, _RIM + right)
    return np.asarray(cv2.copyMakeBorder(pixels, *edges, cv2.BORDER_REFLECT), np.uint8)


def _recoloured(made: Pixels, like: Pixels) -> Pixels:
    """Move a picture's coarse colours to those of another of its size.

    Small networks lose rare colours, which would tell their pictures at once; restorers of the
    diffusion kind are followed by the same correction (StableSR, Wang et al., 2024).
    """
    height, width = made.shape[:2]
    coarse = (max(1, width // _COARSE), max(1, height // _COARSE))
    apart = like.astype(np.float32) - made
    small = cv2.resize(apart, coarse, interpolation=cv2.INTER_AREA)
    return to_pixels(made + cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC))


Window = tuple[slice, slice]


def _tiles(shape: tuple[int, ...]) -> Iterator[tuple[Window, Window, Window]]:
    """Cut a picture into tiles with margins.

    Yields:
        What goes in, the part of the picture that comes out, and where that lies in the tile.
    """
    for top in range(0, shape[0], _TILE):
        for left in range(0, shape[1], _TILE):
            outer, inner, kept = [], [], []
            for start, length in ((top, shape[0]), (left, shape[1])):
                low, high = max(0, start - _MARGIN), min(length, start + _TILE + _MARGIN)
                end = min(length, start + _TILE)
                outer.append(slice(low, high))
                inner.append(slice(start, end))
                kept.append(slice(start - low, end - low))
            yield (outer[0], outer[1]), (inner[0], inner[1]), (kept[0], kept[1])


def _shrunk(latents: NDArray[np.float32], window: Window, factor: int) -> NDArray[np.float32]:
    rows, columns = (slice(part.start // factor, part.stop // factor) for part in window)
    return latents[:, :, rows, columns]
