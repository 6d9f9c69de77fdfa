"""What is done to a picture before it is looked at, by name and strength: the base of both kinds.

Transforms happen to any picture on its way; attacks are made by someone who wants a wrong verdict.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self


@dataclass(frozen=True, slots=True)
class Scale:
    """What a kind of change is called, and how strong it may be.

    Attributes:
        label: as printed before the strength.
        unit: what the strength counts.
        range: lowest and highest strength.
        strengths: those of the protocol, which the bare name stands for.
    """

    label: str
    unit: str
    range: tuple[float, float]
    strengths: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Change(ABC):
    """One change of one strength.

    Attributes:
        family: a name in the table of its kind.
        strength: in its family's unit.
    """

    NOUN: ClassVar[str]

    family: str
    strength: float

    @classmethod
    @abstractmethod
    def families(cls) -> Mapping[str, Scale]:
        """Return the table of its kind."""

    def __post_init__(self) -> None:
        """Refuse what no table lists."""
        families = self.families()
        if self.family not in families:
            known = ", ".join(families)
            raise ValueError(f"no {self.NOUN} {self.family!r}; there are {known}")
        low, high = families[self.family].range
        if not low <= self.strength <= high:
            raise ValueError(
                f"{self.family} takes a strength from {low:g} to {high:g}, got {self.strength:g}"
            )

    @property
    def name(self) -> str:
        """As printed: "JPEG 90"."""
        return f"{self.families()[self.family].label} {self.strength:g}"

    @classmethod
    def of_name(cls, name: str) -> Self | None:
        """Return the change that prints as a name, None if there is none of its kind."""
        label, _, strength = name.rpartition(" ")
        for family, entry in cls.families().items():
            if entry.label == label:
                try:
                    return cls(family, float(strength))
                except ValueError:
                    return None
        return None

    @classmethod
    def read(cls, words: Sequence[str]) -> tuple[Self, ...]:
        """Return the changes of words like "jpeg:90"; "jpeg" stands for its whole protocol.

        Raises:
            ValueError: an unknown name, or a strength that is none or out of range.
        """
        found: list[Self] = []
        for word in words:
            family, colon, strength = word.partition(":")
            if colon:
                try:
                    found.append(cls(family, float(strength)))
                except ValueError as error:
                    raise ValueError(f"{word!r}: {error}") from None
            else:
                known = cls.families()
                strengths = known[family].strengths if family in known else (0.0,)
                found += [cls(family, one) for one in strengths]
        return tuple(dict.fromkeys(found))
