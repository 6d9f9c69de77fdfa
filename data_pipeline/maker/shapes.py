"""Masks with the shapes of things that people cut, paint over or retype."""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from morelli.data_pipeline.maker.frame import Alpha, Pixels, log_uniform

_COARSE = 112
"""Side in pixels at which outlines are drawn and objects are segmented."""

_EDGE = _COARSE // 16
"""Rim of a box that is taken for background when an object is cut out."""

_BOXES = 4
"""Boxes tried for an object before an outline is drawn instead."""


def ellipse(rng: np.random.Generator) -> Alpha:
    """Draw a turned ellipse; coarse square mask."""
    mask = np.zeros((_COARSE, _COARSE), np.float32)
    half = _COARSE // 2
    axes = (int(half * 0.95), int(half * rng.uniform(0.35, 0.95)))
    cv2.ellipse(mask, (half, half), axes, float(rng.uniform(0, 180)), 0, 360, 1.0, -1)
    return mask


def polygon(rng: np.random.Generator) -> Alpha:
    """Draw a star-shaped polygon of 4 to 14 corners, as with a lasso; coarse square mask."""
    corners = int(rng.integers(4, 15))
    angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
    radii = _COARSE / 2 * rng.uniform(0.45, 1.0, corners)
    points = np.stack([np.cos(angles), np.sin(angles)], axis=1) * radii[:, None] + _COARSE / 2
    mask = np.zeros((_COARSE, _COARSE), np.float32)
    cv2.fillPoly(mask, [points.astype(np.int32)], 1.0)
    return mask


def blob(rng: np.random.Generator) -> Alpha:
    """Draw a blob whose edge is fractal noise, like foliage or hair; coarse square mask."""
    field = np.zeros((_COARSE, _COARSE), np.float32)
    roughness = rng.uniform(0.35, 0.75)
    for octave, cells in enumerate((4, 8, 16, 32)):
        grid = rng.standard_normal((cells, cells)).astype(np.float32)
        field += roughness**octave * cv2.resize(
            grid, (_COARSE, _COARSE), interpolation=cv2.INTER_CUBIC
        )
    axis = np.linspace(-1, 1, _COARSE, dtype=np.float32)
    distance = np.hypot(axis[:, None], axis[None, :])
    field += 3.5 * (1 - 1.5 * distance)
    field[distance > 1] = -9
    return _largest(field > rng.uniform(0.0, 1.2))


def box(rng: np.random.Generator) -> Alpha:
    """Draw a rectangle of any aspect up to 1:6, like a word, a sign or a licence plate."""
    mask = np.zeros((_COARSE, _COARSE), np.float32)
    thin = int(_COARSE / 2 * log_uniform(rng, 1 / 6, 1.0))
    half = _COARSE // 2
    if rng.random() < 0.7:
        mask[half - thin : half + thin] = 1
    else:
        mask[:, half - thin : half + thin] = 1
    return mask


def stroke(rng: np.random.Generator) -> Alpha:
    """Draw a brush stroke through 3 to 6 points; coarse square mask."""
    mask = np.zeros((_COARSE, _COARSE), np.float32)
    points = rng.uniform(0.15, 0.85, (int(rng.integers(3, 7)), 2)) * _COARSE
    width = int(_COARSE * rng.uniform(0.1, 0.3))
    cv2.polylines(mask, [points.astype(np.int32)], False, 1.0, width)
    return mask


SHAPES: dict[str, Callable[[np.random.Generator], Alpha]] = {
    "ellipse": ellipse,
    "polygon": polygon,
    "blob": blob,
    "box": box,
    "stroke": stroke,
}
"""Outlines that do not look at the picture."""


def _largest(mask: NDArray[Any]) -> Alpha:
    """Keep the largest connected part and fill its holes."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    if count < 2:
        return np.zeros(mask.shape, np.float32)
    part = (labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))).astype(np.uint8)
    outlines, _ = cv2.findContours(part, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(part, outlines, -1, 1, -1)
    return np.asarray(part, np.float32)


def enlarge(mask: Alpha, height: int, width: int) -> Alpha:
    """Scale a coarse mask up to (height, width) with a smooth outline about a pixel soft."""
    softened = cv2.GaussianBlur(mask, (0, 0), 0.8)
    large = cv2.resize(softened, (width, height), interpolation=cv2.INTER_LINEAR)
    steepness = max(1.0, min(height, width) / mask.shape[0])
    return np.asarray(np.clip((large - 0.5) * 3 * steepness + 0.5, 0, 1), np.float32)


def trim(mask: Alpha) -> Alpha:
    """Cut a coarse mask down to its bounding box; a filled square if it is empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return np.ones((8, 8), np.float32)
    return mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def outline(rng: np.random.Generator, area: float, allowed: tuple[str, ...]) -> tuple[str, Alpha]:
    """Draw a shape that covers about `area` pixels, in a frame of its own.

    Args:
        rng: the source of every draw.
        area: pixels to cover.
        allowed: names in `SHAPES`.

    Returns:
        The name and an (h, w) mask cut to its bounding box.
    """
    name = allowed[int(rng.integers(len(allowed)))]
    coarse = trim(SHAPES[name](rng))
    aspect = log_uniform(rng, 0.7, 1.4)
    scale = np.sqrt(area / max(float(coarse.sum()), 1.0))
    height = max(6, round(coarse.shape[0] * scale * aspect))
    width = max(6, round(coarse.shape[1] * scale / aspect))
    return name, enlarge(coarse, height, width)


