"""Probabilities that mean something: temperature, interval, base rate and decision.

The mapper's logits are joined with what the map of altered pixels shows at its most suspected
place, rescaled by one temperature and one offset a class, fitted on pictures that nothing was
trained on (Guo et al. 2017, with vector offsets). The interval is Wilson's, of the share of
manipulated pictures among the calibration pictures that lie next above and next below in score, as
many of both.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from morelli.data_pipeline.schema import CLASSES, Verdict

Values = float | NDArray[np.float64]

FILE = "calibration.json"
EVEN = 0.5
"""Base rate that a probability is stated for where nobody names one: the picture speaks alone."""

_BESIDE = 15
"""Neighbours above and below that an interval rests on, of a small set; of a large one 1 in 16."""

_Z = 1.959964
"""Standard errors that hold 95 % of a normal distribution."""

_PEAK_SHARE = 0.005
"""Of a picture's pixels, that are more suspected than its map's peak: a smaller edit is rare, and
single pixels say little."""

_PEAK_PIXELS = 400_000
"""Of a map at least, that its peak is read from; of larger maps evenly spaced rows and columns."""

_SUREST_PEAK = 1e-3

_TIE = 0.1
_HALF = 0.5
_SUREST = 1e-6
"""An operating point's least distance from 0 and 1."""


@dataclass(frozen=True)
class Decision:
    """What is decided from one picture's verdict logits.

    Attributes:
        probability: class name -> calibrated probability, sums to 1.
        interval: of 1 - probability["authentic"], 95 %.
        verdict: may be inconclusive.
    """

    probability: dict[str, float]
    interval: tuple[float, float]
    verdict: Verdict


