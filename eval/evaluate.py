"""One evaluation from benchmark to report: predict what is missing, score, write down."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from morelli.eval.attacks import Attack
from morelli.eval.benchmarks.item import Item, checked
from morelli.eval.benchmarks.manifests import chosen_half, chosen_sources
from morelli.eval.benchmarks.registry import BENCHMARKS, folder_of
from morelli.eval.compare import beside
from morelli.eval.page import render_page
from morelli.eval.paired import paired
from morelli.eval.predict import Case, cases_of, predict
from morelli.eval.predictions import FILE
from morelli.eval.scoring import score
from morelli.eval.tables import long_csv, markdown
from morelli.eval.text_summary import require_references
from morelli.eval.transforms import Transform


@dataclass(frozen=True, slots=True)
class Selection:
    """Which pictures of which benchmarks are looked at, and how.

    Attributes:
        names: keys of `BENCHMARKS`.
        data: folder of the benchmark, or of several by name.
        half: one of `manifests.HALVES`.
        sources: parts of the sets; None takes all.
        limit: most pictures of each set, chosen by the hash of their ids; None takes all.
        changes: what is done to each picture, in addition to nothing.
        readings: keys of `told.READINGS`, told in addition to the picture's own.
    """

    names: Sequence[str]
    data: Path
    half: str = "all"
    sources: Sequence[str] | None = None
    limit: int | None = None
    changes: Sequence[Transform | Attack] = ()
    readings: Sequence[str] = ()

    def cases(self) -> list[Case]:
        """List what is to be looked at.

        Raises:
            OSError: a benchmark cannot be read.
            ValueError: a benchmark is broken or missing; the message has the place.
        """
        items = (item for name in self.names for item in self._items(name))
        return list(cases_of(_limited(items, self.limit), self.changes, self.readings))

    def _items(self, name: str) -> Iterator[Item]:
        folder = folder_of(name, self.data, len(self.names) == 1)
        items = checked(BENCHMARKS[name].read(folder))
        return chosen_half(chosen_sources(items, self.sources), self.half)


def _limited(items: Iterable[Item], limit: int | None) -> list[Item]:
    """Return at most `limit` items of each set, the same ones whatever else is asked for."""
    if limit is None:
        return list(items)
    sets: dict[str, list[Item]] = {}
    for item in items:
        sets.setdefault(item.set, []).append(item)
    return [
        item
        for some in sets.values()
        for item in sorted(some, key=lambda one: hashlib.sha256(one.sample.id.encode()).digest())[
            :limit
        ]
    ]


def look_at(
    cases: Sequence[Case], checkpoint: Path | None, out: Path, words: bool, device: str = "cpu"
) -> Path:
    """Load a checkpoint and let it look at all cases that have no line yet.

    Args:
        cases: what to look at.
        checkpoint: folder, None for the one that ships.
        out: folder of the predictions.
        words: ask for reasons as well.
        device: name of what the model computes on.

    Raises:
        ImageError: a picture cannot be opened.
        ImportError: there are words to compare with, and the `eval` extra is not installed.
        OSError: a file cannot be read or written.
        RuntimeError: the checkpoint or base weights that are needed cannot be loaded.
        ValueError: there is no such device; or see `predict`.
    """
    if words and any(case.item.sample.answer for case in cases):
        require_references()
    # Torch takes seconds to import, which those who only score need not wait for.
    from morelli.model.examiner import Examiner

    examiner = Examiner.load(checkpoint, stability=False, device=device)
    return predict(examiner, examiner.checkpoint.sha256, cases, out, words)


def write_scores(
    out: Path, protocols: dict[str, str], others: Sequence[Path] = ()
) -> dict[str, Any]:
    """Score the predictions of a folder and write scores.json, .md, .csv and .html.

    Args:
        out: holds predictions.jsonl.
        protocols: benchmark -> what its figures mean; those of an earlier run are kept.
        others: folders of other systems' scores on the same pictures, to put beside.

    Raises:
        OSError: a file cannot be read or written.
        ValueError: see `score`, `beside` and `paired`.
    """
    path = out / "scores.json"
    scores = score(out / FILE)
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    scores["protocols"] = known.get("protocols", {}) | protocols
    scores["beside"] = beside(scores, out, others)
    scores["paired"] = paired(out, others)
    text = json.dumps(scores, indent=1, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")
    (out / "scores.md").write_text(markdown(scores), encoding="utf-8")
    (out / "scores.csv").write_text(long_csv(scores), encoding="utf-8")
    (out / "scores.html").write_text(render_page(scores), encoding="utf-8")
    return scores
