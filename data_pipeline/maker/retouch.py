"""Local filters: what a retoucher does to a part of a picture without bringing in another."""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from morelli.data_pipeline.maker.frame import Pixels, log_uniform, to_pixels

Filter = Callable[[Pixels, np.random.Generator], tuple[Pixels, dict[str, Any]]]


def _blur(view: Pixels, rng: np.random.Generator) -> tuple[Pixels, dict[str, Any]]:
    sigma = log_uniform(rng, 0.8, 6.0)
    return np.asarray(cv2.GaussianBlur(view, (0, 0), sigma), np.uint8), {"sigma": sigma}


def _sharpen(view: Pixels, rng: np.random.Generator) -> tuple[Pixels, dict[str, Any]]:
    sigma, amount = float(rng.uniform(0.6, 2.5)), float(rng.uniform(0.6, 2.5))
    soft = cv2.GaussianBlur(view, (0, 0), sigma)
    sharp = cv2.addWeighted(view, 1 + amount, soft, -amount, 0)
    return np.asarray(sharp, np.uint8), {"sigma": sigma, "amount": amount}


def _median(view: Pixels, rng: np.random.Generator) -> tuple[Pixels, dict[str, Any]]:
    size = int(rng.choice([3, 5, 7, 9]))
    return np.asarray(cv2.medianBlur(view, size), np.uint8), {"size": size}


def _denoise(view: Pixels, rng: np.random.Generator) -> tuple[Pixels, dict[str, Any]]:
    colour, space = float(rng.uniform(20, 70)), float(rng.uniform(2, 5))
    smooth = cv2.bilateralFilter(view, 7, colour, space)
    return np.asarray(smooth, np.uint8), {"colour": colour, "space": space}


def _relight(view: Pixels, rng: np.random.Generator) -> tuple[Pixels, dict[str, Any]]:
    gain, tilt = log_uniform(rng, 0.55, 1.7), float(rng.uniform(-0.4, 0.4))
    slope = np.linspace(1 - tilt, 1 + tilt, view.shape[1], dtype=np.float32)[None, :, None]
    return to_pixels(view * (gain * slope)), {"gain": gain, "tilt": tilt}


def _recolour(view: Pixels, rng: np.random.Generator) -> tuple[Pixels, dict[str, Any]]:
    turn, saturation = int(rng.integers(8, 172)), log_uniform(rng, 0.5, 1.8)
    hsv = cv2.cvtColor(view, cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0].astype(np.int32) + turn) % 180
    hsv[..., 1] = to_pixels(hsv[..., 1] * saturation)
    coloured = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    return np.asarray(coloured, np.uint8), {"turn": turn, "saturation": saturation}


def _noise(view: Pixels, rng: np.random.Generator) -> tuple[Pixels, dict[str, Any]]:
    sigma = log_uniform(rng, 2.5, 14)
    field = rng.standard_normal(view.shape, dtype=np.float32)
    return to_pixels(view + sigma * field), {"sigma": sigma}


def _warp(view: Pixels, rng: np.random.Generator) -> tuple[Pixels, dict[str, Any]]:
    height, width = view.shape[:2]
    reach = float(rng.uniform(0.03, 0.12)) * min(height, width) + 1.5
    cells = int(rng.integers(3, 6))
    field = rng.uniform(-reach, reach, (cells, cells, 2)).astype(np.float32)
    moved = cv2.resize(field, (width, height), interpolation=cv2.INTER_CUBIC)
    grid_y, grid_x = np.mgrid[0:height, 0:width].astype(np.float32)
    warped = cv2.remap(
        view,
        grid_x + moved[..., 0],
        grid_y + moved[..., 1],
        cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT,
    )
    return np.asarray(warped, np.uint8), {"reach": reach, "cells": cells}


def _resample(view: Pixels, rng: np.random.Generator) -> tuple[Pixels, dict[str, Any]]:
    height, width = view.shape[:2]
    factor = float(rng.uniform(0.3, 0.8))
    small = (max(2, round(width * factor)), max(2, round(height * factor)))
    shrunk = cv2.resize(view, small, interpolation=cv2.INTER_AREA)
    large = cv2.resize(shrunk, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(large, np.uint8), {"factor": factor}


RETOUCHES: dict[str, Filter] = {
    "blur": _blur,
    "sharpen": _sharpen,
    "median": _median,
    "denoise": _denoise,
    "relight": _relight,
    "recolour": _recolour,
    "noise": _noise,
    "warp": _warp,
    "resample": _resample,
}


def regenerate(view: Pixels, rng: np.random.Generator) -> tuple[Pixels, dict[str, Any]]:
    """Imitate what a latent decoder does to a part: detail redrawn, grain gone, a weak grid.

    Args:
        view: (h, w, 3) RGB.
        rng: the source of every draw.

    Returns:
        The redrawn view and what was drawn.
    """
    height, width = view.shape[:2]
    factor = float(rng.uniform(0.4, 0.75))
    smooth = cv2.bilateralFilter(view, 7, float(rng.uniform(25, 60)), 3)
    half = (max(2, round(width * factor)), max(2, round(height * factor)))
    coarse = cv2.resize(smooth, half, interpolation=cv2.INTER_AREA)
    # A stride-2 transposed convolution weights its output phases unevenly: that is the grid.
    pixels = cv2.resize(coarse, (half[0] * 2, half[1] * 2), interpolation=cv2.INTER_NEAREST)
    phases = 1 + rng.uniform(-0.02, 0.02, (2, 2, 3)).astype(np.float32)
    pixels = to_pixels(pixels * np.tile(phases, (half[1], half[0], 1)))
    pixels = cv2.GaussianBlur(pixels, (0, 0), float(rng.uniform(0.5, 0.9)))
    drawn = np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)
    amount = float(rng.uniform(0.5, 1.6))
    sharp = cv2.addWeighted(drawn, 1 + amount, cv2.GaussianBlur(drawn, (0, 0), 1.2), -amount, 0)
    shift = rng.uniform(-3, 3, 3).astype(np.float32)
    recorded = {"factor": factor, "amount": amount, "shift": [float(part) for part in shift]}
    return to_pixels(sharp + shift), recorded
