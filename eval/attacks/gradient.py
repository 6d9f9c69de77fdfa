"""Changes every pixel by a few levels, along the model's own gradient, until the verdict is wrong.

Projected gradient descent in the maximum norm (Madry et al., "Towards deep learning models
resistant to adversarial attacks", 2018) on the calibrated verdict, against all that Morelli does to
a picture. In every step the attacked pixels are rounded to 8 bits, saved, measured by the
instruments, cut into views and put to the model with the readings as text, just as in an
examination; so an iterate is only kept for what it truly does.

Backwards, the gradient runs through the language model, the mask decoder, both encoders and the
cutting, whose transpose is exact. Three steps have none. Rounding is passed straight through. The
peak of the map of altered pixels is replaced, backwards only, by the mean of what exceeds it in the
tiles. An instrument's map is replaced likewise by the local energy of the picture's detail, scaled
by the regression of the true map on it: the backward pass differentiable approximation of Athalye
et al., "Obfuscated gradients give a false sense of security", 2018. The readings as text are
recomputed, but no gradient passes through them.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from morelli.data_pipeline.images import Picture
from morelli.data_pipeline.instruments import measure
from morelli.data_pipeline.schema import Verdict
from morelli.eval.attacks.aim import Aim, saved
from morelli.model.calibration import map_peak
from morelli.model.cpm import verdict_logits
from morelli.model.examiner import Examiner
from morelli.model.forgery_vlm import seg_state
from morelli.model.mask_decoder import soft_map
from morelli.model.views import RGB_CHANNELS, Layout, stack_maps, unpack_gradient
from morelli.model.vision import ViewFeatures, encode, encode_views

STEPS = 10
"""Gradients that are taken of each picture."""

_PART_PIXELS = 4 * 448**2
"""Of the views whose activations are held at a time."""

_DETAIL = 3
_NEIGHBOURHOOD = 17
"""Sides, in pixels, of the means that detail is measured against and that its energy is over."""


def mislead(aim: Aim, radius: float, steps: int = STEPS) -> Aim:
    """Move no channel of any pixel by more than `radius` levels, to the most wrong verdict found.

    An authentic picture is pushed towards not being so, any other towards authentic.

    Args:
        aim: whose examiner is the very model.
        radius: in levels of 255, a whole number; 0 saves the picture as PNG and no more.
        steps: number of gradients.

    Raises:
        ValueError: the radius is no whole number, or the examiner has no gradients.
    """
    if radius != round(radius):
        raise ValueError(f"pixels have whole levels, so the radius must be whole, got {radius:g}")
    if not isinstance(aim.examiner, Examiner):
        raise ValueError("PGD needs the gradients of a checkpoint; leave it out for others")
    start = aim.picture.pixels.astype(np.float32)
    moved, best = np.zeros_like(start), (-np.inf, aim.picture.pixels)
    for step in range(steps + 1 if radius else 0):
        pixels = _rounded(start, moved, radius)
        error, gradient = _Verdict(aim.examiner, aim.label).error(
            saved(pixels, aim.picture.path), step < steps
        )
        best = max(best, (error, pixels), key=lambda one: one[0])
        if gradient is not None:
            # the first step reaches the border, since rounding undoes steps below half a level
            length = radius * (1 - step / steps)
            moved = np.clip(moved + length * np.sign(gradient), -radius, radius)
    return aim.showing(best[1])


def _rounded(
    start: NDArray[np.float32], moved: NDArray[np.float32], radius: float
) -> NDArray[np.uint8]:
    low, high = np.maximum(0, start - radius), np.minimum(255, start + radius)
    return np.asarray(np.clip(np.rint(start + moved), low, high), np.uint8)


@dataclass(frozen=True)
class _Verdict:
    """How wrong a model's verdict is, with the gradient for the pixels.

    Attributes:
        examiner: the model.
        label: what is true.
    """

    examiner: Examiner
    label: Verdict

    def error(
        self, picture: Picture, with_gradient: bool
    ) -> tuple[float, NDArray[np.float32] | None]:
        """Return the log odds of the wrong side, and their (H, W, 3) gradient for the pixels.

        Authentic is one side, tampered and synthetic together the other.
        """
        processor, model = self.examiner.processor, self.examiner.model
        names = model.config.map_names
        measurements = measure(picture, names)
        views = torch.from_numpy(processor.pixel_values(picture.pixels, measurements))
        prompt = processor.prompt(measurements, picture.height, picture.width)
        with torch.no_grad():
            parts = (part.numpy() for part in self._parts(views))
            features = encode(model.model.vision, parts, self.examiner.dtype)
        leaves = _ends(features)
        where = processor.layout(picture.height, picture.width)
        with torch.set_grad_enabled(with_gradient):
            for leaf in leaves:
                leaf.requires_grad_(with_gradient)
            odds = self._odds(processor.encode(prompt), features, where)
        value = float(odds.detach())
        if not with_gradient:
            return value, None
        on_views = self._through_encoders(views, torch.autograd.grad(odds, leaves))
        planes = unpack_gradient(on_views, where)
        maps = stack_maps(measurements, names, picture.height, picture.width)
        gradient = planes[:RGB_CHANNELS] + _through_maps(
            picture.pixels, maps, planes[RGB_CHANNELS:]
        )
        return value, np.ascontiguousarray(gradient.transpose(1, 2, 0))

    def _parts(self, views: Tensor) -> tuple[Tensor, ...]:
        return torch.split(views, max(1, _PART_PIXELS // views.shape[-1] ** 2))

    def _odds(self, tokens: list[int], features: ViewFeatures, where: Layout) -> Tensor:
        model, calibrator = self.examiner.model, self.examiner.calibrator
        processor = self.examiner.processor
        ids = torch.tensor([tokens], device=features.fused.device)
        output = model(input_ids=ids, features=features, use_cache=True, logits_to_keep=1)
        temperature = model.config.verdict_temperature
        raw = verdict_logits(output.logits[:, -1], processor.verdict_ids, temperature)[0]
        opening = torch.tensor([processor.verdict_prefix(Verdict.TAMPERED)], device=ids.device)
        further = model.model(
            input_ids=opening, past_key_values=output.past_key_values, use_cache=True
        )
        state = seg_state(further.last_hidden_state, opening, model.config.seg_token_id)
        peak = _peak(model.decode_masks(features, state).float(), where)
        both = raw + peak * raw.new_tensor(calibrator.map_weights)
        stated = both / calibrator.temperature + raw.new_tensor(calibrator.offsets)
        authentic, others = stated[0], stated[1:].logsumexp(0)
        return others - authentic if self.label is Verdict.AUTHENTIC else authentic - others

    def _through_encoders(
        self, views: Tensor, gradients: tuple[Tensor, ...]
    ) -> NDArray[np.float32]:
        """Return the (V, 3 + M, S, S) gradient for the views, a few of them at a time."""
        channels = RGB_CHANNELS + len(self.examiner.model.config.map_names)
        parts = self._parts(views)
        sizes = [len(part) for part in parts]
        vision = self.examiner.model.model.vision
        found = []
        for part, *some in zip(parts, *(torch.split(one, sizes) for one in gradients), strict=True):
            leaf = part.clone().requires_grad_()
            features = encode_views(vision, leaf, self.examiner.dtype)
            (on_part,) = torch.autograd.grad(_ends(features), leaf, some)
            found.append(on_part[:, :channels].float().cpu().numpy())
        return np.concatenate(found)


def _ends(features: ViewFeatures) -> list[Tensor]:
    """Return what verdict and mask are read from."""
    every = (features.fused, features.summary, features.stride4, features.stride8)
    return [one for one in every if one is not None]


def _peak(logits: Tensor, where: Layout) -> Tensor:
    """Return the peak of the map that (T, h, w) logits of tiles make, with a gradient for them."""
    exact = map_peak(soft_map(logits.detach(), where))
    above = logits[logits.detach() >= exact]
    above = above.mean() if len(above) else logits.amax()
    return exact + above - above.detach()


def _through_maps(
    pixels: NDArray[np.uint8], maps: NDArray[np.float32], gradients: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Carry the (M, H, W) gradient for the maps to (3, H, W) colours in 0 to 1."""
    colours = torch.from_numpy(pixels).permute(2, 0, 1)[None].float().div(255).requires_grad_()
    luma = colours.mean(1, keepdim=True)
    detail = luma - _mean(luma, _DETAIL)
    energy = (_mean(detail**2, _NEIGHBOURHOOD) + 1e-8).sqrt()[0, 0]
    known = energy.detach()
    spread = float(known.var()) + 1e-12
    total = energy.new_zeros(())
    for plane, gradient in zip(maps, gradients, strict=True):
        seen = torch.from_numpy(plane)
        slope = float(((seen - seen.mean()) * (known - known.mean())).mean()) / spread
        total = total + slope * (energy * torch.from_numpy(gradient)).sum()
    (carried,) = torch.autograd.grad(total, colours)
    return np.asarray(carried[0].numpy(), np.float32)


def _mean(plane: Tensor, side: int) -> Tensor:
    edge = side // 2
    wide = functional.pad(plane, (edge, edge, edge, edge), mode="replicate")
    return functional.avg_pool2d(wide, side, stride=1)
