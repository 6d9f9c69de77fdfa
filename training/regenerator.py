"""Trains the small autoencoders whose traces the maker leaves in pictures, and exports them.

`morelli train regenerator --photos DIR --out DIR` writes one ONNX file a design. Generators of the
latent kind end in such a decoder (Rombach et al., 2022), and what it does to a photograph that is
passed through it is what a detector of `reprocessed` pictures and `regenerated` regions learns.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import onnx
import onnx.numpy_helper
import torch
from torch import Tensor, nn
from torch.nn import functional

from morelli.data_pipeline.maker import Pool
from morelli.data_pipeline.maker.frame import Pixels, log_uniform
from morelli.data_pipeline.maker.history import resize
from morelli.data_pipeline.maker.pool import Source, decode_file
from morelli.data_pipeline.whole_files import whole

_LEAST_LOG_VARIANCE, _LARGEST_LOG_VARIANCE = -30.0, 2.0
_SMALLEST_SCALE = 0.35
_GRADIENT_WEIGHT, _COLOUR_WEIGHT, _DIVERGENCE_WEIGHT = 0.5, 1.0, 1e-3
_PERMUTED_SHARE = 0.3
"""How often the channels of a crop are swapped: photographs hold too few strong colours."""

_CROPS_EACH = 8
"""Crops of a photograph of weight one."""

_SHIFT = 32
"""Pixels by which a kept crop is larger than what is learned from it."""

_HELD_OUT_SIDE = 256
_LOG_EVERY = 50


@dataclass(frozen=True)
class RegeneratorConfig:
    """Settings of `morelli train regenerator`.

    Attributes:
        photos: see `Pool.from_folders`.
        out: folder for the ONNX files; training goes on from those that are there.
        design: a key of `DESIGNS`; None trains all of them.
        steps: of training a design.
        minutes: after which a design is finished though steps are left; its rate falls in time.
        batch: crops a step.
        side: of a crop in pixels; a multiple of 8.
        rate: the highest learning rate.
        seed: of the weights and the crops.
    """

    photos: Path
    out: Path
    design: str | None = None
    steps: int = 8000
    minutes: float = 60.0
    batch: int = 8
    side: int = 128
    rate: float = 2e-3
    seed: int = 0


class _Residual(nn.Module):
    """Two convolutions beside a straight way."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)  # type: ignore[arg-type]

    def forward(self, values: Tensor) -> Tensor:
        """Return (B, C, h, w) of the same shape."""
        inner = functional.leaky_relu(self.first(functional.leaky_relu(values, 0.1)), 0.1)
        return cast(Tensor, values + self.second(inner))


class Regenerator(nn.Module):
    """A convolutional variational autoencoder (Kingma & Welling, 2014) of one `Design`."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        """Join the parts: (B, 3, H, W) to twice the latent channels, and latents back."""
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder

    def encode(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log variance of the latents, (B, C, H / f, W / f) each."""
        mean, spread = self.encoder(pixels).chunk(2, dim=1)
        return mean, spread.clamp(_LEAST_LOG_VARIANCE, _LARGEST_LOG_VARIANCE)

    def forward(self, pixels: Tensor, noise: Tensor) -> Tensor:
        """Return the regenerated picture.

        Args:
            pixels: (B, 3, H, W) RGB in -1..1, sides multiples of the design's factor.
            noise: (B, C, H / f, W / f), added to the latents' means.
        """
        mean, _ = self.encode(pixels)
        return cast(Tensor, self.decoder(mean + noise))


@dataclass(frozen=True)
class Design:
    """One architecture: how to build it, its latents' channels, and pixels a latent is wide."""

    build: Callable[[], Regenerator]
    channels: int
    factor: int


def _nearest() -> Regenerator:
    """Up-sample by repetition and convolve, as the decoder of Stable Diffusion does."""
    encoder = nn.Sequential(
        nn.Conv2d(3, 32, 3, 2, 1), nn.LeakyReLU(0.1),
        nn.Conv2d(32, 48, 3, 2, 1), nn.LeakyReLU(0.1),
        nn.Conv2d(48, 64, 3, 2, 1), _Residual(64),
        nn.Conv2d(64, 16, 3, 1, 1),
    )  # fmt: skip
    decoder = nn.Sequential(
        nn.Conv2d(8, 64, 3, 1, 1), _Residual(64), _Residual(64),
        nn.Upsample(scale_factor=2, mode="nearest"), nn.Conv2d(64, 48, 3, 1, 1), _Residual(48),
        nn.Upsample(scale_factor=2, mode="nearest"), nn.Conv2d(48, 32, 3, 1, 1), _Residual(32),
        nn.LeakyReLU(0.1),
        nn.Upsample(scale_factor=2, mode="nearest"), nn.Conv2d(32, 3, 3, 1, 1),
    )  # fmt: skip
    return Regenerator(encoder, decoder)


