"""Measures what the trainer costs over the bare model, and how near training comes to the machine.

    python -m morelli.training.benchmark [--preset NAME | --start DIR] [--steps N] [--out FILE]

The same batches go through a bare loop (forward and backward pass, nothing else) and through the
trainer (which also clips, steps, schedules and logs), in turns, so that what disturbs the machine
disturbs both. Times run from the start of one batch to the start of a later one, so that neither
set-up nor checkpoints are in them; the medians of the batches are compared. Operations are counted
by torch, not estimated.
"""

import argparse
import itertools
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from morelli.data_pipeline.images import picture_from_bytes
from morelli.data_pipeline.schema import Verdict
from morelli.eval.bounds import measure_peaks
from morelli.eval.speed import Figure, circumstances, made_photograph, table
from morelli.model.forgery_vlm import ForgeryVLM
from morelli.training.adapters import Rates, freeze_encoders
from morelli.training.cases import Case, Cases, case_of
from morelli.training.feature_cache import cache_features
from morelli.training.instruct import WEIGHTS, InstructTerms
from morelli.training.loop import Feed, LoopConfig, Objective, fit, forgery_vlm
from morelli.training.own_data import Lessons, Numbers
from morelli.training.start import Start, start_from

_WARM_UP = 2
_SIDE = 384
_PICTURES = 4
_PRECISIONS = ("float32", "bfloat16")


