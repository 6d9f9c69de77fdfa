"""The one inference path: a picture in, a report out.

Order: instruments, encoders, classification probability mapper, calibrator, decision, mask, words.
"""

import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from morelli.data_pipeline.answer import AnswerError, parse, prefix
from morelli.data_pipeline.images import Picture
from morelli.data_pipeline.instruments import measure
from morelli.data_pipeline.report import Report
from morelli.data_pipeline.schema import Answer, Measurement, Verdict
from morelli.data_pipeline.verifier import (
    MIN_RELIABILITY,
    findings,
    rationale_of,
    withhold_misplaced,
)
from morelli.model.calibration import Calibrator, Decision
from morelli.model.checkpoint import Checkpoint, load_checkpoint
from morelli.model.cpm import verdict_logits
from morelli.model.precision import fastest_dtype
from morelli.model.views import stitch
from morelli.model.vision import ViewFeatures

MASK_THRESHOLD = 0.5
MAX_WORDS = 256
"""Most tokens that an answer may take."""

_LIMITS = (
    "No sign of manipulation found does not prove that a picture is authentic.",
    "This finding alone must not decide a case; it is one piece of evidence for a human reviewer.",
    "The stability of the verdict under re-encoding was not tested in this examination.",
)


@dataclass(frozen=True)
class Look:
    """What is known of a picture before there are words.

    Attributes:
        measurements: of every instrument.
        probability: class name -> calibrated probability.
        interval: of 1 - probability["authentic"].
        verdict: the decision.
        map: (H, W) float32 in the image frame, for every verdict.
        verdict_logits: (3,) raw logits of the mapper, for fitting a calibrator.
        seconds: stage -> wall time.
        tokens: ids of the conversation up to the line break after `<seg>`.
        cache: the language model's memory of them.
    """

    measurements: tuple[Measurement, ...]
    probability: dict[str, float]
    interval: tuple[float, float]
    verdict: Verdict
    map: NDArray[np.float32]
    verdict_logits: NDArray[np.float64]
    seconds: dict[str, float] = field(default_factory=dict)
    tokens: tuple[int, ...] = ()
    cache: Any = None


