"""The one inference path: a picture in, a report out.

Order: instruments, encoders, classification probability mapper, stability, calibrator, decision,
mask, words.
"""

import platform
import time
from collections.abc import Callable, Iterator, Sequence
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
from morelli.data_pipeline.schema import Answer, Measurement, Told, Verdict
from morelli.data_pipeline.verifier import findings, rationale_of, withhold_misplaced
from morelli.model.batching import beside_each_other, write_on
from morelli.model.calibration import EVEN, Calibrator, Decision
from morelli.model.checkpoint import Checkpoint, load_checkpoint
from morelli.model.conversation import Hear, Turn, Words
from morelli.model.cpm import verdict_logits
from morelli.model.follow_up import Listening, conversation, shared_prefix
from morelli.model.growing_cache import growing_cache
from morelli.model.limits import limits_of
from morelli.model.memory import keep_freed_memory, release_freed_memory
from morelli.model.precision import fastest_dtype, narrow_linears
from morelli.model.stability import drift, settled
from morelli.model.views import stitch
from morelli.model.vision import ViewFeatures, encode

MASK_THRESHOLD = 0.5
MAX_WORDS = 256
"""Most tokens that an answer may take."""

MAX_REPLY = 160
"""Most tokens that the answer to a follow-up question may take."""


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
        stability: what mild changes do, as reports list it; empty if it was left out.
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
    stability: tuple[dict[str, Any], ...] = ()


