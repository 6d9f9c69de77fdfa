"""A picture that was printed, then scanned or photographed: dots, paper, light, a slight angle."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from morelli.data_pipeline.maker.frame import Pixels, to_pixels

_SCREEN_ANGLE = np.pi / 4
"""Of the dots of a print's black screen."""


def draw_print(rng: np.random.Generator) -> dict[str, Any]:
    """Draw a printer, a paper and a capture, plain JSON.

    Corners are how far the capture's lie inside the print's, in shares of width and height, so
    that nothing beside the print is seen.
    """
    return {
        "dots": float(rng.uniform(3, 20)) if rng.random() < 0.6 else 0.0,
        "pitch": float(rng.uniform(2.4, 4.5)),
        "spread": float(rng.uniform(0.4, 1.0)),
        "gamma": float(rng.uniform(0.8, 1.25)),
        "black": float(rng.uniform(4, 45)),
        "white": float(rng.uniform(210, 253)),
        "cast": [float(gain) for gain in rng.uniform(0.94, 1.03, 3)],
        "uneven": float(rng.uniform(0, 0.16)),
        "fibre": float(rng.uniform(0.3, 2.5)),
        "grain": float(rng.uniform(0.4, 3.0)),
        "corners": [[float(x), float(y)] for x, y in rng.uniform(0, 0.02, (4, 2))],
        "seed": int(rng.integers(1 << 31)),
    }


def print_and_capture(pixels: Pixels, parameters: dict[str, Any]) -> Pixels:
    """Print (H, W, 3) pixels and capture the print at the same size."""
    rng = np.random.default_rng(parameters["seed"])
    inked = _screened(pixels, parameters) if parameters["dots"] else pixels
    soft = cv2.GaussianBlur(inked, (0, 0), parameters["spread"])
    seen = at_an_angle(np.asarray(soft, np.uint8), parameters).astype(np.float32)
    low, high = parameters["black"], parameters["white"]
    curve = low + (high - low) * np.linspace(0, 1, 256) ** parameters["gamma"]
    table = np.asarray(curve[:, None] * np.array(parameters["cast"]), np.float32)[None]
    seen = np.asarray(cv2.LUT(to_pixels(seen), table), np.float32)
    return on_paper(rng, seen, parameters["uneven"], parameters["fibre"], parameters["grain"])


def on_paper(
    rng: np.random.Generator, page: NDArray[np.float32], uneven: float, fibre: float, grain: float
) -> Pixels:
    """Light a page and capture it.

    Args:
        rng: of light and noise.
        page: (H, W, 3) float32 RGB, 0 to 255; it is changed.
        uneven: most of the light that is missing somewhere, a share.
        fibre: standard deviation of the paper's own structure, in levels.
        grain: likewise of the sensor's noise.
    """
    height, width = page.shape[:2]
    light = 1 - uneven * rng.random((3, 3), dtype=np.float32)
    page *= cv2.resize(light, (width, height), interpolation=cv2.INTER_CUBIC)[..., None]
    # The fibres of paper are coarser than the grain of the sensor.
    rough = rng.standard_normal((height // 2 + 1, width // 2 + 1), dtype=np.float32)
    page += fibre * cv2.resize(rough, (width, height))[..., None]
    page += grain * rng.standard_normal((height, width, 1), dtype=np.float32)
    return to_pixels(page)


def at_an_angle(values: NDArray[Any], parameters: dict[str, Any]) -> NDArray[Any]:
    """Return pixels or masks (H, W[, C]) as the capture sees them, at the same size."""
    height, width = values.shape[:2]
    inwards = np.array(parameters["corners"]) * [[1, 1], [-1, 1], [-1, -1], [1, -1]]
    goal = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    seen = np.asarray(goal + inwards * (width, height), np.float32)
    matrix = cv2.getPerspectiveTransform(seen, goal)
    border = cv2.BORDER_REPLICATE
    return np.asarray(cv2.warpPerspective(values, matrix, (width, height), borderMode=border))


def _screened(pixels: Pixels, parameters: dict[str, Any]) -> Pixels:
    """Add the dots of a halftone screen, strongest in the middle tones."""
    height, width = pixels.shape[:2]
    step = 2 * np.pi / parameters["pitch"]
    rows = np.arange(height, dtype=np.float32)[:, None]
    columns = np.arange(width, dtype=np.float32)[None, :]
    along = np.cos(_SCREEN_ANGLE) * columns + np.sin(_SCREEN_ANGLE) * rows
    across = np.cos(_SCREEN_ANGLE) * rows - np.sin(_SCREEN_ANGLE) * columns
    screen = np.cos(step * along) * np.cos(step * across)
    share = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    dots = parameters["dots"] * 4 * share * (1 - share) * screen
    return to_pixels(pixels + dots[..., None])