class Examiner:
    """Examine pictures with one checkpoint; give it one picture at a time."""

    def __init__(self, checkpoint: Checkpoint, prior: float | None = None) -> None:
        """Prepare to examine.

        Args:
            checkpoint: a loaded checkpoint.
            prior: base rate of manipulated pictures where this is used, in (0, 1); None states
                probabilities for the rate that the calibrator was fitted at.

        Raises:
            ValueError: `prior` is not in (0, 1).
        """
        if prior is not None and not 0 < prior < 1:
            raise ValueError(f"prior must lie between 0 and 1, got {prior}")
        self.checkpoint = checkpoint
        self.model = checkpoint.model.eval()
        self.processor = checkpoint.processor
        self.prior = prior
        self.dtype = fastest_dtype()

    @classmethod
    def load(cls, checkpoint: Path | None = None, *, prior: float | None = None) -> "Examiner":
        """Load a checkpoint, the one that ships if none is named.

        Raises:
            CheckpointError: it is missing, damaged, or holds a pickle.
            PullError: its base weights have not been pulled.
            ValueError: `prior` is not in (0, 1).
        """
        return cls(load_checkpoint(checkpoint), prior)

    @property
    def calibrator(self) -> Calibrator:
        """The checkpoint's calibrator."""
        return self.checkpoint.calibrator

    def examine(self, picture: Picture) -> Report:
        """Examine a picture from its pixels to a checked rationale."""
        look = self.look(picture)
        seconds = dict(look.seconds)
        with _timed(seconds, "words"):
            text, count = self._speak(look)
        mask = look.map > MASK_THRESHOLD if look.verdict is Verdict.TAMPERED else None
        answer = self._parse(look.verdict, text)
        if mask is not None:
            answer = withhold_misplaced(answer, mask)
        named = {measurement.instrument: measurement for measurement in look.measurements}
        found = findings(answer, named, picture.height, picture.width)
        return Report(
            picture=picture,
            verdict=look.verdict,
            probability=look.probability,
            interval=look.interval,
            mask=mask,
            map=look.map,
            manipulation=None,
            measurements=look.measurements,
            findings=found,
            rationale=rationale_of(found),
            withheld=answer.withheld,
            stability=[],
            metadata={"notes": list(picture.notes), "orientation": picture.orientation},
            model=self._identity(),
            prior=self.calibrator.prior if self.prior is None else self.prior,
            operating_point=self.calibrator.threshold,
            validation=self.checkpoint.validation,
            run=self._run(count),
            custody=[_custody(picture)],
            limits=(*_LIMITS, *_silent(look.measurements)),
            seconds={stage: round(value, 3) for stage, value in seconds.items()},
        )

    @torch.inference_mode()
    def look(self, picture: Picture) -> Look:
        """Measure, encode, decide and locate, without writing words."""
        seconds: dict[str, float] = {}
        with _timed(seconds, "instruments"):
            measurements = measure(picture)
        with _timed(seconds, "encoders"):
            features = self._encode(picture, measurements)
        with _timed(seconds, "verdict"):
            prompt = self.processor.prompt(measurements, picture.height, picture.width)
            tokens = self.processor.encode(prompt)
            output = self.model(
                input_ids=torch.tensor([tokens]), features=features, use_cache=True,
                logits_to_keep=1,
            )  # fmt: skip
            logits = verdict_logits(
                output.logits[:, -1],
                self.processor.verdict_ids,
                self.model.config.verdict_temperature,
            )
            raw = logits[0].double().numpy()
            decision: Decision = self.calibrator.decide(raw, self.prior)
        with _timed(seconds, "map"):
            ending = self.processor.verdict_prefix(decision.verdict)
            soft = self._locate(picture, features, output.past_key_values, ending)
        return Look(
            measurements=measurements,
            probability=decision.probability,
            interval=decision.interval,
            verdict=decision.verdict,
            map=soft,
            verdict_logits=raw,
            seconds=seconds,
            tokens=(*tokens, *ending),
            cache=output.past_key_values,
        )

    def _encode(self, picture: Picture, measurements: tuple[Measurement, ...]) -> ViewFeatures:
        views = self.processor.pixel_values(picture.pixels, measurements)
        enabled = self.dtype is torch.bfloat16
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            features: ViewFeatures = self.model.model.vision(torch.from_numpy(views)[None])
        return features

    def _locate(
        self, picture: Picture, features: ViewFeatures, cache: Any, ending: list[int]
    ) -> NDArray[np.float32]:
        """Read the verdict's words into the cache, and decode the mask that `<seg>` prompts."""
        output = self.model(
            input_ids=torch.tensor([ending]), past_key_values=cache, use_cache=True,
            logits_to_keep=1,
        )  # fmt: skip
        where = ending.index(self.model.config.seg_token_id)
        state: Tensor = output.last_hidden_state[:, where]
        logits = self.model.decode_masks(features, state).float() + self.calibrator.mask_offset
        tiles = logits.sigmoid().numpy()
        return stitch(tiles, self.processor.layout(picture.height, picture.width))

    @torch.inference_mode()
    def _speak(self, look: Look) -> tuple[str, int]:
        """Write the words that follow the verdict, greedily; return them and their token count."""
        look.cache.crop(-1)  # generation wants a last token that is not in the cache
        ids = torch.tensor([look.tokens])
        written = self.model.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), past_key_values=look.cache,
            max_new_tokens=MAX_WORDS, do_sample=False,
            eos_token_id=self.processor.tokenizer.eos_token_id,
            pad_token_id=self.processor.tokenizer.pad_token_id,
        )  # fmt: skip
        new = written[0, len(look.tokens) :].tolist()
        return self.processor.decode(new), len(new)

    def _parse(self, verdict: Verdict, text: str) -> Answer:
        try:
            return parse(prefix(verdict) + text, tuple(self.model.config.map_names))
        except AnswerError:
            return Answer(verdict, (), withheld=1)

    def _identity(self) -> dict[str, Any]:
        return {
            "name": self.checkpoint.name,
            "version": self.checkpoint.version,
            "sha256": self.checkpoint.sha256,
            "calibration": self.calibrator.version,
        }

    def _run(self, words: int) -> dict[str, Any]:
        packages = ("morelli", "torch", "transformers", "numpy", "opencv-python-headless")
        return {
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "dtype": str(self.dtype).removeprefix("torch."),
            "versions": {name: version(name) for name in packages}
            | {"python": platform.python_version()},
            "settings": {"mask_threshold": MASK_THRESHOLD, "decoding": "greedy"},
            "words": words,
        }


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[stage] = time.perf_counter() - start


def _custody(picture: Picture) -> dict[str, Any]:
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "actor": "morelli",
        "action": "opened and examined",
        "sha256": picture.sha256,
    }


def _silent(measurements: tuple[Measurement, ...]) -> Iterator[str]:
    for measurement in measurements:
        if measurement.reliability < MIN_RELIABILITY:
            yield f"The {measurement.instrument} instrument cannot tell on this picture."
