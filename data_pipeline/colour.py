"""From the samples that a file stores, in any mode and colour space, to 8-bit sRGB."""

from io import BytesIO

import numpy as np
from PIL import Image, ImageCms

_PROFILE_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab": "LAB"}
"""The Pillow mode that a profile of each ICC colour space speaks of."""


def to_srgb(image: Image.Image, notes: list[str]) -> Image.Image:
    """Return a loaded image of any Pillow mode as RGB in sRGB, on white where it was transparent.

    Adds to `notes` one short sentence for each thing done to the stored samples.
    """
    profile = image.info.get("icc_profile")
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        image = _grey_to_eight_bits(image, notes)
    if image.has_transparency_data:
        image = _on_white(image, notes)
    if image.mode in ("1", "P", "RGBX", "YCbCr"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    if image.mode == "LAB":
        return _convert(image, ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")), notes)
    if profile:
        try:
            return _convert(image, ImageCms.ImageCmsProfile(BytesIO(profile)), notes)
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            notes.append("the colour profile is broken and was ignored")
    if image.mode == "CMYK":
        notes.append("CMYK converted to sRGB without a profile")
    return image.convert("RGB")


def _grey_to_eight_bits(image: Image.Image, notes: list[str]) -> Image.Image:
    """Return a 16-bit, 32-bit or floating-point grey image as 8-bit grey.

    16 bits lose the low eight. Wider samples have no agreed white, so their own range is spread,
    unless they are numbers from 0 to 1.
    """
    samples = np.asarray(image)
    if image.mode.startswith("I;16"):
        return Image.fromarray((samples >> 8).astype(np.uint8))
    finite = np.nan_to_num(samples.astype(np.float64), posinf=0.0, neginf=0.0)
    low, high = float(finite.min()), float(finite.max())
    if image.mode == "F" and low >= 0.0 and high <= 1.0:
        low, high = 0.0, 1.0
    notes.append(f"32-bit samples from {low:g} to {high:g} spread over 8 bits")
    scaled = (finite - low) * (255.0 / max(high - low, np.finfo(np.float64).tiny))
    return Image.fromarray(np.rint(scaled).astype(np.uint8))


def _on_white(image: Image.Image, notes: list[str]) -> Image.Image:
    """Return RGB, laid on white where the image is transparent anywhere."""
    image = image.convert("RGBA")
    alpha = image.getchannel("A")
    if alpha.getextrema()[0] == 255:
        return image.convert("RGB")
    notes.append("transparency laid on white")
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=alpha)
    return white


def _convert(
    image: Image.Image, profile: ImageCms.ImageCmsProfile, notes: list[str]
) -> Image.Image:
    """Return an image as sRGB by its profile, untouched where the profile is sRGB by any name."""
    mode = _PROFILE_MODES.get(profile.profile.xcolor_space.strip())
    name = " ".join((profile.profile.profile_description or "unnamed profile").split())
    if mode == "RGB":
        image = image.convert("RGB")
    if mode != image.mode:
        notes.append(f"the colour profile {name} does not fit {image.mode} samples, ignored")
        return image.convert("RGB")
    transform = ImageCms.buildTransform(
        profile,
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")),
        mode,
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    if mode in ("RGB", "L") and _changes_little(transform, mode):
        return image.convert("RGB")
    notes.append(f"colours converted from {name} to sRGB")
    return transform.apply(image)


def _changes_little(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Say whether a transform moves no colour of a coarse grid by more than two levels."""
    levels = np.arange(0, 256, 17, dtype=np.uint8)
    grid = levels[None] if mode == "L" else np.stack(np.meshgrid(levels, levels, levels), -1)[0]
    before = Image.fromarray(np.ascontiguousarray(grid))
    after = transform.apply(before)
    difference = np.asarray(before.convert("RGB")).astype(int) - np.asarray(after)
    return int(np.abs(difference).max()) <= 2
