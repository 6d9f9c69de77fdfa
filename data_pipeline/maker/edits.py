"""The families of manipulation: one function each, and the table that names them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cv2
import numpy as np

from morelli.data_pipeline.maker import fills
from morelli.data_pipeline.maker.blending import (
    feather,
    feathered,
    lay,
    padded,
    paste,
    place,
    rest,
    retouched_border,
    set_object,
)
from morelli.data_pipeline.maker.documents import document
from morelli.data_pipeline.maker.donors import Donors, Patch
from morelli.data_pipeline.maker.face_swaps import face
from morelli.data_pipeline.maker.frame import (
    Alpha,
    Edited,
    Pixels,
    blend,
    log_uniform,
    pick,
    span,
    to_pixels,
)
from morelli.data_pipeline.maker.inscriptions import retyped, text
from morelli.data_pipeline.maker.regeneration import regenerated
from morelli.data_pipeline.maker.regions import OBJECT_LIKE, draw_share, region
from morelli.data_pipeline.maker.retouch import RETOUCHES, Filter, regenerate
from morelli.data_pipeline.maker.shadows import cast_shadow

Edit = Callable[[Pixels, Donors, np.random.Generator], Edited]
"""Takes the host's canvas (H, W, 3); never changes its size."""

_Join = Callable[[np.random.Generator, Pixels, Pixels, Alpha, tuple[int, int]], Edited]
"""Takes host, patch, the patch's mask and its (top, left)."""

_LARGEST_DIFFUSED = 0.08
"""Share of the canvas above which diffusion would leave an empty smear."""

_SHADOW_SHARE = {"stands": 0.45, "floats": 0.06}
"""How often an object casts a shadow, by whether it was set down on something."""

_RETOUCHED_SHARE = 0.35
"""How often the border of a copy is retouched after it was pasted."""


def splice(host: Pixels, donors: Donors, rng: np.random.Generator) -> Edited:
    """Paste one to four objects of other pictures, each joined in its own way."""
    count = 1 if rng.random() < 0.65 else int(rng.integers(2, 5))
    share = draw_share(rng, host) / np.sqrt(count)
    pixels, alpha = host, np.zeros(host.shape[:2], np.float32)
    parts = []
    for _ in range(count):
        patch = donors.patch(rng, share * host.shape[0] * host.shape[1])
        done = _joined(rng, pixels, patch)
        pixels, alpha = done.pixels, np.maximum(alpha, done.alpha)
        parts.append(done.parameters)
    return Edited(pixels, alpha, {"objects": parts})


def composite(host: Pixels, donors: Donors, rng: np.random.Generator) -> Edited:
    """Set one large foreground of another picture, 10 to 60 % of the canvas, colours matched."""
    share = float(rng.uniform(0.1, 0.6))
    generated = bool(rng.random() < 0.12)
    patch = donors.patch(rng, share * host.shape[0] * host.shape[1], generated, salient=0.9)
    patch, flip = _flipped(rng, patch)
    corner = rest(rng, host.shape, patch.mask.shape, patch.cut)
    done = _set_down(rng, host, patch, corner, set_object, "stands")
    return Edited(done.pixels, done.alpha, {**patch.parameters, "flip": flip, **done.parameters})


def copy_move(host: Pixels, donors: Donors, rng: np.random.Generator) -> Edited:
    """Copy a part of the picture to one to three other places; the mask is the copies only.

    Their origin is kept apart, so that source and target can be told from each other.
    """
    source, drawn = region(
        rng, host, donors, min(draw_share(rng, host), 0.12), (*OBJECT_LIKE, "box")
    )
    rows, columns = span(source)
    patch, mask = host[rows, columns], source[rows, columns]
    pixels, alpha = host, np.zeros(host.shape[:2], np.float32)
    copies = []
    for _copy in range(1 if rng.random() < 0.7 else int(rng.integers(2, 4))):
        moved, outline_moved, turned = _turned(rng, patch, mask, rigid=0.5)
        corner = _apart(rng, source, outline_moved)
        done = feathered(rng, pixels, moved, outline_moved, corner)
        if rng.random() < _RETOUCHED_SHARE:
            retouched = retouched_border(rng, done)
            done = replace(retouched, parameters={**done.parameters, **retouched.parameters})
        pixels, alpha = done.pixels, np.maximum(alpha, done.alpha)
        copies.append({**turned, "corner": list(corner), **done.parameters})
    # What a copy covers is no longer what it was copied from.
    return Edited(pixels, alpha, {**drawn, "copies": copies}, source * (1 - alpha))


