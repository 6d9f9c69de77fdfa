"""How real writing looks and varies, fitted to photographs and drawn from for pages and forgeries.

After FSTS (Fourier Series-based Tampering Synthesis, Yu et al., NeurIPS 2025): every parameter of
an individual is a combination of basis functions with weights, a population is the aggregate of
its individuals, and a sample takes an individual first and then its parameters, so that what goes
together stays together. FSTS fits logs of people who forge; none are free to use. Here the
individuals are photographs with writing in them, the basis functions cosines, and what is fitted
is how the letters of one line differ from each other: a forger who matches by eye is off by as
much. `fit_writing` measures and writes `writing.json`.
"""

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FITS = Path(__file__).with_name("writing.json")

TERMS = 12
"""Cosines in a density."""

_WIDTH = 0.06
"""Width of the Gaussian that each value is spread by, in shares of its parameter's range."""

_OF_INDIVIDUAL = 0.75
"""How often a value follows the individual; else it follows the population."""

_GRID = np.linspace(0, 1, 257)


@dataclass(frozen=True, slots=True)
class Scale:
    """The range of a parameter; values outside it are not fitted."""

    low: float
    high: float
    log: bool = False

    def to_share(self, value: float) -> float:
        """Return where a value lies in the range, 0 to 1."""
        low, high = self._ends()
        return (float(np.log(value) if self.log else value) - low) / (high - low)

    def from_share(self, share: float) -> float:
        """Return the value that lies at a share of the range."""
        low, high = self._ends()
        value = low + share * (high - low)
        return float(np.exp(value)) if self.log else value

    def _ends(self) -> tuple[float, float]:
        if self.log:
            return float(np.log(self.low)), float(np.log(self.high))
        return self.low, self.high


SCALES: dict[str, Scale] = {
    "size": Scale(0.004, 0.3, log=True),
    "contrast": Scale(0.08, 1.0),
    "blur": Scale(0.25, 5.0, log=True),
    "grain": Scale(0.15, 12.0, log=True),
    "tilt": Scale(-20.0, 20.0),
    "tint": Scale(0.0, 120.0),
    "offset": Scale(-0.2, 0.2),
    "stretch": Scale(0.75, 1.33, log=True),
    "ink step": Scale(-50.0, 50.0),
    "blur ratio": Scale(0.5, 2.0, log=True),
}
"""Of a picture: height of letters in shares of its shorter side; contrast of ink and paper in
shares of white; standard deviation in pixels of the blur of edges; noise of the paper in grey
levels; tilt of lines in degrees; spread of the ink's colour over its channels in levels.
Between letters of one line: offset from their common baseline in shares of their height; ratio of
heights of alike letters; difference of ink in levels; ratio of the blurs of a line's two halves."""


def series(shares: Sequence[float]) -> list[float]:
    """Return the (TERMS,) cosine coefficients of the smoothed density of shares in 0..1."""
    orders = np.arange(1, TERMS + 1)
    waves = np.sqrt(2) * np.cos(np.pi * orders[:, None] * np.asarray(shares, np.float64))
    damping = np.exp(-0.5 * (np.pi * orders * _WIDTH) ** 2)
    return [round(float(value), 4) for value in damping * waves.mean(axis=1)]


def density(coefficients: Sequence[float]) -> NDArray[np.float64]:
    """Return the (257,) density on an even grid of 0..1 that a cosine series stands for."""
    orders = np.arange(1, len(coefficients) + 1)
    waves = np.sqrt(2) * np.cos(np.pi * orders[:, None] * _GRID)
    # A truncated series dips below zero beside its peaks.
    values = np.maximum(1 + np.asarray(coefficients) @ waves, 0.0)
    return np.asarray(values / values.mean())


@dataclass(frozen=True, slots=True)
class Writer:
    """One individual of the population: every parameter that was measured in one photograph."""

    number: int
    own: Mapping[str, Sequence[float]]
    population: Mapping[str, Sequence[float]]

    def draw(self, rng: np.random.Generator, name: str) -> float:
        """Draw a parameter of `SCALES`, mostly from the individual's own distribution."""
        follows = rng.random() < _OF_INDIVIDUAL and name in self.own
        values = density((self.own if follows else self.population)[name])
        cumulated = np.concatenate([[0.0], np.cumsum((values[1:] + values[:-1]) / 2)])
        share = float(np.interp(rng.random(), cumulated / cumulated[-1], _GRID))
        return SCALES[name].from_share(share)


@functools.cache
def writers() -> tuple[Writer, ...]:
    """Return the fitted population.

    Raises:
        OSError: `writing.json` is missing.
    """
    fits = json.loads(FITS.read_text(encoding="utf-8"))
    population = fits["population"]
    return tuple(Writer(n, own, population) for n, own in enumerate(fits["individuals"]))


def draw_writer(rng: np.random.Generator) -> Writer:
    """Draw an individual, each as often as any other."""
    found = writers()
    return found[int(rng.integers(len(found)))]