def clock_sector(rng: np.random.Generator, height: int, width: int, share: float) -> Alpha:
    """Draw what lies between the two hands of a clock, out to the borders of the picture.

    Mixed so, two versions of a picture differ neither in content nor in place (ClockMix of ED4,
    Cheng et al., 2024).

    Args:
        rng: the source of every draw.
        height: of the picture in pixels.
        width: of the picture in pixels.
        share: of the picture that the sector covers.

    Returns:
        (height, width) mask with an edge about a pixel soft.
    """
    rows = np.linspace(0, 1, _COARSE)[:, None] - rng.uniform(0.25, 0.75)
    columns = np.linspace(0, 1, _COARSE)[None, :] - rng.uniform(0.25, 0.75)
    hand = rng.uniform(0, 2 * np.pi)
    angles = (np.arctan2(rows * height, columns * width) - hand) % (2 * np.pi)
    return enlarge((angles <= np.quantile(angles, share)).astype(np.float32), height, width)


def segment(rng: np.random.Generator, pixels: Pixels, area: float) -> Alpha | None:
    """Find a region of one colour, such as a wall, a shirt or a patch of sky.

    Args:
        rng: the source of every draw.
        pixels: (H, W, 3) RGB.
        area: wanted share of the picture; regions from a third to three times it are taken.

    Returns:
        (H, W) mask, or None if eight seeds found no such region.
    """
    height, width = pixels.shape[:2]
    scale = _COARSE / max(height, width)
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    small = cv2.cvtColor(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2LAB)
    small = cv2.medianBlur(small, 5)
    for _ in range(8):
        seed = (int(rng.integers(size[0])), int(rng.integers(size[1])))
        flood = np.zeros((size[1] + 2, size[0] + 2), np.uint8)
        spread = (float(rng.uniform(6, 30)),) * 3
        flags = 4 | cv2.FLOODFILL_MASK_ONLY | cv2.FLOODFILL_FIXED_RANGE | (1 << 8)
        cv2.floodFill(small, flood, seed, 0, spread, spread, flags)
        found = _largest(cv2.morphologyEx(flood[1:-1, 1:-1], cv2.MORPH_OPEN, np.ones((3, 3))))
        if area / 3 < float(found.mean()) < area * 3:
            return enlarge(found, height, width)
    return None


def cut_object(pixels: Pixels, seed: int) -> tuple[tuple[int, int, int, int], Alpha]:
    """Cut something object-like out of a picture by colour.

    The outline comes from GrabCut (Rother et al., 2004) on a coarse copy of a random box; boxes
    in which it finds next to nothing, everything, or a thing cut by the box are passed over.

    Args:
        pixels: (H, W, 3) RGB.
        seed: which object.

    Returns:
        The box (x0, y0, x1, y1) in pixels and a coarse mask that covers it.
    """
    rng = np.random.default_rng(seed)
    region = _random_box(rng, pixels)
    for _ in range(_BOXES):
        found = _foreground(pixels[region[1] : region[3], region[0] : region[2]], seed)
        rim = np.concatenate(
            [found[_EDGE], found[-_EDGE - 1], found[:, _EDGE], found[:, -_EDGE - 1]]
        )
        if 0.15 < float(found.mean()) < 0.6 and float(rim.mean()) < 0.2:
            return region, found
        region = _random_box(rng, pixels)
    return region, blob(rng)


def _random_box(rng: np.random.Generator, pixels: Pixels) -> tuple[int, int, int, int]:
    height, width = pixels.shape[:2]
    box_height = int(height * rng.uniform(0.2, 0.9))
    box_width = int(min(width * 0.95, box_height * log_uniform(rng, 0.5, 2.0)))
    x0, y0 = int(rng.integers(width - box_width)), int(rng.integers(height - box_height))
    return x0, y0, x0 + box_width, y0 + box_height


def _foreground(view: Pixels, seed: int) -> Alpha:
    """Tell what stands out from a view's rim; coarse mask."""
    small = cv2.resize(view, (_COARSE, _COARSE), interpolation=cv2.INTER_AREA)
    labels = np.full((_COARSE, _COARSE), cv2.GC_BGD, np.uint8)
    labels[_EDGE:-_EDGE, _EDGE:-_EDGE] = cv2.GC_PR_FGD
    cv2.setRNGSeed(seed % (1 << 31))
    models = np.zeros((2, 1, 65))
    cv2.grabCut(small, labels, None, models[0], models[1], 1, cv2.GC_INIT_WITH_MASK)
    return _largest((labels == cv2.GC_PR_FGD) | (labels == cv2.GC_FGD))
