"""Cut a picture into the views that the encoders see, and lay their maps back on the picture.

Training and inference both call `pack`, so that what the network learned on is what it is asked.
numpy and OpenCV only. Frames: "image" is pixels of the upright picture, "view" is S x S pixels.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from morelli.data_pipeline.schema import Measurement

RGB_CHANNELS = 3
FRAME_CHANNELS = 3
"""Channels after the instruments' maps: validity, x, y."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the native-resolution tiles of a picture lie.

    Attributes:
        height: of the picture, in image pixels.
        width: of the picture, in image pixels.
        size: side S of a tile, in image pixels.
        corners: (x, y) of each tile's upper left pixel, in reading order.
    """

    height: int
    width: int
    size: int
    corners: tuple[tuple[int, int], ...]


def _starts(length: int, size: int, overlap: int) -> list[int]:
    if length <= size:
        return [0]
    count = int(np.ceil((length - overlap) / (size - overlap)))
    return [round(step * (length - size) / (count - 1)) for step in range(count)]


def layout(height: int, width: int, size: int, overlap: int) -> Layout:
    """Spread tiles evenly so that every pixel is covered and neighbours share `overlap` or more.

    Args:
        height: of the picture in pixels.
        width: of the picture in pixels.
        size: side of a tile in pixels.
        overlap: least number of pixels that neighbours share; below `size`.
    """
    corners = tuple(
        (x, y) for y in _starts(height, size, overlap) for x in _starts(width, size, overlap)
    )
    return Layout(height, width, size, corners)


def num_channels(num_maps: int) -> int:
    """Return C of `pixel_values` for a number of instrument maps."""
    return RGB_CHANNELS + num_maps + FRAME_CHANNELS


def _planes(
    pixels: NDArray[np.uint8], maps: NDArray[np.float32], x0: int, y0: int, size: int
) -> Iterator[NDArray[np.float32]]:
    """Give the channels of a window one at a time: all of them at once fill a gigabyte."""
    height, width = pixels.shape[:2]
    window = slice(y0, y0 + size), slice(x0, x0 + size)
    for channel in range(RGB_CHANNELS):
        yield np.divide(pixels[*window, channel], 255, dtype=np.float32)
    for plane in maps:
        yield plane[window]
    x = (np.arange(width, dtype=np.float32)[window[1]] + 0.5) / width
    y = (np.arange(height, dtype=np.float32)[window[0]] + 0.5) / height
    ones = np.ones((len(y), len(x)), np.float32)
    yield ones
    yield ones * x
    yield ones * y[:, None]


def _overview(
    pixels: NDArray[np.uint8], maps: NDArray[np.float32], size: int
) -> NDArray[np.float32]:
    """Shrink or enlarge the whole picture to fit S x S, its aspect kept, the rest invalid."""
    height, width = pixels.shape[:2]
    rows, columns, method = _fitted(height, width, size)
    inner = (columns.stop - columns.start, rows.stop - rows.start)
    view = np.zeros((num_channels(len(maps)), size, size), np.float32)
    for channel, plane in enumerate(_planes(pixels, maps, 0, 0, max(height, width))):
        view[channel, rows, columns] = cv2.resize(plane, inner, interpolation=method)
    return view


def _fitted(height: int, width: int, size: int) -> tuple[slice, slice, int]:
    """Return the rows and columns of the overview that a picture fills, and how it is resized."""
    scale = size / max(height, width)
    inner_height, inner_width = max(1, round(height * scale)), max(1, round(width * scale))
    top, left = (size - inner_height) // 2, (size - inner_width) // 2
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return slice(top, top + inner_height), slice(left, left + inner_width), method


def pack(
    pixels: NDArray[np.uint8],
    maps: NDArray[np.float32],
    where: Layout,
    tiles: Sequence[int] | None = None,
    overview: bool = True,
) -> NDArray[np.float32]:
    """Build one picture's `pixel_values`.

    Args:
        pixels: (H, W, 3) uint8 sRGB in the image frame.
        maps: (M, H, W) float32 in [0, 1], the instruments' maps in the model's order.
        where: the layout of this picture.
        tiles: indices into `where.corners` to take; all of them by default.
        overview: False leaves view 0 all zero, hence invalid and never computed.

    Returns:
        (1 + T, 3 + M + 3, S, S) float32: view 0 is the whole picture, then native tiles. Channels
        are R, G, B in [0, 1], the maps, validity (1 inside the picture), x and y of the pixel as
        fractions of the picture's width and height.
    """
    if pixels.shape[:2] != (where.height, where.width) or maps.shape[1:] != pixels.shape[:2]:
        raise ValueError(
            f"pixels {pixels.shape} and maps {maps.shape} do not fit a layout of "
            f"{where.height} x {where.width}"
        )
    size = where.size
    chosen = range(len(where.corners)) if tiles is None else tiles
    views = np.zeros((1 + len(chosen), num_channels(len(maps)), size, size), np.float32)
    if overview:
        views[0] = _overview(pixels, maps, size)
    for view, index in zip(views[1:], chosen, strict=True):
        for channel, plane in zip(
            view, _planes(pixels, maps, *where.corners[index], size), strict=True
        ):
            channel[: plane.shape[0], : plane.shape[1]] = plane
    return views


def unpack_gradient(gradient: NDArray[np.float32], where: Layout) -> NDArray[np.float32]:
    """Carry a gradient with respect to the views back to the picture that `pack` cut them from.

    Cutting and resizing are linear, and this is their transpose: for any planes p, the sum of
    `pack(p) * gradient` is the sum of `p * unpack_gradient(gradient)`.

    Args:
        gradient: (1 + T, K, S, S) float32 of any K channels but those of the frame; colours are
            still to be divided by 255.
        where: the layout that all T tiles were cut by.

    Returns:
        (K, H, W) float32 in the image frame.
    """
    height, width, size = where.height, where.width, where.size
    rows, columns, method = _fitted(height, width, size)
    down = _resizing(height, rows.stop - rows.start, method)
    across = _resizing(width, columns.stop - columns.start, method)
    total = np.stack([down.T @ plane[rows, columns] @ across for plane in gradient[0]])
    for (x, y), tile in zip(where.corners, gradient[1:], strict=True):
        part = total[:, y : y + size, x : x + size]
        part += tile[:, : part.shape[1], : part.shape[2]]
    return np.ascontiguousarray(total, np.float32)


def _resizing(length: int, inner: int, method: int) -> NDArray[np.float32]:
    """Return the (inner, length) matrix by which OpenCV resizes one axis."""
    unit = np.eye(length, dtype=np.float32)
    return np.asarray(cv2.resize(unit, (length, inner), interpolation=method), np.float32)


def stitch(tile_maps: NDArray[np.float32], where: Layout) -> NDArray[np.float32]:
    """Lay the tiles' maps on the picture; where tiles overlap, their centres weigh most.

    Args:
        tile_maps: (T, h, w) float32, one map a tile of the layout, at any resolution.
        where: the layout that the tiles were cut by.

    Returns:
        (H, W) float32 in the image frame, within the range of the input.
    """
    size = where.size
    ramp = np.minimum(np.arange(size) + 1, size - np.arange(size)).astype(np.float32)
    window = np.minimum(np.minimum.outer(ramp, ramp), 32.0)
    total = np.zeros((where.height, where.width), np.float32)
    weight = np.zeros_like(total)
    for (x, y), tile in zip(where.corners, tile_maps, strict=True):
        enlarged = cv2.resize(tile, (size, size), interpolation=cv2.INTER_LINEAR)
        height, width = min(size, where.height - y), min(size, where.width - x)
        part = window[:height, :width]
        total[y : y + height, x : x + width] += enlarged[:height, :width] * part
        weight[y : y + height, x : x + width] += part
    # rounding may leave the range by a unit in the last place
    stitched: NDArray[np.float32] = total / weight
    np.clip(stitched, tile_maps.min(), tile_maps.max(), out=stitched)
    return stitched


def stack_maps(
    measurements: Sequence[Measurement], names: Sequence[str], height: int, width: int
) -> NDArray[np.float32]:
    """Lay the instruments' maps over each other in the model's order.

    Args:
        measurements: of one picture.
        names: instruments whose maps the model takes.
        height: of the picture in pixels.
        width: of the picture in pixels.

    Returns:
        (M, H, W) float32 in [0, 1]; zero, "like the rest", where an instrument has no map.
    """
    maps = {measurement.instrument: measurement.map for measurement in measurements}
    stack = np.zeros((len(names), height, width), np.float32)
    for plane, name in zip(stack, names, strict=True):
        found = maps.get(name)
        if found is not None:
            plane[:] = found
    return stack