_REMOVALS = {"telea": 0.12, "navier_stokes": 0.13, "exemplar": 0.45, "clone": 0.3}


def removal(host: Pixels, donors: Donors, rng: np.random.Generator) -> Edited:
    """Remove a part: diffusion, exemplar patches, or background cloned over it."""
    return _removed(host, donors, rng, pick(rng, _REMOVALS))


def exemplar_fill(host: Pixels, donors: Donors, rng: np.random.Generator) -> Edited:
    """Remove a part and fill the hole with exemplar patches of what surrounds it."""
    return _removed(host, donors, rng, "exemplar")


def _removed(host: Pixels, donors: Donors, rng: np.random.Generator, method: str) -> Edited:
    diffused = method in ("telea", "navier_stokes")
    share = min(draw_share(rng, host), 0.05 if diffused else 0.18)
    hole, drawn = region(rng, host, donors, share, (*OBJECT_LIKE, "stroke", "box"))
    if drawn["outline"] == "own object":
        # What is removed leaves nothing of its rim behind.
        hole, drawn["grown"] = fills.grown(hole, int(rng.integers(2, 8)))
    if diffused and float(hole.mean()) > _LARGEST_DIFFUSED:
        method, diffused = "exemplar", False
    origin: Alpha | None = None
    if method == "exemplar":
        filled = fills.exemplar(host, hole, rng)
    elif method == "clone":
        filled, origin = fills.shift_fill(host, hole, rng)
    else:
        filled = fills.diffuse(host, hole, method == "navier_stokes", float(rng.uniform(2, 5)))
    soft, sigma = (hole, 0.0) if diffused else feather(rng, hole)
    if origin is not None:
        origin = origin * (1 - soft)
    drawn |= {"method": method, "feather": sigma}
    return Edited(blend(host, filled, soft), soft, drawn, origin)


def retouch(host: Pixels, donors: Donors, rng: np.random.Generator) -> Edited:
    """Filter a part of the picture: blur, sharpen, relight, recolour, warp, jitter and others."""
    where, drawn = region(rng, host, donors, draw_share(rng, host))
    if rng.random() < 0.2:
        return _jittered(rng, host, where, drawn)
    name = list(RETOUCHES)[int(rng.integers(len(RETOUCHES)))]
    edited = _filtered(rng, host, host, where, RETOUCHES[name])
    return Edited(edited.pixels, edited.alpha, {**drawn, "filter": name, **edited.parameters})


_GENERATIONS = {"object": 0.3, "region": 0.15, "redrawn": 0.3, "refilled": 0.25}


def local_generation(host: Pixels, donors: Donors, rng: np.random.Generator) -> Edited:
    """Put a generator's work into a photograph: an object, a region, or a part drawn anew.

    `redrawn` keeps what was there, as an image-to-image model does; `refilled` first replaces it
    by its surroundings, as generative fill does.
    """
    return _generated(host, donors, rng, pick(rng, _GENERATIONS))


def generated_donor(host: Pixels, donors: Donors, rng: np.random.Generator) -> Edited:
    """Put an object or a region of a generator's output into a photograph."""
    chosen = {way: weight for way, weight in _GENERATIONS.items() if way in ("object", "region")}
    return _generated(host, donors, rng, pick(rng, chosen))


