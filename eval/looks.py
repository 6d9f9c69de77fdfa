"""What scores and attacks need to know of an examiner and of what it says."""

from collections.abc import Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

from morelli.data_pipeline.images import Picture
from morelli.data_pipeline.schema import Finding, Measurement, Told, Verdict


class Located(Protocol):
    """What scores need to know of one look at a picture."""

    @property
    def probability(self) -> dict[str, float]:
        """Class name -> calibrated probability."""

    @property
    def interval(self) -> tuple[float, float]:
        """Of 1 - probability["authentic"]."""

    @property
    def verdict(self) -> Verdict:
        """The decision."""

    @property
    def map(self) -> NDArray[Any]:
        """(H, W) floats from 0 to 1, not gated by the verdict."""

    @property
    def seconds(self) -> dict[str, float]:
        """Stage -> wall time."""


class Explained(Located, Protocol):
    """The same with words."""

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        """What every instrument read, whatever the model was told."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The claims held against the measurements."""

    @property
    def rationale(self) -> str:
        """The words."""

    @property
    def withheld(self) -> int:
        """Number of sentences that are not shown."""


class Looks(Protocol):
    """The part of the Examiner that is scored."""

    def see(self, picture: Picture) -> Any:
        """Return what several looks at one picture have in common."""

    def look(self, picture: Picture, told: Told | None = None, sight: Any = None) -> Located:
        """Measure, decide and locate.

        Args:
            picture: opened.
            told: stands in the prompt in place of what was read.
            sight: what `see` returned of it, if it was seen before.
        """

    def explain(self, pictures: Sequence[Picture], looks: Sequence[Any]) -> Sequence[Explained]:
        """Give reasons for what this examiner saw at each of several pictures."""
