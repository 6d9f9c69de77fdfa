"""Masks as people publish them: image files, COCO run lengths, polygons and npz archives.

Inside Morelli a mask is (H, W) bool in the image frame, True = altered; every function here makes
one or is made from one. Nothing is ever resized: a mask of another size is an error.
"""

from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from morelli.data_pipeline.images import (
    MOST_PIXELS,
    Limits,
    open_picture,
    picture_from_bytes,
)

Mask = NDArray[np.bool_]
Altered = Callable[[NDArray[np.uint8]], Mask]
"""Says which pixels of an (H, W, 3) uint8 mask file are altered."""

_MOST_NPZ_BYTES = 2 * MOST_PIXELS
MASK_LIMITS = Limits(max_pixels=MOST_PIXELS, min_side=1)
"""Masks may be as small as a pixel."""


def above_half(pixels: NDArray[np.uint8]) -> Mask:
    """White on black, the usual one; grey edges are cut at half."""
    return np.asarray(pixels.max(axis=2) > 127)


def below_half(pixels: NDArray[np.uint8]) -> Mask:
    """Black on white."""
    return np.asarray(pixels.max(axis=2) <= 127)


def not_black(pixels: NDArray[np.uint8]) -> Mask:
    """Class numbers or palette colours: everything but 0."""
    return np.asarray(pixels.max(axis=2) > 0)


def greener_than_red(pixels: NDArray[np.uint8]) -> Mask:
    """Green regions on red ones, with the blended pixels that JPEG leaves between them."""
    return np.asarray(pixels[..., 1] > pixels[..., 0])


def from_file(path: Path, height: int, width: int, altered: Altered = above_half) -> Mask:
    """Read a mask from an image file of any format.

    Raises:
        ImageError: no image.
        ValueError: another size than (height, width).
    """
    return sized(altered(open_picture(path, MASK_LIMITS).pixels), height, width, str(path))


def from_bytes(data: bytes, height: int, width: int, altered: Altered = above_half) -> Mask:
    """Read a mask from the bytes of an image file; errors as `from_file`."""
    return sized(altered(picture_from_bytes(data, "mask", MASK_LIMITS).pixels), height, width)


def to_bytes(mask: Mask) -> bytes:
    """Return a mask as an 8-bit PNG file, 255 = altered."""
    buffer = BytesIO()
    Image.fromarray(np.where(mask, 255, 0).astype(np.uint8)).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def sized(mask: Mask, height: int, width: int, where: str = "mask") -> Mask:
    """Return the mask if it has the size of its picture.

    Raises:
        ValueError: it has another.
    """
    if mask.shape != (height, width):
        shape = " x ".join(map(str, reversed(mask.shape)))
        raise ValueError(f"{where}: mask is {shape} pixels but its picture {width} x {height}")
    return mask


def from_polygons(polygons: Sequence[Sequence[float]], height: int, width: int) -> Mask:
    """Fill polygons given as flat lists x0, y0, x1, y1, ... in pixels, as COCO does.

    Raises:
        ValueError: a polygon with an odd number of values or fewer than three points.
    """
    filled = np.zeros((height, width), np.uint8)
    for polygon in polygons:
        if len(polygon) % 2 or len(polygon) < 6:
            raise ValueError(f"a polygon needs three or more x, y pairs, got {len(polygon)} values")
        points = np.rint(np.asarray(polygon, np.float64).reshape(-1, 2)).astype(np.int32)
        cv2.fillPoly(filled, [points], 1)
    return filled.astype(bool)


def to_polygons(mask: Mask) -> list[list[float]]:
    """Return the outer outlines of a mask as flat x, y lists; holes are lost, specks dropped."""
    found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return [outline.reshape(-1).astype(float).tolist() for outline in found if len(outline) >= 3]


def from_rle(rle: Mapping[str, Any], height: int, width: int) -> Mask:
    """Decode a COCO run-length mask, compressed (text) or not (a list of counts).

    Args:
        rle: {"size": [height, width], "counts": ...}; runs go down the columns, first one clear.
        height: of the picture.
        width: of the picture.

    Raises:
        ValueError: the runs do not add up to the size, or the size is another.
        KeyError: no "size" or no "counts".
    """
    rows, columns = (int(side) for side in rle["size"])
    counts = rle["counts"]
    runs = list(counts) if isinstance(counts, list) else _runs_of(counts)
    if min(runs, default=0) < 0 or sum(runs) != rows * columns:
        raise ValueError(f"run lengths add up to {sum(runs)}, not {rows} x {columns}")
    flat = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return sized(flat.reshape(columns, rows).T, height, width)


def to_rle(mask: Mask) -> dict[str, Any]:
    """Encode a mask as a compressed COCO run-length mask, as pycocotools writes it."""
    flat = mask.T.ravel()
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    runs = np.diff([0, *edges.tolist(), flat.size]).tolist()
    if flat.size and flat[0]:
        runs = [0, *runs]
    return {"size": list(mask.shape), "counts": _text_of(runs)}


def _runs_of(counts: str | bytes) -> list[int]:
    """Unpack COCO's text: 5 bits a letter, from the third run on as the step from two before."""
    data = counts.encode("ascii") if isinstance(counts, str) else counts
    runs: list[int] = []
    value = shift = 0
    for letter in data:
        bits = letter - 48
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    if shift:
        raise ValueError("run lengths end in the middle of a number")
    return runs


def _text_of(runs: Sequence[int]) -> str:
    letters = []
    for index, run in enumerate(runs):
        value = run - (runs[index - 2] if index > 2 else 0)
        more = True
        while more:
            bits = value & 0x1F
            value >>= 5
            more = value != (-1 if bits & 0x10 else 0)
            letters.append(chr(bits + (0x20 if more else 0) + 48))
    return "".join(letters)


def from_npz(data: bytes, height: int, width: int) -> Mask:
    """Read the one array of an npz archive, or the one named "mask"; above zero is altered.

    Raises:
        ValueError: no such array, one of objects, another size, or too large to be a mask.
        BadZipFile: no npz archive.
    """
    with ZipFile(BytesIO(data)) as packed:
        unpacked = sum(member.file_size for member in packed.infolist())
    if unpacked > _MOST_NPZ_BYTES:
        raise ValueError(f"npz mask unpacks to {unpacked:,} bytes, above {_MOST_NPZ_BYTES:,}")
    with np.load(BytesIO(data), allow_pickle=False) as archive:
        names = list(archive.files)
        name = "mask" if "mask" in names else names[0] if len(names) == 1 else None
        if name is None:
            raise ValueError(f'npz mask needs one array or one named "mask", found {names}')
        array = archive[name]
    if array.ndim == 3:  # one channel, in front or at the end
        array = array.reshape([side for side in array.shape if side != 1] or [1, 1])
    return sized(np.asarray(array > 0), height, width)


def to_npz(mask: Mask) -> bytes:
    """Write a mask as a compressed npz archive with the array "mask", uint8 0 and 1."""
    buffer = BytesIO()
    np.savez_compressed(buffer, mask=mask.astype(np.uint8))
    return buffer.getvalue()
