"""Find regions of a picture that occur twice in it: copied, turned, resized, pasted.

Keypoints are matched against the rest of the same picture (Amerini et al., "A SIFT-based forensic
method for copy-move attack detection and transformation recovery", IEEE TIFS 2011), matches that
agree on one similarity transform are gathered, and each transform is then held against the pixels
(the dense check that Christlein et al., "An evaluation of popular copy-move forgery detection
approaches", IEEE TIFS 2012, and Cozzolino, Poggi and Verdoliva, "Efficient dense-field copy-move
forgery detection", IEEE TIFS 2015, show to be needed). Windows, tiles and foliage look alike but do
not share their noise and their lighting; a copy does, so only near-exact agreement counts.
"""

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from morelli.data_pipeline.images import Picture
from morelli.data_pipeline.instruments.keypoints import (
    Gray,
    Mask,
    Transform,
    find_keypoints,
    match_keypoints,
    shared_transforms,
)
from morelli.data_pipeline.instruments.ranges import expected_range
from morelli.data_pipeline.instruments.regions import box_around
from morelli.data_pipeline.schema import Box, Measurement

INSTRUMENT = "copy-move"
UNIT = "% of the picture"
WORKING_PIXELS = 500_000
"""Keypoints and the dense check run on a copy of at most this many pixels."""

NEAR_SHARE = 0.03
"""Matches closer than this share of the diagonal are the same structure, not a copy."""

FEWEST_KEYPOINTS = 40
AMPLE_KEYPOINTS = 800
"""Between the two the reliability rises from 0.05 to 1."""

WINDOW = 9
AGREEMENT = 0.8
"""Two places agree where their windows of this many pixels are this much alike in structure."""

NOISE_VARIANCE = 10.0
"""Squared grey levels that recompression adds; below it two windows differ by chance."""

TEXTURE_VARIANCE = 12.0
MOST_BRIGHTNESS_GAP = 12.0
"""Grey levels; a copy may be relit by no more than this."""

# The limits below were fitted on half of data/photos, untouched and with duplicates made in them.
DETAIL_AGREEMENT = 0.6
TEXTURED_SHARE = 0.2
SOLIDITY = 0.65
"""Area over that of the convex hull: objects are solid, chance agreement follows edges."""

FEWEST_PIXELS = 250
SMALLEST_SHARE = 0.0035
SAME_BRIGHTNESS = 0.8
"""Grey levels: the mean of a copy differs by less, of two windows of a house by more."""