class Watched:
    """Loss terms that remember when they were asked for."""

    def __init__(self, terms: InstructTerms) -> None:
        self._terms = terms
        self.times: list[float] = []

    def __call__(self, model: ForgeryVLM, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the terms of a batch."""
        self.times.append(time.perf_counter())
        return self._terms(model, batch)

    def seconds(self) -> float:
        """Return the median time from one batch to the next, the first ones left out."""
        kept = self.times[_WARM_UP:]
        return statistics.median(b - a for a, b in itertools.pairwise(kept))


def made_batches(start: Start, count: int) -> list[dict[str, Any]]:
    """Return batches of made pictures, half of them altered in a square, each of one picture."""
    names = start.processor.config.map_names
    cases = Cases(lambda index: _made_case(index, names), _PICTURES)
    lessons = Lessons(cases, cases, start.processor, 0, 0.0, 0.0)
    return [lessons([number]) for number in range(count)]


def _made_case(seed: int, names: Sequence[str]) -> Case:
    pixels = made_photograph(_SIDE, _SIDE, seed)
    mask = np.zeros((_SIDE, _SIDE), bool)
    if seed % 2:
        mask[100:220, 120:260] = True
        pixels[mask] = made_photograph(_SIDE, _SIDE, 100 + seed)[mask]
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=90)
    picture = picture_from_bytes(stream.getvalue(), f"made-{seed}")
    return case_of(picture, names, Verdict.TAMPERED if seed % 2 else Verdict.AUTHENTIC, mask)


def bare_seconds(start: Start, batches: Sequence[dict[str, Any]], precision: str) -> float:
    """Return the median seconds of a forward and a backward pass of one batch."""
    model = forgery_vlm(start.model).train()
    terms = Watched(InstructTerms(start.processor.verdict_ids))
    for batch in [*batches, batches[0]]:
        _pass(model, terms, batch, precision)
    return terms.seconds()


def _pass(model: ForgeryVLM, terms: Any, batch: dict[str, Any], precision: str) -> None:
    narrow = precision == "bfloat16"
    kind = next(model.parameters()).device.type
    with torch.autocast(kind, torch.bfloat16, enabled=narrow):
        found = terms(model, batch)
        loss = torch.stack([WEIGHTS[name] * value for name, value in found.items()]).sum()
    loss.backward()  # type: ignore[no-untyped-call]
    model.zero_grad()


def trained_seconds(start: Start, batches: Sequence[dict[str, Any]], precision: str) -> float:
    """Return the median seconds of one batch in the trainer, an optimiser step included."""
    terms = Watched(InstructTerms(start.processor.verdict_ids))
    feed = Feed(Numbers(), lambda numbers: dict(batches[numbers[0] % len(batches)]))
    count = len(batches) + 1
    loop = LoopConfig(
        steps=count, pictures=1, warmup=1, workers=0, log_steps=5, save_steps=10 * count,
        precision=precision,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        fit(start.model, Objective(terms, WEIGHTS), feed, Rates(1e-6, 1e-6), Path(folder), loop)
    return terms.seconds()


def operations(start: Start, batches: Sequence[dict[str, Any]]) -> float:
    """Count the floating-point operations of a forward and a backward pass, the median batch."""
    model, terms = forgery_vlm(start.model).train(), InstructTerms(start.processor.verdict_ids)
    counts = []
    for batch in batches[:_PICTURES]:
        counter = FlopCounterMode(display=False)
        with counter:
            _pass(model, terms, batch, "float32")
        counts.append(counter.get_total_flops())
    return float(statistics.median(counts))


def encoded_in_an_epoch(start: Start, batches: Sequence[dict[str, Any]]) -> int:
    """Return how often encoders run when an epoch is shown twice and the cache is on."""
    cache = cache_features(forgery_vlm(start.model))
    with torch.no_grad():
        for batch in [*batches, *batches]:
            forgery_vlm(start.model).model.vision(batch["pixel_values"])
    cache.close()
    return cache.computed


def measure(start: Start, steps: int, repeats: int) -> list[Figure]:
    """Measure everything about one model."""
    freeze_encoders(forgery_vlm(start.model))
    batches = made_batches(start, steps)
    count = operations(start, batches)
    peaks = measure_peaks()
    figures = [Figure("operations of a batch, forward and backward", count / 1e9, "GFLOP")]
    rates = {}
    for precision in _PRECISIONS:
        times = [
            (bare_seconds(start, batches, precision), trained_seconds(start, batches, precision))
            for _ in range(repeats)
        ]
        bare, trained = (statistics.median(column) for column in zip(*times, strict=True))
        rates[precision] = 1 / trained
        peak = peaks.of(getattr(torch, precision))
        figures += [
            Figure(f"{precision}: bare", 1 / bare, "pictures/s"),
            Figure(f"{precision}: trainer", 1 / trained, "pictures/s"),
            Figure(f"{precision}: trainer over bare", 100 * (trained / bare - 1), "%",
                   "at most 15"),
            Figure(f"{precision}: trainer", count / trained / 1e9, "GFLOP/s"),
            Figure(f"{precision}: peak of matrix products", peak / 1e9, "GFLOP/s"),
        ]  # fmt: skip
    gain = rates["bfloat16"] / rates["float32"]
    goal = "at least 1.8 with matrix units"
    figures.append(Figure("bfloat16 over float32, end to end", gain, "times", goal))
    runs = encoded_in_an_epoch(start, batches[:_PICTURES])
    figures.append(Figure(f"encoder runs, {_PICTURES} pictures seen twice", runs, "runs",
                          f"{_PICTURES}"))  # fmt: skip
    return figures


def main(command: Sequence[str]) -> int:
    """Measure, print the table and the JSON object; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="benchmark", description=(__doc__ or "").split("\n", maxsplit=1)[0]
    )
    parser.add_argument("--start", type=Path, help="checkpoint (default: the one that ships)")
    parser.add_argument("--preset", help="a configuration instead, such as tiny")
    parser.add_argument("--steps", type=int, default=12, help="batches a run (default: 12)")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each (default: 3)")
    parser.add_argument("--out", type=Path, help="also write the JSON object to this file")
    arguments = parser.parse_args(command)
    before = circumstances()
    start = start_from(arguments.start, arguments.preset, 0)
    found = {
        "figures": [asdict(one) for one in measure(start, arguments.steps, arguments.repeats)],
        "circumstances": {**before, "model": str(arguments.preset or arguments.start or "shipped"),
                          "steps": arguments.steps, "repeats": arguments.repeats},
    }  # fmt: skip
    text = json.dumps(found, indent=1)
    if arguments.out:
        arguments.out.write_text(text + "\n", encoding="utf-8")
    sys.stdout.write(f"{table(found)}\n{text}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