class Examiner:
    """Examine pictures with one checkpoint; several threads may share it, each with its picture."""

    def __init__(
        self, checkpoint: Checkpoint, prior: float | None = None, stability: bool = True
    ) -> None:
        """Prepare to examine.

        Args:
            checkpoint: a loaded checkpoint.
            prior: base rate of manipulated pictures where this is used, in (0, 1); None states
                probabilities for even odds.
            stability: whether to try what mild changes do to each verdict; leave it out where
                scores are wanted and not verdicts.

        Raises:
            ValueError: `prior` is not in (0, 1).
        """
        if prior is not None and not 0 < prior < 1:
            raise ValueError(f"prior must lie between 0 and 1, got {prior}")
        self.checkpoint = checkpoint
        self.model = checkpoint.model.eval()
        self.processor = checkpoint.processor
        self.prior = EVEN if prior is None else prior
        self.stability = stability
        self.measure: Callable[[Picture], tuple[Measurement, ...]] = measure
        """Reads the instruments; may be exchanged for one that does so in another process."""
        narrow_linears(self.model.model.language_model)
        stem = self.model.model.vision.artifact.stem
        if stem is not None:  # a third faster on processors
            stem.to(memory_format=torch.channels_last)
        self.dtype = fastest_dtype()

    @classmethod
    def load(
        cls, checkpoint: Path | None = None, *, prior: float | None = None, stability: bool = True
    ) -> "Examiner":
        """Load a checkpoint, the one that ships if none is named; arguments as of the class.

        From then on the process keeps the memory that it frees; see `model/memory.py`.

        Raises:
            CheckpointError: it is missing, damaged, or holds a pickle.
            PullError: its base weights have not been pulled.
            ValueError: `prior` is not in (0, 1).
        """
        keep_freed_memory()
        examiner = cls(load_checkpoint(checkpoint), prior, stability)
        release_freed_memory()
        return examiner

    @property
    def calibrator(self) -> Calibrator:
        """The checkpoint's calibrator."""
        return self.checkpoint.calibrator

    def examine(self, picture: Picture, told: Told | None = None) -> Report:
        """Examine a picture from its pixels to a checked rationale; `told` as in `look`."""
        look = self.look(picture, told)
        return self.report(picture, look, self.speak(look))

    def report(self, picture: Picture, look: Look, words: Words | None = None) -> Report:
        """Hold the words against the measurements, and put all that is known in a report.

        Args:
            picture: what was looked at.
            look: what was seen.
            words: the answer, also an unfinished one, whose last line is then left out; None
                gives a report without reasons.
        """
        words = words or Words("", 0, 0.0, finished=True)
        text = words.text if words.finished else words.text[: words.text.rfind("\n") + 1]
        mask = look.map > MASK_THRESHOLD if look.verdict is Verdict.TAMPERED else None
        answer = self._parse(look.verdict, text)
        if mask is not None:
            answer = withhold_misplaced(answer, mask)
        named = {measurement.instrument: measurement for measurement in look.measurements}
        found = findings(answer, named, picture.height, picture.width)
        seconds = look.seconds | {"words": words.seconds}
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
            stability=list(look.stability),
            metadata={"notes": list(picture.notes), "orientation": picture.orientation},
            model=self._identity(),
            prior=self.prior,
            operating_point=self.calibrator.threshold(self.prior),
            validation=self.checkpoint.validation,
            run=self._run(words.count),
            custody=[_custody(picture)],
            limits=limits_of(look.measurements, bool(look.stability)),
            seconds={stage: round(value, 3) for stage, value in seconds.items()},
        )

    @torch.inference_mode()
    def look(self, picture: Picture, told: Told | None = None) -> Look:
        """Measure, encode, decide and locate, without writing words.

        Args:
            picture: opened.
            told: what the language model is told was measured, None for what was.
        """
        seconds: dict[str, float] = {}
        with _timed(seconds, "instruments"):
            measurements = self.measure(picture)
        with _timed(seconds, "encoders"):
            features = self._encode(picture, measurements)
        with _timed(seconds, "verdict"):
            told = told or Told(measurements, picture.height, picture.width)
            prompt = self.processor.prompt(told.measurements, told.height, told.width)
            tokens = self.processor.encode(prompt)
            output = self.model(
                input_ids=torch.tensor([tokens]), features=features, use_cache=True,
                past_key_values=growing_cache(), logits_to_keep=1,
            )  # fmt: skip
            logits = verdict_logits(
                output.logits[:, -1],
                self.processor.verdict_ids,
                self.model.config.verdict_temperature,
            )
            raw = logits[0].double().numpy()
        with _timed(seconds, "stability"):
            decision, stability = self._settle(picture, measurements, raw)
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
            stability=tuple(stability),
        )

    def _settle(
        self,
        picture: Picture,
        measurements: tuple[Measurement, ...],
        logits: NDArray[np.float64],
    ) -> tuple[Decision, list[dict[str, Any]]]:
        """Decide, after trying what mild changes do to the verdict."""
        if not self.stability:
            return self.calibrator.decide(logits, self.prior), []
        moved = drift(self.model, self.processor, picture, measurements, self.dtype)
        return settled(self.calibrator, logits, moved, self.prior)

    def _encode(self, picture: Picture, measurements: tuple[Measurement, ...]) -> ViewFeatures:
        parts = self.processor.view_parts(picture.pixels, measurements)
        return encode(self.model.model.vision, parts, self.dtype)

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
    def speak(self, look: Look, hear: Hear | None = None) -> Words:
        """Write the words that follow the verdict, greedily.

        Args:
            look: of the picture; its cache grows, and is cut back when it is used again.
            hear: is given the text so far after each token, and may stop the model.
        """
        return self._continue(look, list(look.tokens), MAX_WORDS, hear)

    @contextmanager
    def sharing_cores(self, count: int) -> Iterator[None]:
        """Let each of so many threads that are started inside compute with its share of the cores.

        One thread a core, each with a picture of its own, wastes less than all cores on one.
        """
        before = torch.get_num_threads()
        torch.set_num_threads(max(1, before // count))
        try:
            yield
        finally:
            torch.set_num_threads(before)

    @torch.inference_mode()
    def speak_many(self, looks: Sequence[Look]) -> list[Words]:
        """Write the words of several pictures beside each other, each as `speak` does.

        Args:
            looks: of the pictures; their caches stay as they are, and are held a second time
                meanwhile.

        Returns:
            What was written for each; `seconds` is its share of the time.
        """
        start = time.perf_counter()
        cache = beside_each_other(
            [look.cache for look in looks], [len(look.tokens) - 1 for look in looks]
        )
        texts = [look.tokens for look in looks]
        written = write_on(self.model, self.processor, texts, cache, MAX_WORDS)
        share = (time.perf_counter() - start) / len(looks)
        return [self._words(tokens, share) for tokens in written]

    @torch.inference_mode()
    def chat(
        self, look: Look, report: Report, turns: Sequence[Turn], hear: Hear | None = None
    ) -> Words:
        """Answer the last of several questions about a picture that was examined.

        The words are raw; `conversation.shown` takes out what would deny the verdict. Expect
        little of a checkpoint whose chat `conversation.is_limited`.

        Raises:
            ValueError: the last turn is no open question.
        """
        tokens = conversation(self.processor, report, turns)
        return self._continue(look, tokens, MAX_REPLY, hear)

    def _continue(self, look: Look, tokens: list[int], limit: int, hear: Hear | None) -> Words:
        """Go on from tokens that begin as the look's do, so that its cache spares the picture."""
        start = time.perf_counter()
        known = shared_prefix(look.tokens, tokens)
        image_end = _last_index(look.tokens, self.model.config.image_token_id) + 1
        if known < image_end:
            raise ValueError(f"the conversation leaves the look's prompt at token {known}")
        # Generation wants a last token that is not in the cache.
        surplus = look.cache.get_seq_length() - min(known, len(tokens) - 1)
        look.cache.crop(-surplus)
        listening = [Listening(self.processor, len(tokens), hear)] if hear else []
        (new,) = write_on(self.model, self.processor, [tokens], look.cache, limit, listening)
        return self._words(new, time.perf_counter() - start)

    def _words(self, tokens: list[int], seconds: float) -> Words:
        return Words(self.processor.decode(tokens), len(tokens), seconds, finished=True)

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


def _last_index(tokens: Sequence[int], token: int) -> int:
    """Return where a token stands for the last time, -1 if nowhere."""
    return max((index for index, other in enumerate(tokens) if other == token), default=-1)


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
