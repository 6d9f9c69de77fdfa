"""What a reward looks at: one sampled answer with its mask, and the truth of its picture."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from morelli.data_pipeline.answer import AnswerError, parse
from morelli.data_pipeline.schema import CLASSES, Answer, Finding, Measurement, Verdict
from morelli.data_pipeline.verifier import findings

MASK_THRESHOLD = 0.5
"""A map is a mask above this, as in the report."""


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What is known of a picture that an answer is rewarded for.

    Attributes:
        verdict: one of `schema.CLASSES`.
        mask: (H, W) True where it was altered, all False if nowhere; None if not known.
        measurements: by instrument name; maps are (H, W).
        height: H in pixels.
        width: W in pixels.
    """

    verdict: Verdict
    mask: NDArray[np.bool_] | None
    measurements: Mapping[str, Measurement]
    height: int
    width: int

    def __post_init__(self) -> None:
        """Refuse a mask of another size, and a label that nobody can be sure of."""
        if self.verdict not in CLASSES:
            raise ValueError(f"no picture is {self.verdict} in truth; give one of {list(CLASSES)}")
        if self.mask is not None and self.mask.shape != (self.height, self.width):
            raise ValueError(
                f"mask has shape {self.mask.shape}, its picture {(self.height, self.width)}"
            )

    def findings_of(self, answer: Answer) -> tuple[Finding, ...]:
        """Hold an answer's claims against the measurements."""
        return findings(answer, self.measurements, self.height, self.width)


@dataclass(frozen=True, slots=True, eq=False)
class Rollout:
    """One sampled answer, as a reward sees it.

    Attributes:
        text: the whole answer, verdict stem and `<seg>` included, the end token left out.
        answer: `text` parsed, or None if it does not open with a verdict line.
        probability: (3,) calibrated, in the order of `schema.CLASSES`.
        map: (H, W) float, 0 (untouched) to 1 (altered), decoded from this answer's `<seg>`.
        finished: the model ended the answer by itself, before the limit of tokens.
    """

    text: str
    answer: Answer | None
    probability: NDArray[np.float64]
    map: NDArray[np.float32]
    finished: bool

    @classmethod
    def read(
        cls,
        text: str,
        probability: NDArray[np.float64],
        soft: NDArray[np.float32],
        finished: bool = True,
    ) -> "Rollout":
        """Parse a sampled answer; every well-formed instrument name is accepted."""
        try:
            answer = parse(text)
        except AnswerError:
            answer = None
        return cls(text, answer, probability, soft, finished)

    @property
    def mask(self) -> NDArray[np.bool_]:
        """The (H, W) mask a report would show: empty unless the answer says tampered."""
        if self.answer is None or self.answer.verdict is not Verdict.TAMPERED:
            return np.zeros(self.map.shape, bool)
        return np.asarray(self.map > MASK_THRESHOLD)

    @property
    def lines(self) -> list[str]:
        """The lines below the verdict line that are not blank."""
        return [line for line in self.text.split("\n")[1:] if line.strip()]
