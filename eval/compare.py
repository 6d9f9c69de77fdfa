"""Puts systems beside each other that were scored on the same pictures."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from morelli.eval.predictions import FILE, read_predictions

Pictures = dict[tuple[str, str], frozenset[str]]


def beside(scores: Mapping[str, Any], out: Path, others: Sequence[Path]) -> list[dict[str, Any]]:
    """Return the main figures of this and of other systems, for each set that they share.

    Args:
        scores: of `out`.
        out: folder of this system's predictions.
        others: folders of other systems, each scored already.

    Returns:
        [{"set", "version", "system", "pixel", "image"}], this system first.

    Raises:
        OSError: a folder has no predictions or scores.
        ValueError: a set was not looked at whole by both, so that figures do not compare.
    """
    if not others:
        return []
    own, shared = _pictures(out), []
    systems = [(scores, own)]
    for folder in others:
        text = (folder / "scores.json").read_text(encoding="utf-8")
        systems.append((json.loads(text), _pictures(folder)))
    for one in scores["sets"]:
        group = (one["set"], one["version"])
        for found, pictures in systems:
            same = [row for row in found["sets"] if (row["set"], row["version"]) == group]
            if not same:
                continue
            if pictures[group] != own[group]:
                raise ValueError(
                    f"{' and '.join(found['checkpoint'])} looked at {len(pictures[group])} pictures"
                    f" of {', '.join(group)}, {out} at {len(own[group])}, or at others; figures"
                    " compare on the same pictures only"
                )
            shared.append(
                {
                    "set": one["set"],
                    "version": one["version"],
                    "system": ", ".join(name[:24] for name in found["checkpoint"]),
                    "pixel": same[0]["pixel"],
                    "image": same[0]["image"],
                }
            )
    return shared


def _pictures(folder: Path) -> Pictures:
    found: dict[tuple[str, str], set[str]] = {}
    for one in read_predictions(folder / FILE):
        found.setdefault((one.set, one.version), set()).add(one.id)
    return {group: frozenset(names) for group, names in found.items()}