def _subpixel() -> Regenerator:
    """Up-sample by a transposed convolution, then by pixel shuffle (Shi et al., 2016)."""
    encoder = nn.Sequential(
        nn.Conv2d(3, 32, 6, 2, 2), nn.LeakyReLU(0.1),
        nn.Conv2d(32, 64, 4, 2, 1), _Residual(64), nn.Conv2d(64, 8, 3, 1, 1),
    )  # fmt: skip
    decoder = nn.Sequential(
        nn.Conv2d(4, 64, 3, 1, 1), _Residual(64), nn.LeakyReLU(0.1),
        nn.ConvTranspose2d(64, 32, 4, 2, 1), _Residual(32), nn.LeakyReLU(0.1),
        nn.Conv2d(32, 12, 3, 1, 1), nn.PixelShuffle(2),
    )  # fmt: skip
    return Regenerator(encoder, decoder)


DESIGNS = {"nearest": Design(_nearest, 8, 8), "subpixel": Design(_subpixel, 4, 4)}
"""Name -> architecture. The maker forges with the first; the second is for validation alone."""


class Crops:
    """Random crops of photographs, at their own resolution or shrunk, taken once and kept."""

    def __init__(self, sources: Sequence[Source], side: int, each: int, seed: int) -> None:
        """Take about `each` crops of every source, a few pixels larger than `side`.

        Raises:
            OSError: a source cannot be read.
        """
        self._side = side
        self._rng = np.random.default_rng(seed)
        bank = []
        for source in sources:
            pixels = decode_file(source.path)
            bank += [self._taken(pixels) for _ in range(max(1, round(each * source.weight)))]
        self._bank = np.stack(bank)

    def __len__(self) -> int:
        """Return how many crops are kept."""
        return len(self._bank)

    def batch(self, count: int) -> Tensor:
        """Return (count, 3, side, side) float32 RGB in -1..1, shifted and mirrored at random."""
        chosen = self._bank[self._rng.integers(len(self), size=count)]
        return torch.cat([scaled(self._shifted(one)) for one in chosen]).contiguous(
            memory_format=torch.channels_last
        )

    def each(self) -> Iterator[Tensor]:
        """Yield every crop as it was taken, (1, 3, side, side)."""
        for one in self._bank:
            yield scaled(one[: self._side, : self._side])

    def _taken(self, pixels: Pixels) -> Pixels:
        rng, side = self._rng, self._side + _SHIFT
        scale = 1.0 if rng.random() < 0.4 else log_uniform(rng, _SMALLEST_SCALE, 1.0)
        taken = min(round(side / scale), *pixels.shape[:2])
        top = int(rng.integers(pixels.shape[0] - taken + 1))
        left = int(rng.integers(pixels.shape[1] - taken + 1))
        view = pixels[top : top + taken, left : left + taken]
        return view if taken == side else resize(view, side, side, "area")

    def _shifted(self, crop: Pixels) -> Pixels:
        top, left = (int(start) for start in self._rng.integers(_SHIFT + 1, size=2))
        view = crop[top : top + self._side, left : left + self._side]
        if self._rng.random() < _PERMUTED_SHARE:
            view = view[..., self._rng.permutation(3)]
        return view[:, ::-1] if self._rng.random() < 0.5 else view


def scaled(pixels: Pixels) -> Tensor:
    """Return (1, 3, H, W) float32 in -1..1 of (H, W, 3) 8-bit RGB."""
    values = torch.from_numpy(np.ascontiguousarray(pixels))
    return values.permute(2, 0, 1)[None].float() / 127.5 - 1


def reconstruction_loss(made: Tensor, goal: Tensor) -> Tensor:
    """Return the L1 distance of pixels, of their colours, and of their steps across and down.

    The steps count at two scales, the colours (without brightness) on means of 8 x 8 pixels.
    """
    loss = functional.l1_loss(made, goal)
    small, wanted = functional.avg_pool2d(made, 8), functional.avg_pool2d(goal, 8)
    colours, hues = (one - one.mean(dim=1, keepdim=True) for one in (small, wanted))
    loss = loss + _COLOUR_WEIGHT * functional.l1_loss(colours, hues)
    for _ in range(2):
        for axis in (-1, -2):
            apart = functional.l1_loss(made.diff(dim=axis), goal.diff(dim=axis))
            loss = loss + _GRADIENT_WEIGHT * apart
        made, goal = functional.avg_pool2d(made, 2), functional.avg_pool2d(goal, 2)
    return loss


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return the divergence of the latents from a standard normal distribution, per latent."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()