def _generated(host: Pixels, donors: Donors, rng: np.random.Generator, choice: str) -> Edited:
    share = draw_share(rng, host)
    if choice == "object":
        area = share * host.shape[0] * host.shape[1]
        done = _joined(rng, host, donors.patch(rng, area, generated=True))
        return Edited(done.pixels, done.alpha, {"way": choice, **done.parameters})
    where, drawn = region(rng, host, donors, share, (*OBJECT_LIKE, "stroke", "box"))
    if choice in ("redrawn", "refilled"):
        below = fills.exemplar(host, where, rng) if choice == "refilled" else host
        done = _filtered(rng, host, below, where, regenerate)
        return Edited(done.pixels, done.alpha, {"way": choice, **drawn, **done.parameters})
    rows, columns = span(where)
    mask = where[rows, columns]
    patch, donor = donors.crop(rng, mask.shape[0], mask.shape[1], generated=True)
    done = paste(rng, host, patch, mask, (rows.start, columns.start))
    return Edited(done.pixels, done.alpha, {"way": choice, **drawn, **donor, **done.parameters})


EDITS: dict[str, Edit] = {
    "splice": splice,
    "composite": composite,
    "copy_move": copy_move,
    "removal": removal,
    "retouch": retouch,
    "local_generation": local_generation,
    "regenerated": regenerated,
    "face": face,
    "text": text,
    "document": document,
    "exemplar_fill": exemplar_fill,
    "generated_donor": generated_donor,
    "retyped": retyped,
}
"""Every family by the name that `Made.kind` carries; how often each is drawn stands in `kinds`.

The last three are parts of others, for validation sets that score them apart.
"""


def _joined(rng: np.random.Generator, host: Pixels, patch: Patch) -> Edited:
    """Turn a patch, choose its place and join it to the host.

    What a border cut off is only flipped, and goes to the same border; objects of mattes mostly
    stand somewhere; the rest floats.
    """
    if patch.cut is not None:
        patch, flip = _flipped(rng, patch)
        turned: dict[str, Any] = {"flip": flip}
    else:
        pixels, mask, turned = _turned(rng, patch.pixels, patch.mask)
        patch = replace(patch, pixels=pixels, mask=mask)
    salient = patch.parameters["outline"] == "matte"
    stands = patch.cut is not None or (salient and rng.random() < 0.7)
    if stands:
        corner = rest(rng, host.shape, patch.mask.shape, patch.cut)
    else:
        corner = place(rng, host.shape, patch.mask.shape)
    join = set_object if salient and rng.random() < 0.7 else paste
    done = _set_down(rng, host, patch, corner, join, "stands" if stands else "floats")
    return Edited(done.pixels, done.alpha, {**patch.parameters, **turned, **done.parameters})


def _set_down(
    rng: np.random.Generator,
    host: Pixels,
    patch: Patch,
    corner: tuple[int, int],
    join: _Join,
    how: str,
) -> Edited:
    """Join a patch to its host at (top, left), and mostly let it cast a shadow if it stands.

    What the border of the picture cuts off has no foot in it, and only a wall to cast one on.
    """
    if rng.random() >= _SHADOW_SHARE[how]:
        return join(rng, host, patch.pixels, patch.mask, corner)
    surface = "wall" if how == "floats" or patch.cut is not None else None
    shaded = cast_shadow(rng, host, patch.mask, corner, surface)
    done = join(rng, shaded.pixels, patch.pixels, patch.mask, corner)
    parameters = {**done.parameters, "shadow": shaded.parameters}
    return Edited(done.pixels, np.maximum(done.alpha, shaded.alpha), parameters)


def _flipped(rng: np.random.Generator, patch: Patch) -> tuple[Patch, bool]:
    """Mirror a patch in half of the cases; tell whether it was."""
    if rng.random() < 0.5:
        return patch, False
    cut = {"left": "right", "right": "left"}.get(patch.cut or "", patch.cut)
    pixels, mask = np.ascontiguousarray(patch.pixels[:, ::-1]), patch.mask[:, ::-1]
    return Patch(pixels, np.ascontiguousarray(mask), cut, patch.parameters), True