SMALLEST_RELIT_SHARE = 0.01
RELIT_AGREEMENT = 0.92
MOST_OVERLAP = 0.1
NOTHING_FOUND = "No region of the picture occurs a second time, as is normal."


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two regions of the working copy that agree under a transform.

    Attributes:
        transform: (2, 3), carries a point of the source to the target.
        source: (H, W), one of the two regions; which was there first is not known.
        target: (H, W), the other.
        inliers: matched keypoints that follow the transform.
        agreement: mean likeness of the windows, up to 1.
        detail: correlation of the high-pass residuals where there is texture.
        textured: share of the source that has texture.
        solidity: area of the source over the area of its convex hull.
        brightness_gap: difference of the mean grey levels.
    """

    transform: Transform
    source: Mask
    target: Mask
    inliers: int
    agreement: float
    detail: float
    textured: float
    solidity: float
    brightness_gap: float

    @property
    def area(self) -> int:
        """Pixels of the source in the working copy."""
        return int(self.source.sum())

    @property
    def overlap(self) -> float:
        """Share of the source that the target covers: high for a pattern that repeats."""
        return float((self.source & self.target).sum() / self.area)


def _local_agreement(one: Gray, two: Gray) -> tuple[Gray, Gray]:
    """Compare two aligned grey images in a sliding window.

    Returns:
        Agreement of structure (1 = the same up to noise) and mean variance, both (H, W).
    """
    size = (WINDOW, WINDOW)
    mean_one, mean_two = cv2.blur(one, size), cv2.blur(two, size)
    variance_one = cv2.blur(one * one, size) - mean_one**2
    variance_two = cv2.blur(two * two, size) - mean_two**2
    shared = cv2.blur(one * two, size) - mean_one * mean_two
    agreement = (2 * shared + NOISE_VARIANCE) / (variance_one + variance_two + NOISE_VARIANCE)
    agreement[np.abs(mean_one - mean_two) > MOST_BRIGHTNESS_GAP] = 0
    return agreement, (variance_one + variance_two) / 2


def _roi(points: NDArray[np.float32], height: int, width: int) -> Box:
    """Return where the region around matched points may lie."""
    low, high = points.min(axis=0), points.max(axis=0)
    margin = 0.75 * (high - low) + 0.04 * math.hypot(height, width) + 10
    low, high = np.floor(low - margin), np.ceil(high + margin)
    return Box(
        max(int(low[0]), 0),
        max(int(low[1]), 0),
        min(int(high[0]), width),
        min(int(high[1]), height),
    )


def _correlation(one: Gray, two: Gray) -> float:
    """Return the correlation of two sets of values; 0 if either is constant."""
    one, two = one - one.mean(), two - two.mean()
    energy = math.sqrt(float((one**2).sum()) * float((two**2).sum()))
    return float((one * two).sum()) / energy if energy > 0 else 0.0


def _agreeing_region(agreement: Gray, points: NDArray[np.float32]) -> Mask:
    """Return the connected areas of agreement that hold matched points."""
    agrees = (agreement > AGREEMENT).astype(np.uint8)
    # Thin bridges are chance agreement along an edge; what hangs on them is not the copy.
    agrees = cv2.morphologyEx(agrees, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    _, labels = cv2.connectedComponents(agrees)
    columns, rows = np.round(points).astype(int).T
    labels_here = labels[
        np.clip(rows, 0, labels.shape[0] - 1), np.clip(columns, 0, labels.shape[1] - 1)
    ]
    return np.asarray(np.isin(labels, np.unique(labels_here[labels_here > 0])))


def _solidity(region: NDArray[np.uint8]) -> float:
    """Return the area of a region over that of the convex hull around all its parts."""
    outlines, _ = cv2.findContours(region, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    hull = cv2.contourArea(cv2.convexHull(np.vstack(outlines)))
    return float(min(region.sum() / max(hull, 1.0), 1.0))


def _detail(gray: Gray) -> Gray:
    """Return the high-pass residual: the noise and fine texture that only a copy shares."""
    return np.asarray(gray - cv2.GaussianBlur(gray, (0, 0), 1.5))


def _verify(gray: Gray, transform: Transform, points: NDArray[np.float32]) -> _Pair | None:
    """Hold a transform against the pixels; None if nothing textured agrees."""
    height, width = gray.shape
    roi = _roi(points, height, width)
    corner = np.array([roi.x0, roi.y0], np.float32)
    local = transform.copy()
    local[:, 2] += transform[:, :2] @ corner
    size = (roi.x1 - roi.x0, roi.y1 - roi.y0)
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    here = np.ascontiguousarray(roi.crop(gray))
    there = cv2.warpAffine(gray, local, size, flags=flags, borderMode=cv2.BORDER_REFLECT)
    inside = cv2.warpAffine(np.ones_like(gray), local, size, flags=cv2.WARP_INVERSE_MAP) > 0.5
    agreement, variance = _local_agreement(here, there)
    agreement[~inside] = 0
    region = _agreeing_region(agreement, points - corner)
    texture = region & (variance > TEXTURE_VARIANCE)
    if texture.sum() < FEWEST_PIXELS // 10:
        return None
    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9))
    closed = cv2.morphologyEx(region.astype(np.uint8), cv2.MORPH_CLOSE, disk)
    source = np.zeros(gray.shape, np.uint8)
    roi.crop(source)[:] = closed
    target = cv2.warpAffine(source, transform, (width, height), flags=cv2.INTER_NEAREST)
    return _Pair(
        transform,
        source > 0,
        target > 0,
        inliers=len(points),
        agreement=float(agreement[closed > 0].mean()),
        detail=_correlation(_detail(here)[texture], _detail(there)[texture]),
        textured=float(texture.sum() / closed.sum()),
        solidity=_solidity(closed),
        brightness_gap=float(abs((here - there)[closed > 0].mean())),
    )


def _alike(pair: _Pair) -> bool:
    """Say whether two regions share their fine texture, be it a copy or a pattern."""
    return (
        pair.area >= max(FEWEST_PIXELS, SMALLEST_SHARE * pair.source.size)
        and pair.detail >= DETAIL_AGREEMENT
        and pair.textured >= TEXTURED_SHARE
    )


def _convincing(pair: _Pair) -> bool:
    """Say whether two regions are one, copied, rather than two that look alike."""
    same_light = pair.brightness_gap < SAME_BRIGHTNESS
    large = pair.area >= SMALLEST_RELIT_SHARE * pair.source.size
    return (
        _alike(pair)
        and pair.overlap < MOST_OVERLAP
        and pair.solidity >= SOLIDITY
        and (same_light or (large and pair.agreement >= RELIT_AGREEMENT))
    )


def _repeating(pairs: list[_Pair], shape: tuple[int, ...]) -> Mask:
    """Return where the picture is a pattern: alike regions that overlap their own copy."""
    pattern = np.zeros(shape, bool)
    for pair in pairs:
        if _alike(pair) and pair.overlap >= MOST_OVERLAP:
            pattern |= pair.source | pair.target
    return pattern


def _working_copy(picture: Picture) -> tuple[Gray, float]:
    """Return the grey copy that is searched and the factor by which it is smaller."""
    gray = cv2.cvtColor(picture.pixels, cv2.COLOR_RGB2GRAY)
    factor = min(1.0, math.sqrt(WORKING_PIXELS / gray.size))
    if factor < 1:
        gray = cv2.resize(gray, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    return gray.astype(np.float32), factor


def _pairs(gray: Gray) -> tuple[list[_Pair], int]:
    """Return every candidate pair of the working copy and the number of keypoints."""
    diagonal = math.hypot(*gray.shape)
    points = find_keypoints(gray)
    matches = match_keypoints(points, max(NEAR_SHARE * diagonal, 16))
    candidates = shared_transforms(matches, 0.4 * diagonal)
    checked = (_verify(gray, transform, inliers) for transform, inliers in candidates)
    return [pair for pair in checked if pair is not None], len(points.xy)


def _merge(pairs: list[_Pair], pattern: Mask) -> list[_Pair]:
    """Keep the convincing pairs outside patterns, largest first, each region once."""
    kept: list[_Pair] = []
    taken = pattern.copy()
    for pair in sorted(filter(_convincing, pairs), key=lambda one: -one.area):
        both = pair.source | pair.target
        if (both & taken).sum() <= 0.5 * both.sum():
            kept.append(pair)
            taken |= both
    return kept


def _describe(pair: _Pair, picture: Picture, factor: float) -> dict[str, Any]:
    """Return a pair's geometry in the image frame, plain JSON."""
    shape = (picture.width, picture.height)
    boxes = [
        box_around(cv2.resize(mask.astype(np.uint8), shape, interpolation=cv2.INTER_NEAREST) > 0)
        for mask in (pair.source, pair.target)
    ]
    centre = np.argwhere(pair.source).mean(axis=0)[::-1]
    moved = pair.transform[:, :2] @ centre + pair.transform[:, 2] - centre
    turn = math.degrees(math.atan2(pair.transform[1, 0], pair.transform[0, 0]))
    return {
        "displacement": [round(float(step) / factor, 1) for step in moved],
        "rotation_degrees": round(turn, 1),
        "scale": round(math.hypot(pair.transform[0, 0], pair.transform[1, 0]), 3),
        "boxes": [box.as_list() for box in boxes],
        "share_percent": round(100 * float(pair.source.mean()), 3),
        "inliers": pair.inliers,
        "agreement": round(pair.agreement, 3),
        "detail_correlation": round(pair.detail, 3),
    }