@dataclass(frozen=True)
class Calibrator:
    """How raw scores become probabilities, with the pictures that it was fitted on.

    Attributes:
        temperature: divides the verdict logits.
        offsets: one for each of `schema.CLASSES`, added after.
        map_weights: one for each of `schema.CLASSES`; times the map's peak, they are added to the
            verdict logits.
        mask_offset: added to the mask logits, so that 0.5 is the threshold that served best.
        prior: share of manipulated pictures among those it was fitted on.
        operating_point: 1 - p(authentic) at even odds from which on a picture counts as
            manipulated, whatever base rate its probability is stated for; None decides by what is
            stated, at one half.
        scores: 1 - p(authentic) of the calibration pictures, sorted.
        manipulated: 1 for each of them that is not authentic, else 0.
        slopes: change -> by how much it is told to move the logits of a whole picture for each
            unit by which it moves those of its copy; 1 where there is none, as in every checkpoint
            until 0.3.
        version: says what it was fitted on.
    """

    temperature: float = 1.0
    offsets: tuple[float, ...] = (0.0, 0.0, 0.0)
    map_weights: tuple[float, ...] = (0.0, 0.0, 0.0)
    mask_offset: float = 0.0
    prior: float = 0.5
    operating_point: float | None = None
    scores: tuple[float, ...] = ()
    manipulated: tuple[int, ...] = ()
    slopes: Mapping[str, float] = field(default_factory=dict)
    version: str = "none"

    def joined(self, logits: NDArray[np.float64], peak: Values) -> NDArray[np.float64]:
        """Add what the map says to raw verdict logits.

        Args:
            logits: (..., 3) of the mapper.
            peak: (...) of the map, as `map_peak` has it.
        """
        weighed: NDArray[np.float64] = np.multiply.outer(peak, self.map_weights)
        return np.asarray(logits, np.float64) + weighed

    def probabilities(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map (..., 3) joined logits to calibrated probabilities at the fitted base rate."""
        shifted = np.asarray(logits, np.float64) / self.temperature + np.asarray(self.offsets)
        weights = np.exp(shifted - shifted.max(-1, keepdims=True))
        probabilities: NDArray[np.float64] = weights / weights.sum(-1, keepdims=True)
        return probabilities

    def decide(
        self,
        logits: NDArray[np.float64],
        prior: float | None = None,
        holding: Sequence[NDArray[np.float64]] = (),
    ) -> Decision:
        """Decide on one picture.

        Args:
            logits: (3,) joined logits.
            prior: base rate of manipulated pictures to state the probability for; None keeps the
                rate that the calibrator was fitted at.
            holding: further (3,) logits whose probabilities the interval is widened to hold.
        """
        fitted = self.probabilities(logits)
        low, high = self.interval(float(1 - fitted[0]))
        held = [float(1 - self.probabilities(one)[0]) for one in holding]
        low, high = min([low, *held]), max([high, *held])
        rate = self.prior if prior is None else prior
        corrected = _at_base_rate(fitted, self.prior, rate)
        # the operating point is one half where manipulated pictures are this rare
        turning = rate if self.operating_point is None else 1 - self._point()
        return Decision(
            probability=dict(zip((str(name) for name in CLASSES), corrected, strict=True)),
            interval=(shifted(low, self.prior, rate), shifted(high, self.prior, rate)),
            verdict=_verdict(
                _at_base_rate(fitted, self.prior, turning),
                (shifted(low, self.prior, turning), shifted(high, self.prior, turning)),
            ),
        )

    def movement(self, changes: Sequence[str], moved: NDArray[np.float64]) -> NDArray[np.float64]:
        """Tell how far changes move a whole picture's logits, given what they do to its copy.

        Args:
            changes: n names.
            moved: (n, 3) differences of raw verdict logits on the copy.

        Returns:
            (n, 3) differences of raw verdict logits.
        """
        slopes = np.array([self.slopes.get(name, 1.0) for name in changes])
        return slopes[:, None] * moved

    def threshold(self, prior: float) -> float:
        """Return 1 - p(authentic), stated for a base rate, at which the verdict turns."""
        return _HALF if self.operating_point is None else shifted(self._point(), EVEN, prior)

    def _point(self) -> float:
        assert self.operating_point is not None
        return min(max(self.operating_point, _SUREST), 1 - _SUREST)

    def interval(self, score: float) -> tuple[float, float]:
        """Return the 95 % interval of the chance that a picture of this score is manipulated.

        Wilson's, of the calibration pictures next above and below: as many of both, since a
        neighbourhood to one side is off the mark wherever the chance rises with the score. At
        either end there are fewer, down to half as many, all on one side at the very last.

        Args:
            score: 1 - p(authentic) at the fitted base rate.

        Returns:
            (low, high) at that rate, which holds the score itself; all of [0, 1] without pictures.
        """
        count = len(self.scores)
        if not count:
            return 0.0, 1.0
        most = max(_BESIDE, count // 16)
        place = int(np.searchsorted(self.scores, score))
        reach = min(most, max((most + 1) // 2, min(place, count - place)))
        near = self.manipulated[max(0, place - reach) : place + reach]
        low, high = wilson(sum(near), len(near))
        # the probability that is shown always lies inside its own interval
        return min(low, score), max(high, score)

    def outdated(self) -> "Calibrator":
        """Return what is left of a calibrator once the model has learned on: it never decides.

        Without pictures to compare with, the interval is all of [0, 1] and every verdict is
        inconclusive, until a new one is fitted.
        """
        version = "outdated by training; run `morelli eval calibrate`"
        return replace(self, scores=(), manipulated=(), version=version)

    def save(self, folder: Path) -> None:
        """Write the calibrator into a checkpoint."""
        (folder / FILE).write_text(json.dumps(asdict(self)) + "\n")

    @classmethod
    def load(cls, folder: Path) -> "Calibrator":
        """Read a checkpoint's calibrator; the identity, which never commits itself, if none."""
        path = folder / FILE
        if not path.exists():
            return cls()
        record = json.loads(path.read_text())
        # Until 0.2 a threshold was stored as it was measured: at the fitted base rate.
        threshold = record.pop("threshold", _HALF)
        if threshold != _HALF:
            record["operating_point"] = shifted(threshold, record["prior"], EVEN)
        lists = {key: tuple(value) for key, value in record.items() if isinstance(value, list)}
        return cls(**{**record, **lists})


def map_peak(soft: NDArray[np.float32], offset: float = 0.0) -> float:
    """Return how strongly the most suspected part of a picture is suspected.

    Generalised pooling of a localiser's map into a detector's score, as MVSS-Net's maximum (Chen et
    al. 2021), here the level that one pixel in 200 exceeds. A quantile is left where it is by any
    rising function, so that it can be read from the shown map.

    Args:
        soft: (H, W) from 0 to 1, in any frame.
        offset: that was added to its logits.

    Returns:
        The peak's logit without the offset, about -7 to 7.
    """
    step = max(1, math.isqrt(soft.size // _PEAK_PIXELS))
    levels = np.ravel(soft[::step, ::step])
    place = int(len(levels) * (1 - _PEAK_SHARE))
    level = float(np.partition(levels, place)[place])
    level = min(max(level, _SUREST_PEAK), 1 - _SUREST_PEAK)
    return math.log(level / (1 - level)) - offset


def wilson(count: int, n: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share, `count` of `n` (E. B. Wilson, JASA 1927).

    Written out, since SciPy's statistics take half a second to import.

    Raises:
        ValueError: `count` is not 0 to `n`, or `n` is 0.
    """
    if not 0 <= count <= n or n == 0:
        raise ValueError(f"a share needs 0 <= count <= n and n > 0, got {count} of {n}")
    share, weight = count / n, 1 + _Z**2 / n
    centre = (share + _Z**2 / (2 * n)) / weight
    half = _Z * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2)) / weight
    # rounding leaves a trace where nothing, or everything, was counted
    return max(0.0, centre - half) if count else 0.0, min(1.0, centre + half) if count < n else 1.0


def _verdict(probabilities: list[float], interval: tuple[float, float]) -> Verdict:
    """Decide by probabilities and an interval stated for the rate at which one half is right."""
    first, second = np.argsort(probabilities)[::-1][:2]
    tied = probabilities[first] - probabilities[second] < _TIE
    if tied or interval[0] <= _HALF <= interval[1]:
        return Verdict.INCONCLUSIVE
    if interval[1] < _HALF:
        return Verdict.AUTHENTIC
    return CLASSES[1 + int(np.argmax(probabilities[1:]))]


def shifted(probability: float, fitted: float, rate: float) -> float:
    """Move a probability of manipulation from one base rate to another (Bayes)."""
    yes = probability * rate / fitted
    no = (1 - probability) * (1 - rate) / (1 - fitted)
    return float(yes / (yes + no))


def _at_base_rate(probabilities: NDArray[np.float64], fitted: float, rate: float) -> list[float]:
    manipulated = shifted(float(1 - probabilities[0]), fitted, rate)
    parts = probabilities[1:] / max(float(probabilities[1:].sum()), 1e-12) * manipulated
    return [1.0 - float(parts.sum()), *(float(part) for part in parts)]
