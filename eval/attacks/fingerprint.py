"""Takes the traces of a generator or an editor out of a picture, without any trained weights.

`clean_spectrum` pulls down single frequencies that stand out of their ring, as the peaks do that a
generator's up-sampling leaves (Wesselkamp et al., "Misleading deep-fake detection with GAN
fingerprints", 2022, remove peaks found on many pictures; here they are found on the one picture).

`rebuild` draws the picture again from the strongest components of its own patches. That is the best
linear autoencoder of these patches, and stands in for the trained one of GANprintR (Neves et al.,
"GANprintR", 2020): it knows no other pictures, and cannot put in the traces of a camera.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from morelli.data_pipeline.maker.frame import to_pixels

_KEPT_RADIUS = 0.1
"""Frequencies below this many cycles a pixel are the picture itself, and stay."""

_PATCH = 8
_MOST_PATCHES = 100_000


def clean_spectrum(pixels: NDArray[np.uint8], deviations: float) -> NDArray[np.uint8]:
    """Return (H, W, 3) pixels in which no frequency stands out of its ring.

    Args:
        pixels: of the picture.
        deviations: by how many standard deviations of the ring's log amplitudes a frequency may
            lie above their mean; those above are brought down to it.
    """
    height, width = pixels.shape[:2]
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    rings = np.minimum((radius * min(height, width)).astype(np.int64), min(height, width))
    free = radius < _KEPT_RADIUS
    cleaned = np.empty(pixels.shape, np.float32)
    for channel in range(pixels.shape[2]):
        spectrum = np.fft.rfft2(pixels[..., channel].astype(np.float64))
        logs = np.log(np.abs(spectrum) + 1e-9)
        most = _ring_limits(logs, rings, deviations)
        factor = np.exp(np.minimum(0, most[rings] - logs))
        factor[free] = 1
        cleaned[..., channel] = np.fft.irfft2(spectrum * factor, s=(height, width))
    return to_pixels(cleaned)


def _ring_limits(
    logs: NDArray[np.float64], rings: NDArray[np.int64], deviations: float
) -> NDArray[np.float64]:
    """Return the (rings,) highest log amplitude that each ring keeps."""
    flat = rings.ravel()
    count = np.maximum(np.bincount(flat), 1)
    mean = np.bincount(flat, logs.ravel()) / count
    square = np.bincount(flat, np.square(logs).ravel()) / count
    return np.asarray(mean + deviations * np.sqrt(np.maximum(square - mean**2, 0)), np.float64)


def rebuild(pixels: NDArray[np.uint8], components: int) -> NDArray[np.uint8]:
    """Return (H, W, 3) pixels rebuilt from the strongest components of their 8 x 8 patches.

    Every patch of every offset is projected, and each pixel is the mean of all patches it lies in,
    so that no grid of blocks is left.

    Args:
        pixels: of the picture.
        components: number of components that are kept, 1 to 64; 64 change nothing.
    """
    planes = [pixels[..., channel].astype(np.float32) for channel in range(pixels.shape[2])]
    filters = _strongest(planes, components)
    edge = _PATCH - 1
    rebuilt = np.zeros(pixels.shape, np.float32)
    for channel, plane in enumerate(planes):
        wide = cv2.copyMakeBorder(plane, edge, edge, edge, edge, cv2.BORDER_REFLECT)
        total = np.zeros_like(wide)
        for one in filters:
            # the anchor of both is the patch's upper left pixel: correlate, then spread back
            share = cv2.filter2D(wide, cv2.CV_32F, one, anchor=(0, 0))
            total += cv2.filter2D(share, cv2.CV_32F, one[::-1, ::-1], anchor=(edge, edge))
        rebuilt[..., channel] = total[edge:-edge, edge:-edge] / _PATCH**2
    return to_pixels(rebuilt)


def _strongest(planes: list[NDArray[np.float32]], components: int) -> NDArray[np.float32]:
    """Return the (components, 8, 8) orthonormal filters that hold most of the planes' energy."""
    second = np.zeros((_PATCH**2, _PATCH**2))
    for plane in planes:
        windows = np.lib.stride_tricks.sliding_window_view(plane, (_PATCH, _PATCH))
        step = max(1, int(np.sqrt(windows.shape[0] * windows.shape[1] / _MOST_PATCHES)))
        patches = windows[::step, ::step].reshape(-1, _PATCH**2).astype(np.float64)
        second += patches.T @ patches
    # eigh returns them in ascending order
    vectors = np.linalg.eigh(second)[1][:, ::-1][:, :components]
    return np.asarray(vectors.T.reshape(-1, _PATCH, _PATCH), np.float32)