def _sentence(best: dict[str, Any]) -> str:
    """Put the largest pair into words."""
    across, down = best["displacement"]
    words = (
        f"A region of about {best['share_percent']:.1f} % of the picture occurs twice, "
        f"{abs(across):.0f} pixels to the {'right' if across >= 0 else 'left'} "
        f"and {abs(down):.0f} {'down' if down >= 0 else 'up'}"
    )
    if abs(best["rotation_degrees"]) >= 1:
        words += f", turned by {abs(best['rotation_degrees']):.0f} degrees"
    if abs(best["scale"] - 1) >= 0.02:
        words += f", at {best['scale']:.2f} times the size"
    return words + "; an untouched photograph has no such pair."


def measure_copy_move(picture: Picture) -> Measurement:
    """Find out whether a part of the picture is a copy of another part.

    Args:
        picture: the decoded picture; only its pixels are read.

    Returns:
        The share of the picture, in percent, that the largest copied region covers; the map is
        1 on both regions of every pair. No value on a picture without texture to compare.
    """
    gray, factor = _working_copy(picture)
    pairs, keypoints = _pairs(gray)
    details: dict[str, Any] = {"keypoints": keypoints, "searched_at_scale": round(factor, 4)}
    if keypoints < FEWEST_KEYPOINTS:
        words = "The picture has too little texture to tell whether a part of it was copied."
        return Measurement(
            INSTRUMENT, None, UNIT, expected_range(INSTRUMENT), 0.0, words, details=details
        )
    pattern = _repeating(pairs, gray.shape)
    found = _merge(pairs, pattern)
    regions = np.zeros(gray.shape, np.float32)
    for pair in found:
        regions[pair.source | pair.target] = 1
    described = [_describe(pair, picture, factor) for pair in found]
    boxes = [Box(*corners) for corners in described[0]["boxes"]] if found else []
    return Measurement(
        INSTRUMENT,
        described[0]["share_percent"] if found else 0.0,
        UNIT,
        expected_range(INSTRUMENT),
        min(1.0, keypoints / AMPLE_KEYPOINTS) * float(1 - pattern.mean()),
        _sentence(described[0]) if found else NOTHING_FOUND,
        map=cv2.resize(regions, (picture.width, picture.height), interpolation=cv2.INTER_NEAREST),
        box=max(boxes, key=lambda box: box.area, default=None),
        details={**details, "pairs": described},
    )