def _turned(
    rng: np.random.Generator, patch: Pixels, mask: Alpha, rigid: float = 0.4
) -> tuple[Pixels, Alpha, dict[str, Any]]:
    """Flip, rotate and rescale a patch; `rigid` is how often it is only moved."""
    flip = bool(rng.random() < 0.3)
    if flip:
        patch, mask = patch[:, ::-1], mask[:, ::-1]
    if rng.random() < rigid:
        return patch, mask, {"flip": flip, "angle": 0.0, "rescale": 1.0}
    angle = float(rng.normal(0, 12)) if rng.random() < 0.7 else float(rng.uniform(-180, 180))
    scale = log_uniform(rng, 0.7, 1.4)
    height, width = mask.shape
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle, scale)
    shear = rng.normal(0, 0.08) if rng.random() < 0.3 else 0.0
    matrix[0, 1] += shear
    corners = np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1]]) @ matrix.T
    low = corners.min(0)
    size = tuple(int(edge) + 1 for edge in corners.max(0) - low)
    matrix[:, 2] -= low
    turned = cv2.warpAffine(
        np.ascontiguousarray(patch),
        matrix,
        size,
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    outline_turned = cv2.warpAffine(np.ascontiguousarray(mask), matrix, size)
    drawn = {"flip": flip, "angle": angle, "rescale": scale, "shear": float(shear)}
    return np.asarray(turned, np.uint8), np.asarray(outline_turned, np.float32), drawn


def _apart(rng: np.random.Generator, source: Alpha, mask: Alpha) -> tuple[int, int]:
    """Draw a corner for a copy that overlaps its source as little as eight tries allow."""
    best, least = (0, 0), np.inf
    for _ in range(8):
        corner = place(rng, source.shape, mask.shape)
        overlap = float((lay(mask, source.shape, *corner) * source).sum())
        if overlap < least:
            best, least = corner, overlap
        if overlap == 0:
            break
    return best


def _filtered(
    rng: np.random.Generator, host: Pixels, below: Pixels, where: Alpha, apply_filter: Filter
) -> Edited:
    """Filter `below` inside a feathered region of the host, computed on a window around it."""
    soft, sigma = feather(rng, where)
    rows, columns = span(soft)
    view = np.ascontiguousarray(below[rows, columns])
    done, drawn = apply_filter(view, rng)
    layer = host.copy()
    layer[rows, columns] = done
    return Edited(blend(host, layer, soft), soft, {**drawn, "feather": sigma})


def _jittered(
    rng: np.random.Generator, host: Pixels, where: Alpha, drawn: dict[str, Any]
) -> Edited:
    """Enlarge, turn, shift and relight an object a little in its place (MIML, Qu et al., 2024)."""
    rows, columns = span(where)
    height, width = rows.stop - rows.start, columns.stop - columns.start
    angle, scale = float(rng.normal(0, 3)), float(rng.uniform(1.02, 1.15))
    shift = rng.normal(0, 0.02, 2) * (width, height)
    gain = float(rng.uniform(0.88, 1.14))
    edge = round(0.15 * max(height, width)) + 4
    matrix = cv2.getRotationMatrix2D((width / 2 + edge, height / 2 + edge), angle, scale)
    matrix[:, 2] += shift
    size = (width + 2 * edge, height + 2 * edge)
    moved = cv2.warpAffine(padded(host[rows, columns], edge), matrix, size, flags=cv2.INTER_CUBIC)
    mask = cv2.warpAffine(padded(where[rows, columns], edge, cv2.BORDER_CONSTANT), matrix, size)
    corner = (rows.start - edge, columns.start - edge)
    done = feathered(rng, host, to_pixels(moved * gain), np.asarray(mask, np.float32), corner)
    jitter = {"filter": "jitter", "angle": angle, "scale": scale, "gain": gain}
    shifted = {"shift": [float(part) for part in shift]}
    return Edited(done.pixels, done.alpha, {**drawn, **jitter, **shifted, **done.parameters})
