"""Match the keypoints of a picture with one another and gather those that move alike.

SIFT keypoints with RootSIFT descriptors (Arandjelovic and Zisserman, "Three things everyone should
know to improve object retrieval", CVPR 2012), the generalised ratio test g2NN of Amerini et al.,
IEEE TIFS 2011, and a vote in which every match proposes the similarity transform that its two
keypoints imply.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

KEYPOINTS = 3000
CONTRAST_FLOOR = 4.0
"""Grey levels; local contrast below this is taken for noise and not amplified."""

RATIO = 0.75
MOST_MATCHES = 2400
"""Directed matches kept, the most distinctive ones: the vote takes their square in memory."""

FEWEST_INLIERS = 4
CANDIDATES = 8
SCALE_RANGE = (0.55, 1.8)

Gray = NDArray[np.float32]
Mask = NDArray[np.bool_]
Transform = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Keypoints:
    """Keypoints of one picture: place (N, 2), size, angle in radians, unit descriptor (N, 128)."""

    xy: NDArray[np.float32]
    size: NDArray[np.float32]
    angle: NDArray[np.float32]
    descriptor: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Matches:
    """Directed matches: where from, where to (M, 2), turn in radians, log of the scale (M,)."""

    source: NDArray[np.float32]
    target: NDArray[np.float32]
    turn: NDArray[np.float32]
    log_scale: NDArray[np.float32]


def _level_contrast(gray: Gray) -> NDArray[np.uint8]:
    """Give weak and strong texture the same contrast, so that keypoints spread evenly."""
    mean = cv2.GaussianBlur(gray, (0, 0), 12)
    spread = cv2.GaussianBlur((gray - mean) ** 2, (0, 0), 12)
    levelled = 128 + 40 * (gray - mean) / np.sqrt(spread + CONTRAST_FLOOR**2)
    return np.asarray(np.clip(levelled, 0, 255), np.uint8)


def find_keypoints(gray: Gray) -> Keypoints:
    """Return SIFT keypoints with RootSIFT descriptors (Arandjelovic and Zisserman 2012)."""
    sift = cv2.SIFT.create(nfeatures=KEYPOINTS, contrastThreshold=0.01, edgeThreshold=15)
    points, descriptors = sift.detectAndCompute(_level_contrast(gray), None)
    if descriptors is None:
        points, descriptors = (), np.zeros((0, 128), np.float32)
    order = sorted(range(len(points)), key=lambda n: (-points[n].response, *points[n].pt))
    order = order[:KEYPOINTS]
    chosen = [points[n] for n in order]
    root = descriptors[order]
    root = np.sqrt(root / np.maximum(root.sum(axis=1, keepdims=True), 1e-6))
    return Keypoints(
        np.array([p.pt for p in chosen], np.float32).reshape(-1, 2),
        np.array([p.size for p in chosen], np.float32),
        np.radians(np.array([p.angle for p in chosen], np.float32)),
        root.astype(np.float32),
    )


def _nearest(points: Keypoints, near: float) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the most alike keypoints that lie elsewhere.

    Returns:
        Indices and distances, each (N, 6), nearest first; distance 2 where there is none.
    """
    count = min(6, len(points.xy))
    picks, gaps = [], []
    for start in range(0, len(points.xy), 512):
        rows = slice(start, start + 512)
        likeness = points.descriptor[rows] @ points.descriptor.T
        offset_x = np.abs(points.xy[rows, :1] - points.xy[:, 0])
        offset_y = np.abs(points.xy[rows, 1:] - points.xy[:, 1])
        likeness[np.maximum(offset_x, offset_y) < near] = -1.0
        pick = np.argpartition(-likeness, count - 1, axis=1)[:, :count]
        value = np.take_along_axis(likeness, pick, axis=1)
        order = np.argsort(-value, axis=1, kind="stable")
        picks.append(np.take_along_axis(pick, order, axis=1))
        gaps.append(np.sqrt(np.maximum(2 - 2 * np.take_along_axis(value, order, axis=1), 0)))
    return np.concatenate(picks), np.concatenate(gaps)


