"""Questions that benchmarks ask about pictures, answered by what a report states and no more.

Morelli reads no question. Each option is mapped to the verdicts that would make it true, when the
benchmark is read; an option that no verdict decides, such as a kind of forgery, is true of none. A
question whose options cannot be told apart stays unanswered, which counts as wrong.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from morelli.data_pipeline.schema import CLASSES, Verdict

Option = tuple[Verdict, ...]
"""The verdicts under which an option is true; empty if no verdict decides it."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question and its published answer.

    Attributes:
        id: unique in its benchmark.
        task: what it is scored with.
        part: a part of the task, such as a category of pictures.
        side: "real" or "fake" where the benchmark averages the accuracies of both; else None.
        pictures: ids of the pictures it is about: one, or one for each option in their order.
        options: in their order.
        answer: index of the right one.
    """

    id: str
    task: str
    part: str
    side: str | None
    pictures: tuple[str, ...]
    options: tuple[Option, ...]
    answer: int

    def __post_init__(self) -> None:
        """Refuse a question that nobody could answer rightly."""
        if not 0 <= self.answer < len(self.options):
            raise ValueError(
                f"{self.id}: answer {self.answer} is none of {len(self.options)} options"
            )
        if len(self.pictures) not in (1, len(self.options)):
            raise ValueError(
                f"{self.id}: {len(self.pictures)} pictures for {len(self.options)} options"
            )

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Read the form of `as_json`.

        Raises:
            KeyError: a missing field.
            ValueError: an unknown verdict, or no answer.
        """
        options = tuple(tuple(Verdict(one) for one in option) for option in record["options"])
        return cls(
            id=record["id"],
            task=record["task"],
            part=record["part"],
            side=record["side"],
            pictures=tuple(record["pictures"]),
            options=options,
            answer=record["answer"],
        )

    def as_json(self) -> dict[str, Any]:
        """Return the form that predictions hold."""
        return asdict(self)

    @property
    def answerable(self) -> bool:
        """Whether some verdicts lead to one option alone."""
        if len(self.pictures) > 1:
            return all(self.options)
        return any(self._only(verdict) is not None for verdict in CLASSES)

    def answered(
        self, verdicts: Sequence[Verdict | None], probabilities: Sequence[Sequence[float] | None]
    ) -> int | None:
        """Return the index of the option that a system's reports state, None if they state none.

        Of one picture, that is the only option that its verdict makes true; `inconclusive` makes
        none true. Of several, the one that is likeliest to be true of its picture.

        Args:
            verdicts: of each of `pictures`.
            probabilities: likewise, of each of `CLASSES`.
        """
        if len(self.pictures) == 1:
            return self._only(verdicts[0])
        chances: list[float] = []
        for option, probability in zip(self.options, probabilities, strict=True):
            if not option or probability is None:
                return None
            chances.append(sum(probability[CLASSES.index(one)] for one in option))
        best = max(chances)
        return chances.index(best) if chances.count(best) == 1 else None

    def _only(self, verdict: Verdict | None) -> int | None:
        true = [index for index, option in enumerate(self.options) if verdict in option]
        return true[0] if len(true) == 1 else None
