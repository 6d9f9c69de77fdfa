"""Is what a report tells of mild changes what whole examinations of the changed pictures find?

    python -m morelli.eval.stability FOLDER --out FILE [--sources NAME...] [--limit N]

Every picture is examined whole, as it is and after each change of `model.stability`, which takes
six times as long as an examination, and held against what is told from a copy of which little is
encoded anew. Trials go to `--out` line by line, so that a run that was stopped goes on. `morelli
eval calibrate` fits the slopes by which a checkpoint shrinks what is told on such trials of made
pictures.
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from morelli.data_pipeline.images import Picture
from morelli.data_pipeline.schema import Verdict
from morelli.eval.benchmarks.manifests import HALVES
from morelli.eval.evaluate import Selection
from morelli.eval.located_lines import keep_line, kept_lines
from morelli.eval.operating_points import Rate
from morelli.model.calibration import EVEN, Calibrator

if TYPE_CHECKING:
    from morelli.eval.predict import Case
    from morelli.model.examiner import Examiner

Logits = NDArray[np.float64]

_ARRAYS = ("before", "after", "told", "peaks")

ALL = "any of them"
"""Stands in tables for all changes of a picture together."""


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """What five changes do to one picture's raw verdict logits, or to its joined ones.

    Attributes:
        key: set and id of the picture.
        before: (3,) of the whole picture as it is.
        after: (5, 3) of the whole picture after each change.
        told: (5, 3) what they become if each change moves them as it moves those of the copy.
        peaks: (6,) of the whole picture's map, as it is and after each change; of no use any more
            once they are joined.
    """

    key: str
    before: Logits
    after: Logits
    told: Logits
    peaks: Logits

    def as_json(self) -> dict[str, Any]:
        """Return a line of the file of readings."""
        return {"key": self.key, **{name: getattr(self, name).tolist() for name in _ARRAYS}}

    @classmethod
    def from_json(cls, line: dict[str, Any]) -> "Trial":
        """Read such a line."""
        return cls(line["key"], *(np.array(line[name]) for name in _ARRAYS))

    def joined_by(self, calibrator: Calibrator) -> "Trial":
        """Return the trial with what the map says added to all logits.

        Copies are not located in, so what is told has the map of the picture as it is.
        """
        before, after = self.peaks[0], self.peaks[1:]
        return replace(
            self,
            before=calibrator.joined(self.before, before),
            after=calibrator.joined(self.after, after),
            told=calibrator.joined(self.told, np.full(len(self.told), before)),
        )

    def told_by(self, calibrator: Calibrator, changes: Sequence[str]) -> "Trial":
        """Return the trial with what a calibrator makes of the copy; changes name the rows."""
        moved = calibrator.movement(changes, self.told - self.before)
        return replace(self, told=self.before + moved)


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well a change is told from the copy, over some pictures.

    Attributes:
        change: its name, or `ALL`.
        turned: share of the pictures that the change takes to the other side of the threshold.
        agrees: share of the pictures whose side after the change is told rightly.
        found: share of the turned ones that are told to turn.
        alarms: share of those that do not turn that are told to turn.
        error: mean distance of the probability that is told from that of a whole examination.
        movement: mean distance by which the probability moves, the error of telling that none does.
        logit_error: root of the mean squared distance of the verdict's logits that are told from
            those of a whole examination; what is added to all three alike is no distance.
        logit_movement: likewise, of what they were from what they become.
    """

    change: str
    turned: Rate
    agrees: Rate
    found: Rate
    alarms: Rate
    error: float
    movement: float
    logit_error: float
    logit_movement: float

    def as_json(self) -> dict[str, Any]:
        """Return what reports may state of the agreement; None where there is nothing to share."""
        record = asdict(self)
        for name in ("turned", "agrees", "found", "alarms"):
            record[name] = record[name] if record[name]["n"] else None
        return record


def try_picture(examiner: "Examiner", picture: Picture, key: str) -> Trial:
    """Examine a picture and its changes whole, and by its copy.

    Args:
        examiner: that tries stability.
        picture: opened.
        key: to know it by.
    """
    from morelli.eval.bounds import without_stability
    from morelli.model.stability import CHANGES

    look = examiner.look(picture)
    assert look.moved is not None, "an examiner that leaves stability out cannot tell of it"
    with without_stability(examiner):
        after = [examiner.look(change(picture.pixels)) for change in CHANGES.values()]
    return Trial(
        key,
        look.verdict_logits,
        np.stack([one.verdict_logits for one in after]),
        look.verdict_logits + look.moved,
        np.array([look.peak, *(one.peak for one in after)]),
    )