def train(design: Design, crops: Crops, config: RegeneratorConfig, start: Path) -> Regenerator:
    """Train one design, from the weights in an ONNX file if there is one, and return it."""
    torch.manual_seed(config.seed)
    model = design.build().to(memory_format=torch.channels_last)
    if start.exists():
        model.load_state_dict(weights_of(start))
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.rate, weight_decay=1e-4)
    size = config.side // design.factor
    began, step, done = time.monotonic(), 0, 0.0
    while done < 1:
        # Warm up over the first fiftieth, then a cosine to nothing.
        rate = config.rate * min(1.0, 50 * done + 0.02) * 0.5 * (1 + np.cos(np.pi * done))
        for group in optimizer.param_groups:
            group["lr"] = max(rate, 1e-6)
        goal = crops.batch(config.batch)
        noise = torch.randn(config.batch, design.channels, size, size)
        with torch.autocast("cpu", torch.bfloat16):
            mean, log_variance = model.encode(goal)
            made = model.decoder(mean + noise * torch.exp(0.5 * log_variance))
        loss = reconstruction_loss(made.float(), goal)
        loss = loss + _DIVERGENCE_WEIGHT * divergence(mean.float(), log_variance.float())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1
        done = max(step / config.steps, (time.monotonic() - began) / (60 * config.minutes))
        if step % _LOG_EVERY == 0:
            logging.getLogger(__name__).info("step %d: loss %.4f", step, loss.item())
    return model


@torch.no_grad()
def decibels(model: Regenerator, design: Design, crops: Crops) -> float:
    """Return the mean peak signal-to-noise ratio in dB of crops that go through the model."""
    ratios = []
    for goal in crops.each():
        size = goal.shape[-1] // design.factor
        made = model(goal, torch.zeros(1, design.channels, size, size)).clamp(-1, 1)
        error = functional.mse_loss(made, goal) / 4
        ratios.append(float(-10 * torch.log10(error.clamp(min=1e-10))))
    return float(np.mean(ratios))


def export(model: Regenerator, design: Design, path: Path) -> None:
    """Write a model as ONNX: inputs `pixels` and `noise` as in `forward`, any size.

    Raises:
        OSError: the file cannot be written.
    """
    side = 8 * design.factor
    inputs = (torch.zeros(1, 3, side, side), torch.zeros(1, design.channels, 8, 8))
    sizes = {2: "height", 3: "width"}
    with whole(path) as unfinished:
        torch.onnx.export(
            model.eval(), inputs, str(unfinished), dynamo=False, opset_version=17,
            input_names=["pixels", "noise"], output_names=["regenerated"],
            dynamic_axes={
                "pixels": sizes, "regenerated": sizes, "noise": {2: "rows", 3: "columns"},
            },
        )  # fmt: skip


def weights_of(path: Path) -> dict[str, Tensor]:
    """Return the weights in a file that `export` wrote, by the names they have in the model.

    Raises:
        OSError: the file cannot be read.
    """
    graph = onnx.load(str(path)).graph
    return {
        one.name: torch.from_numpy(onnx.numpy_helper.to_array(one).copy())
        for one in graph.initializer
        if one.name.startswith(("encoder.", "decoder."))
    }


def run(config: RegeneratorConfig) -> Path:
    """Train, measure and export the designs asked for; return the folder.

    Raises:
        OSError: the photographs cannot be read or the folder cannot be written to.
        ValueError: no such design, or no photograph to learn from or to measure on.
    """
    if config.design is not None and config.design not in DESIGNS:
        raise ValueError(f"no design {config.design!r}; there are {', '.join(DESIGNS)}")
    log = logging.getLogger(__name__)
    config.out.mkdir(parents=True, exist_ok=True)
    photographs = Pool.from_folders(config.photos, None, "train").photographs
    others = Pool.from_folders(config.photos, None, "validation").photographs
    crops = Crops(photographs, config.side, _CROPS_EACH, config.seed)
    held_out = Crops(others, _HELD_OUT_SIDE, 1, config.seed)
    log.info("%d crops to learn from, %d held out", len(crops), len(held_out))
    for name in [config.design] if config.design else DESIGNS:
        design = DESIGNS[name]
        path = config.out / f"{name}.onnx"
        model = train(design, crops, config, path)
        ratio = decibels(model, design, held_out)
        log.info("%s: %.2f dB on held-out photographs", name, ratio)
        export(model, design, path)
    return config.out
