"""The one inference path: a picture in, a report out.

Order: instruments, encoders, classification probability mapper, mask, stability, calibrator,
decision, words.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
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
from morelli.model.calibration import EVEN, Calibrator, Decision, map_peak
from morelli.model.checkpoint import Checkpoint, load_checkpoint
from morelli.model.conversation import Hear, Turn, Words
from morelli.model.cpm import verdict_of_one
from morelli.model.device import device_of, fastest_dtype_on
from morelli.model.follow_up import Listening, conversation
from morelli.model.growing_cache import growing_cache
from morelli.model.limits import limits_of
from morelli.model.look import Look, Sight
from morelli.model.mask_decoder import soft_map
from morelli.model.memory import keep_freed_memory, release_freed_memory
from morelli.model.precision import narrow_linears
from morelli.model.reading_on import read_on, remembered
from morelli.model.run_record import identity_of, opened, run_record
from morelli.model.stability import Seen, drift, settled
from morelli.model.vision import ViewFeatures, encode

MASK_THRESHOLD = 0.5
MAX_WORDS = 256
"""Most tokens that an answer may take."""

MAX_REPLY = 160
"""Most tokens that the answer to a follow-up question may take."""


class Examiner:
    """Examine pictures with one checkpoint; several threads may share it, each with its picture."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        prior: float | None = None,
        stability: bool = True,
        device: str = "cpu",
    ) -> None:
        """Prepare to examine.

        Args:
            checkpoint: a loaded checkpoint.
            prior: base rate of manipulated pictures where this is used, in (0, 1); None states
                probabilities for even odds.
            stability: whether to try what mild changes do to each verdict; leave it out where
                scores are wanted and not verdicts.
            device: name of what the model computes on; pictures are opened, measured and changed
                by the processor anywhere.

        Raises:
            DeviceError: there is no such device.
            ValueError: `prior` is not in (0, 1).
        """
        if prior is not None and not 0 < prior < 1:
            raise ValueError(f"prior must lie between 0 and 1, got {prior}")
        self.checkpoint = checkpoint
        self.device = device_of(device)
        self.model = checkpoint.model.eval().to(self.device)
        self.processor = checkpoint.processor
        self.prior = EVEN if prior is None else prior
        self.stability = stability
        self.measure: Callable[[Picture], tuple[Measurement, ...]] = measure
        """Reads the instruments; may be exchanged for one that does so in another process."""
        narrow_linears(self.model.model.language_model)
        stem = self.model.model.vision.artifact.stem
        if stem is not None:  # a third faster on processors
            stem.to(memory_format=torch.channels_last)
        self.dtype = fastest_dtype_on(self.device)

    @classmethod
    def load(
        cls,
        checkpoint: Path | None = None,
        *,
        prior: float | None = None,
        stability: bool = True,
        operating_point: str | None = None,
        device: str = "cpu",
    ) -> "Examiner":
        """Load a checkpoint, the one that ships if none is named; arguments as of the class.

        From then on the process keeps the memory that it frees; see `model/memory.py`.

        Args:
            checkpoint: folder.
            prior: see the class.
            stability: see the class.
            operating_point: name of one that was measured when it was calibrated; None keeps what
                was stored then, as a rule that the stated probability decides at one half.
            device: see the class.

        Raises:
            CheckpointError: it is missing, damaged, holds a pickle, or has no such operating point.
            DeviceError: there is no such device.
            PullError: its base weights have not been pulled.
            ValueError: `prior` is not in (0, 1).
        """
        keep_freed_memory()
        device_of(device)  # before seconds are spent on weights that it could not hold
        loaded = load_checkpoint(checkpoint)
        if operating_point is not None:
            loaded = loaded.at(operating_point)
        examiner = cls(loaded, prior, stability, device)
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
            model=identity_of(self.checkpoint),
            prior=self.prior,
            operating_point=self.calibrator.threshold(self.prior),
            validation=self.checkpoint.validation,
            run=run_record(self.checkpoint, self.device, self.dtype, MASK_THRESHOLD)
            | {"words": words.count},
            custody=[opened(picture)],
            limits=limits_of(look.measurements, bool(look.stability)),
            seconds={stage: round(value, 3) for stage, value in seconds.items()},
        )

    @torch.inference_mode()
    def see(self, picture: Picture) -> Sight:
        """Measure and encode: what several looks at one picture have in common."""
        seconds: dict[str, float] = {}
        with _timed(seconds, "instruments"):
            measurements = self.measure(picture)
        with _timed(seconds, "encoders"):
            parts = self.processor.view_parts(picture.pixels, measurements)
            features = encode(self.model.model.vision, parts, self.dtype)
        return Sight(measurements, features, seconds)

    @torch.inference_mode()
    def look(self, picture: Picture, told: Told | None = None, sight: Sight | None = None) -> Look:
        """Measure, encode, decide and locate, without writing words.

        Args:
            picture: opened.
            told: what the language model is told was measured, None for what was.
            sight: what `see` returned of the picture, if it was seen before.
        """
        sight = sight or self.see(picture)
        measurements, features, seconds = sight.measurements, sight.features, {**sight.seconds}
        with _timed(seconds, "verdict"):
            told = told or Told(measurements, picture.height, picture.width)
            prompt = self.processor.prompt(told.measurements, told.height, told.width)
            tokens = self.processor.encode(prompt)
            output = self.model(
                input_ids=self._row(tokens), features=features, use_cache=True,
                past_key_values=growing_cache(), logits_to_keep=1,
            )  # fmt: skip
            raw = verdict_of_one(output.logits[:, -1], self.processor)
        with _timed(seconds, "map"):
            soft = self._locate(picture, features, output.past_key_values)
            peak = map_peak(soft, self.calibrator.mask_offset)
        with _timed(seconds, "stability"):
            seen = Seen(picture, measurements, features, raw)
            moved = drift(self.model, self.processor, seen, self.dtype) if self.stability else None
            decision, stability = self._decide(self.calibrator.joined(raw, peak), moved)
        with _timed(seconds, "verdict"):
            ending = self._open(output.past_key_values, len(tokens), decision.verdict)
        return Look(
            measurements=measurements,
            probability=decision.probability,
            interval=decision.interval,
            verdict=decision.verdict,
            map=soft,
            verdict_logits=raw,
            peak=peak,
            seconds=seconds,
            tokens=(*tokens, *ending),
            cache=output.past_key_values,
            stability=tuple(stability),
            moved=moved,
        )

    def _decide(
        self, logits: NDArray[np.float64], moved: NDArray[np.float64] | None
    ) -> tuple[Decision, list[dict[str, Any]]]:
        """Decide, given what mild changes do to the verdict if that was tried."""
        if moved is None:
            return self.calibrator.decide(logits, self.prior), []
        return settled(self.calibrator, logits, moved, self.prior)

    def _locate(self, picture: Picture, features: ViewFeatures, cache: Any) -> NDArray[np.float32]:
        """Decode the mask that `<seg>` prompts in an answer that begins with "tampered".

        That answer is the only one that shows a mask. The cache holds it afterwards.
        """
        ending = self.processor.verdict_prefix(Verdict.TAMPERED)
        output = self._read(ending, cache)
        seg = ending.index(self.model.config.seg_token_id)
        state: Tensor = output.last_hidden_state[:, seg]
        logits = self.model.decode_masks(features, state)
        where = self.processor.layout(picture.height, picture.width)
        return soft_map(logits, where, self.calibrator.mask_offset)

    def _open(self, cache: Any, known: int, verdict: Verdict) -> list[int]:
        """Return the tokens that open the answer, and put them in the cache behind `known`."""
        ending = self.processor.verdict_prefix(verdict)
        if verdict is not Verdict.TAMPERED:
            cache.crop(known - cache.get_seq_length())
            self._read(ending, cache)
        return ending

    def _read(self, tokens: list[int], cache: Any) -> Any:
        return self.model(
            input_ids=self._row(tokens), past_key_values=cache, use_cache=True, logits_to_keep=1
        )

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

    def explain(self, pictures: Sequence[Picture], looks: Sequence[Look]) -> list[Report]:
        """Report on several pictures that were looked at, their words written together."""
        words = self.speak_many(looks)
        return [self.report(*one) for one in zip(pictures, looks, words, strict=True)]

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

    @torch.inference_mode()
    def chat_many(self, asked: Sequence[tuple[Look, Report, Sequence[Turn]]]) -> list[Words]:
        """Answer several questions beside each other, each as `chat` does.

        What questions about one look have in common is read once. The memories of all of them are
        held at once, and again when they are joined: eight at a time are enough.

        Args:
            asked: look, report and turns of each; the caches of the looks stay as they are.

        Returns:
            What was written for each; `seconds` is its share of the time.

        Raises:
            ValueError: a last turn is no open question.
        """
        start = time.perf_counter()
        looks = [look for look, _, _ in asked]
        texts = [conversation(self.processor, report, turns) for _, report, turns in asked]
        caches = [look.cache for look in looks]
        read = remembered(self.model, [look.tokens for look in looks], caches, texts)
        cache = beside_each_other(read, [len(text) - 1 for text in texts])
        del read
        written = write_on(self.model, self.processor, texts, cache, MAX_REPLY)
        share = (time.perf_counter() - start) / len(asked)
        return [self._words(tokens, share) for tokens in written]

    def _continue(self, look: Look, tokens: list[int], limit: int, hear: Hear | None) -> Words:
        """Go on from tokens that begin as the look's do, so that its cache spares the picture."""
        start = time.perf_counter()
        read_on(self.model, look.tokens, look.cache, tokens, len(tokens) - 1)
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

    def _row(self, tokens: Sequence[int]) -> Tensor:
        """Return (1, T) token ids where the model is."""
        return torch.tensor([list(tokens)], device=self.device)


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[stage] = seconds.get(stage, 0.0) + time.perf_counter() - start
