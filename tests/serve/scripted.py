"""An examiner without a model: it finds what `make_report` finds, and says what stands here."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from made_report import make_report

from morelli.data_pipeline.images import Picture
from morelli.data_pipeline.report import Report
from morelli.data_pipeline.schema import Measurement, Verdict
from morelli.model.conversation import Hear, Turn, Words

REPLY = "You asked {0} after {1} earlier. This picture is authentic. I do not know more."


@dataclass(frozen=True)
class Glance:
    """What a session may take the arrays out of."""

    measurements: tuple[Measurement, ...] = ()
    map: Any = None


class Scripted:
    """Answers as `Examiner` does."""

    def __init__(self, verdict: Verdict = Verdict.TAMPERED, seconds: float = 0.0) -> None:
        self.verdict, self.seconds = verdict, seconds

    def look(self, picture: Picture) -> Any:
        """See nothing, in the time given."""
        time.sleep(self.seconds)
        return Glance()

    def speak(self, look: Any, hear: Hear | None = None) -> Words:
        """Say three lines, one for each finding."""
        return _said("first\nsecond\nthird\n", hear)

    def report(self, picture: Picture, look: Any, words: Words | None = None) -> Report:
        """Report as many findings as lines were said."""
        whole = make_report(picture, self.verdict)
        count = words.text.count("\n") if words else 0
        sentences = whole.rationale.removesuffix(".").split(". ")[:count]
        return make_report(
            picture,
            self.verdict,
            findings=whole.findings[:count],
            rationale=" ".join(f"{sentence}." for sentence in sentences),
            withheld=int(count == 3),
        )

    def chat(
        self, look: Any, report: Report, turns: Sequence[Turn], hear: Hear | None = None
    ) -> Words:
        """Repeat the question and count the turns before it."""
        return _said(REPLY.format(repr(turns[-1].question), len(turns) - 1), hear)


def _said(text: str, hear: Hear | None) -> Words:
    for end in range(0, len(text), 4):
        time.sleep(0.01)
        if hear and hear(text[:end]):
            return Words(text[:end], end, 0.0, finished=True)
    return Words(text, len(text), 0.1, finished=True)


@dataclass(frozen=True)
class Glimpse:
    """A look at a picture that left nothing but its verdict."""

    verdict: Verdict


class Examining:
    """Examines at once: the verdict follows from the picture's hash, so that it never changes."""

    def look(self, picture: Picture) -> Any:
        """Decide by the hash."""
        verdicts = tuple(Verdict)
        return Glimpse(verdicts[int(picture.sha256, 16) % len(verdicts)])

    def speak_many(self, looks: Sequence[Any]) -> list[Words]:
        """Say nothing of each."""
        return [Words("", 0, 0.0, finished=True) for _ in looks]

    def report(self, picture: Picture, look: Any, words: Words | None = None) -> Report:
        """Report what was decided."""
        return make_report(picture, look.verdict)
