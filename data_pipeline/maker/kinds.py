"""What can be made: the kinds, the label that each carries, and how often each is drawn."""

from collections.abc import Callable
from typing import Any

import numpy as np

from morelli.data_pipeline.maker.edits import EDITS
from morelli.data_pipeline.maker.frame import Pixels, pick
from morelli.data_pipeline.maker.plan import Plan
from morelli.data_pipeline.maker.pool import Pool
from morelli.data_pipeline.maker.regeneration import reprocess
from morelli.data_pipeline.maker.upsampling import upsample
from morelli.data_pipeline.schema import Verdict

Change = Callable[[Pixels, Pool, np.random.Generator], tuple[Pixels, dict[str, Any]]]
"""Takes a whole canvas (H, W, 3) and returns another of its size, with what was drawn."""

CHANGES: dict[str, Change] = {"reprocessed": reprocess, "upsampled": upsample}
"""What leaves no camera pixel in a photograph; the result is synthetic."""

UNTOUCHED = {"untouched": Verdict.AUTHENTIC, "page": Verdict.AUTHENTIC}
"""What shows nothing but what was captured."""

_UNCHANGED = {**UNTOUCHED, "generated": Verdict.SYNTHETIC}

KINDS = (*_UNCHANGED, *CHANGES, *EDITS)
"""Every value of `Made.kind`."""

_VERDICT_WEIGHTS = {Verdict.AUTHENTIC: 0.35, Verdict.TAMPERED: 0.5, Verdict.SYNTHETIC: 0.15}
_SYNTHETIC_WEIGHTS = {"generated": 0.6, "reprocessed": 0.25, "upsampled": 0.15}
_WEIGHTS = {
    "splice": 0.24,
    "composite": 0.2,
    "copy_move": 0.12,
    "removal": 0.13,
    "retouch": 0.09,
    "local_generation": 0.09,
    "regenerated": 0.08,
    "text": 0.05,
}
_NATIVE_WEIGHTS = {
    "splice": 0.12,
    "copy_move": 0.15,
    "removal": 0.26,
    "retouch": 0.13,
    "local_generation": 0.14,
    "regenerated": 0.11,
    "text": 0.09,
}
"""What is done to photographs at the camera's own resolution: small and quiet edits."""

_FACE_SHARE = 0.75
"""How often a forged portrait is forged in its face."""


def verdict_of(kind: str) -> Verdict:
    """Return the label that a kind carries."""
    if kind in CHANGES:
        return Verdict.SYNTHETIC
    return _UNCHANGED.get(kind, Verdict.TAMPERED)


def summary_of(kind: str) -> str:
    """Return what a kind is, in one line."""
    made = EDITS.get(kind) or CHANGES.get(kind)
    if made is None:
        return {
            "untouched": "A photograph or page as it is.",
            "page": "A page as it is.",
            "generated": "A generator's output as it is.",
        }[kind]
    return (made.__doc__ or "").split("\n")[0]


def draw_verdict(
    rng: np.random.Generator, pool: Pool, kind: str | None, verdict: Verdict | None
) -> Verdict:
    """Settle on a label; by itself never a synthetic one where no generated picture is.

    Raises:
        ValueError: the kind is unknown or carries another label, or cannot be made of this pool.
    """
    if kind is not None and kind not in KINDS:
        raise ValueError(f"no such kind {kind!r}; there are {', '.join(KINDS)}")
    weights = {str(name): weight for name, weight in _VERDICT_WEIGHTS.items()}
    if not pool.generated:
        weights.pop(str(Verdict.SYNTHETIC))
    label = verdict or (verdict_of(kind) if kind else Verdict(pick(rng, weights)))
    if kind is not None and verdict_of(kind) != label:
        raise ValueError(f"kind {kind!r} is {verdict_of(kind)}, but {label} was asked for")
    if label == Verdict.SYNTHETIC and not pool.generated and kind not in CHANGES:
        raise ValueError("this pool holds no generated picture; give from_folders a folder of them")
    if kind == "face" and not pool.with_faces(pool.photographs):
        raise ValueError(
            "no face is known in this pool; python -m morelli.data_pipeline.maker.find_faces"
            " FOLDER... looks for them"
        )
    if label == Verdict.INCONCLUSIVE:
        raise ValueError("nothing can be made inconclusive; ask for one of schema.CLASSES")
    return label


def draw_kind(rng: np.random.Generator, label: Verdict, plan: Plan) -> str:
    """Draw a kind that carries a label; how pages and portraits are forged follows the plan."""
    if label == Verdict.AUTHENTIC:
        return "untouched"
    if label == Verdict.SYNTHETIC:
        return pick(rng, _SYNTHETIC_WEIGHTS)
    if plan.page:
        return "document"
    if plan.portrait and rng.random() < _FACE_SHARE:
        return "face"
    return pick(rng, _NATIVE_WEIGHTS if plan.native else _WEIGHTS)