def match_keypoints(points: Keypoints, near: float) -> Matches:
    """Match keypoints with others of the same picture by the generalised ratio test (g2NN)."""
    if len(points.xy) < 8:
        nothing = np.zeros(0, np.float32)
        return Matches(nothing.reshape(0, 2), nothing.reshape(0, 2), nothing, nothing)
    index, gap = _nearest(points, near)
    ratio = gap[:, :3] / np.maximum(gap[:, 1:4], 1e-6)
    passed = ratio < RATIO
    # The last passing place: all alike ones before it are copies too (a region pasted twice).
    taken = np.cumsum(passed[:, ::-1], axis=1)[:, ::-1] > 0
    origin, rank = np.nonzero(taken)
    other = index[origin, rank]
    order = np.argsort(ratio.min(axis=1)[origin], kind="stable")[: MOST_MATCHES // 2]
    one, two = origin[order], other[order]
    pairs = np.unique(np.concatenate([np.stack([one, two], 1), np.stack([two, one], 1)]), axis=0)
    source, target = pairs[:, 0], pairs[:, 1]
    return Matches(
        points.xy[source],
        points.xy[target],
        points.angle[target] - points.angle[source],
        np.log(points.size[target] / points.size[source]),
    )


def _votes(matches: Matches, reach: float) -> Mask:
    """Return (M, M): whether the transform that match h alone implies carries match m too."""
    scale = np.exp(matches.log_scale)
    cosine, sine = scale * np.cos(matches.turn), scale * np.sin(matches.turn)
    rest = matches.source[None] - matches.source[:, None]
    moved_x = cosine[:, None] * rest[..., 0] - sine[:, None] * rest[..., 1]
    moved_y = sine[:, None] * rest[..., 0] + cosine[:, None] * rest[..., 1]
    wanted = matches.target[None] - matches.target[:, None]
    error = np.hypot(moved_x - wanted[..., 0], moved_y - wanted[..., 1])
    distance = np.hypot(rest[..., 0], rest[..., 1])
    turn = np.abs((matches.turn[None] - matches.turn[:, None] + np.pi) % (2 * np.pi) - np.pi)
    size = np.abs(matches.log_scale[None] - matches.log_scale[:, None])
    agrees = (error < 3 + 0.15 * distance) & (distance < reach) & (turn < 0.45) & (size < 0.4)
    low, high = np.log(SCALE_RANGE)
    possible = (matches.log_scale > low - 0.2) & (matches.log_scale < high + 0.2)
    return np.asarray(agrees & possible[:, None])


def _fit(source: NDArray[np.float32], target: NDArray[np.float32]) -> tuple[Transform, Mask] | None:
    """Fit one similarity transform to matches; None if they do not agree on a plausible one."""
    cv2.setRNGSeed(0)
    transform, kept = cv2.estimateAffinePartial2D(
        source, target, method=cv2.RANSAC, ransacReprojThreshold=2.5, maxIters=500
    )
    if transform is None:
        return None
    inliers = kept.ravel().astype(bool)
    scale = math.hypot(transform[0, 0], transform[1, 0])
    distinct = len(np.unique(np.round(source[inliers] / 2), axis=0))
    if distinct < FEWEST_INLIERS or not SCALE_RANGE[0] < scale < SCALE_RANGE[1]:
        return None
    return transform, inliers


def shared_transforms(
    matches: Matches, reach: float
) -> list[tuple[Transform, NDArray[np.float32]]]:
    """Return transforms that several matches share, the best supported first."""
    votes = _votes(matches, reach)
    found: list[tuple[Transform, NDArray[np.float32]]] = []
    for _ in range(3 * CANDIDATES):
        counts = votes.sum(axis=1)
        if len(counts) == 0 or counts.max() < FEWEST_INLIERS or len(found) == CANDIDATES:
            break
        best = int(counts.argmax())
        members = np.flatnonzero(votes[best])
        fitted = _fit(matches.source[members], matches.target[members])
        if fitted is not None:
            found.append((fitted[0], matches.source[members[fitted[1]]]))
        back = _carried_back(matches, members)
        votes[best] = False
        votes[:, members] = False
        votes[:, back] = False
    return found


def _carried_back(matches: Matches, members: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the matches that are `members` read from target to source."""
    forward = {(*matches.source[m].tolist(), *matches.target[m].tolist()) for m in members}
    keys = zip(matches.target.tolist(), matches.source.tolist(), strict=True)
    return np.array([m for m, (a, b) in enumerate(keys) if (*a, *b) in forward], np.int64)
