"""Scores any other tool on the same pictures: from a folder of its masks, or from JSON lines.

A folder holds a grey picture for each picture of the benchmark, at its size, called like it:
`Tp/CM/a.jpg` is answered by `Tp/CM/a.png` or `a.png`; bright means altered, and 255 is certain. Of
such a tool only maps are scored. JSON lines hold {"id", "map", "score", "verdict"}: the map's file
relative to theirs, the probability of anything but authentic, the decision; each may be left out.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from morelli.data_pipeline.images import write_map
from morelli.data_pipeline.schema import Verdict
from morelli.eval.located_lines import located_lines
from morelli.eval.predict import Case, done_keys, facts_of
from morelli.eval.predictions import FILE, MODEL

_ENDINGS = (".png", ".tif", ".bmp", ".jpg")
_THRESHOLD = 0.5
"""On the score of a tool that gives no verdict."""

Said = Mapping[str, Any]


def import_answers(tool: Path, name: str, cases: Sequence[Case], out: Path) -> Path:
    """Write what another tool said of each case as predictions, for scoring like a checkpoint's.

    Args:
        tool: folder of masks, or a file of JSON lines.
        name: of the tool, kept as the identity of the predictions.
        cases: pictures as they are; a tool's answers are to the files, not to changed ones.
        out: made if missing.

    Returns:
        The path of predictions.jsonl.

    Raises:
        ImageError: a picture cannot be opened.
        OSError: a file cannot be read or written.
        ValueError: an answer is missing, broken or of another size; the message has the place.
    """
    for folder in ("maps", "truth"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    answer = _from_folder(tool) if tool.is_dir() else _from_lines(tool)
    path, identity = out / FILE, f"tool {name}"
    done = done_keys(path, identity)
    with path.open("a", encoding="utf-8") as file:
        for case in tqdm(cases, unit="picture", desc=name, disable=None):
            if case.key not in done:
                line = _line(answer(case), identity, case, out)
                file.write(json.dumps(line, allow_nan=False) + "\n")
    return path


def _line(said: Said, identity: str, case: Case, out: Path) -> dict[str, Any]:
    picture, mask = case.open()
    maps = {}
    if said["map"] is not None:
        heat = _grey(said["map"], (picture.height, picture.width), said["place"])
        maps[MODEL] = f"maps/{case.stem}-{MODEL}.png"
        write_map(heat / 255.0, out / maps[MODEL])
    score, verdict = said["score"], said["verdict"]
    if score is not None and verdict is None:
        verdict = Verdict.TAMPERED if score >= _THRESHOLD else Verdict.AUTHENTIC
    chances = None
    if score is not None:
        chances = {"authentic": 1 - score, "tampered": score, "synthetic": 0.0}
    return {
        **facts_of(case, identity, mask, out),
        "verdict": None if verdict is None else str(verdict),
        "probability": chances,
        "maps": maps,
    }


def _from_folder(folder: Path) -> Callable[[Case], Said]:
    """Return what finds the mask of a case in a folder."""

    def answer(case: Case) -> Said:
        inside = Path(case.item.sample.id)
        places = [folder / inside.with_suffix(ending) for ending in _ENDINGS]
        places += [folder / f"{inside.stem}{ending}" for ending in _ENDINGS]
        for path in places:
            if path.is_file():
                return {"map": path, "score": None, "verdict": None, "place": str(path)}
        raise ValueError(
            f"{case.item.place}: {folder} has no mask for {inside}, such as {places[0]}"
        )

    return answer


def _from_lines(path: Path) -> Callable[[Case], Said]:
    """Return what finds the line of a case."""
    said: dict[str, Said] = {}
    folder = path.parent
    for place, (name, one) in located_lines(path, lambda row, at: _parsed(row, folder, at)):
        if name in said:
            raise ValueError(f"{place}: {name} is there twice; remove one line")
        said[name] = one

    def answer(case: Case) -> Said:
        try:
            return said[case.item.sample.id]
        except KeyError:
            raise ValueError(
                f"{case.item.place}: {path} has no line with id {case.item.sample.id!r}"
            ) from None

    return answer


def _parsed(row: Mapping[str, Any], folder: Path, place: str) -> tuple[str, Said]:
    score, verdict, where = (row.get(name) for name in ("score", "verdict", "map"))
    if score is not None and not 0 <= float(score) <= 1:
        raise ValueError(f"score must lie in 0 to 1, got {score}")
    return str(row["id"]), {
        "map": None if where is None else folder / where,
        "score": None if score is None else float(score),
        "verdict": None if verdict is None else Verdict(verdict),
        "place": place,
    }


def _grey(path: Path, shape: tuple[int, int], place: str) -> NDArray[np.uint8]:
    levels = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if levels is None:
        raise ValueError(f"{place}: {path} is no picture")
    if levels.shape != shape:
        raise ValueError(
            f"{place}: {path} is {levels.shape[1]} x {levels.shape[0]} pixels but its picture"
            f" {shape[1]} x {shape[0]}; save the map at the picture's size"
        )
    return np.asarray(levels, np.uint8)