def agreements(
    trials: Sequence[Trial], changes: Sequence[str], calibrator: Calibrator, prior: float = EVEN
) -> list[Agreement]:
    """Compare what is told from copies with whole examinations, change by change and in all.

    Args:
        trials: of one or more pictures, joined by the calibrator and told by one.
        changes: names of the rows of each trial.
        calibrator: of the checkpoint.
        prior: base rate that probabilities are stated for.

    Raises:
        ValueError: there are no trials.
    """
    if not trials:
        raise ValueError("no picture was tried; choose other sources or a higher limit")
    threshold = calibrator.threshold(prior)

    def scores(logits: Sequence[Logits]) -> NDArray[np.float64]:
        flat = np.concatenate([one.reshape(-1, 3) for one in logits])
        stated = [calibrator.decide(one, prior).probability[Verdict.AUTHENTIC] for one in flat]
        return 1 - np.array(stated).reshape(len(logits), -1)

    before = scores([one.before for one in trials])
    after, told = scores([one.after for one in trials]), scores([one.told for one in trials])
    turned = (after >= threshold) != (before >= threshold)
    tells = (told >= threshold) != (before >= threshold)
    missed = np.stack([centred(one.told - one.after) for one in trials])
    moved = np.stack([centred(one.after - one.before) for one in trials])
    columns = [(name, slice(n, n + 1)) for n, name in enumerate(changes)]
    return [
        Agreement(
            name,
            **_rates(turned[:, part].any(1), tells[:, part].any(1)),
            error=float(np.abs(told - after)[:, part].mean()),
            movement=float(np.abs(after - before)[:, part].mean()),
            logit_error=float(np.sqrt((missed[:, part] ** 2).mean())),
            logit_movement=float(np.sqrt((moved[:, part] ** 2).mean())),
        )
        for name, part in [*columns, (ALL, slice(None))]
    ]


def _rates(turned: NDArray[np.bool_], tells: NDArray[np.bool_]) -> dict[str, Rate]:
    return {
        "turned": Rate.of(int(turned.sum()), len(turned)),
        "agrees": Rate.of(int((turned == tells).sum()), len(turned)),
        "found": Rate.of(int((turned & tells).sum()), int(turned.sum())),
        "alarms": Rate.of(int((tells & ~turned).sum()), int((~turned).sum())),
    }


def centred(logits: Logits) -> Logits:
    """Take out of (..., 3) logits what is added to all three alike, which changes nothing."""
    centred: Logits = logits - logits.mean(-1, keepdims=True)
    return centred


def table(found: Sequence[Agreement]) -> str:
    """Return the agreements as a Markdown table, shares with their 95 % intervals."""
    lines = [
        "| Change | Turned | Told rightly | Turns found | False turns | Error | Movement "
        "| Logit error | Logit movement |",
        "| --- | --- | --- | --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for one in found:
        rates = " | ".join(map(_rate, (one.turned, one.agrees, one.found, one.alarms)))
        sizes = (one.error, one.movement, one.logit_error, one.logit_movement)
        numbers = " | ".join(f"{size:.3f}" for size in sizes)
        lines.append(f"| {one.change} | {rates} | {numbers} |")
    return "\n".join([*lines, ""])


def _rate(rate: Rate) -> str:
    if not rate.n:
        return "none"
    return f"{rate.value:.2f} [{rate.low:.2f}, {rate.high:.2f}] of {rate.n}"


def try_all(
    examiner: "Examiner", pictures: Mapping[str, Callable[[], Picture]], kept: Path | None = None
) -> list[Trial]:
    """Try pictures, those aside that were tried before.

    Args:
        examiner: that tries stability.
        pictures: key -> opens it.
        kept: file that trials are appended to, and from which a run that was stopped goes on.

    Raises:
        OSError: `kept` cannot be read or written.
        ValueError: `kept` has a broken line, an unfinished last one aside; or a picture cannot be
            opened.
    """
    known = {one.key: one for one in kept_lines(kept, Trial.from_json)}
    for key, opened in tqdm(pictures.items(), unit="picture", disable=None):
        if key not in known:
            known[key] = try_picture(examiner, opened(), key)
            keep_line(kept, known[key].as_json())
    return [known[key] for key in pictures]


def _opened(case: "Case") -> Picture:
    return case.open()[0]


def main(command: Sequence[str]) -> int:
    """Try the pictures, print the table; return the exit status."""
    parser = argparse.ArgumentParser(prog="stability", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path, help="with manifest.csv or manifest.jsonl; only read")
    parser.add_argument("--out", type=Path, required=True, help="readings of one checkpoint")
    parser.add_argument("--checkpoint", type=Path, help="default: the one that ships")
    parser.add_argument("--half", choices=HALVES, default="dev", help="by hash of the id")
    parser.add_argument("--sources", nargs="+", metavar="NAME", help="default: all of them")
    parser.add_argument("--limit", type=int, help="most pictures of each source")
    arguments = parser.parse_args(command)
    # Torch takes seconds to import, which those who only ask for help need not wait for.
    from morelli.model.examiner import Examiner
    from morelli.model.stability import CHANGES

    chosen = Selection(
        ["manifest"], arguments.folder, arguments.half, arguments.sources, arguments.limit
    )
    try:
        pictures = {
            f"{case.item.set}/{case.item.sample.id}": partial(_opened, case)
            for case in chosen.cases()
        }
        examiner = Examiner.load(arguments.checkpoint)
        changes, calibrator = tuple(CHANGES), examiner.calibrator
        trials = try_all(examiner, pictures, arguments.out)
        found = agreements(
            [one.joined_by(calibrator).told_by(calibrator, changes) for one in trials],
            changes,
            calibrator,
        )
    except (OSError, RuntimeError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(table(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
