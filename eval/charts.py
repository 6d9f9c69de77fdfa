"""Draws curves as SVG, small enough to read the code and to put a dozen on a page."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

_WIDTH, _HEIGHT = 320, 268
_LEFT, _TOP, _RIGHT, _BOTTOM = 52, 14, 12, 42
_COLOURS = 6
"""Colours that the page's style sheet has for lines: .c0 to .c5."""


@dataclass(frozen=True, slots=True)
class Line:
    """One curve.

    Attributes:
        name: for the legend; empty leaves it out.
        points: (x, y), drawn in their order.
        band: (x, low, high) of its interval, or none.
        dots: mark each point.
        quiet: draw it thin and dashed, as something to compare with.
    """

    name: str
    points: Sequence[tuple[float, float]]
    band: Sequence[tuple[float, float, float]] = ()
    dots: bool = False
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """A title, two axes and some curves; y goes from 0 to 1."""

    title: str
    x_label: str
    y_label: str
    lines: Sequence[Line]
    x_range: tuple[float, float] = (0.0, 1.0)

    def svg(self) -> Markup:
        """Return the drawing, readable by screen readers through its title."""
        parts = [*self._axes(), *self._curves()]
        label = escape(f"{self.title}: {self.y_label} over {self.x_label}")
        return Markup(
            f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">'
            + "".join(parts)
            + "</svg>"
        )

    def _x(self, value: float) -> float:
        low, high = self.x_range
        share = (value - low) / (high - low) if high > low else 0.5
        return round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT), 2)

    def _y(self, value: float) -> float:
        return round(_HEIGHT - _BOTTOM - value * (_HEIGHT - _TOP - _BOTTOM), 2)

    def _axes(self) -> list[str]:
        low, high = self.x_range
        parts = []
        for step in range(5):
            y, x = step / 4, low + step / 4 * (high - low)
            parts.append(
                f'<path class="grid" d="M{self._x(low)} {self._y(y)}H{self._x(high)}"/>'
                f'<text class="end" x="{_LEFT - 6}" y="{self._y(y) + 4}">{y:g}</text>'
                f'<text class="mid" x="{self._x(x)}" y="{_HEIGHT - 26}">{x:.4g}</text>'
            )
        middle = (_TOP + _HEIGHT - _BOTTOM) / 2
        parts.append(
            f'<text class="mid" x="{self._x((low + high) / 2)}" y="{_HEIGHT - 8}">'
            f"{escape(self.x_label)}</text>"
            f'<text class="mid" transform="rotate(-90 12 {middle})" x="12" y="{middle}">'
            f"{escape(self.y_label)}</text>"
        )
        return parts

    def _curves(self) -> list[str]:
        parts = []
        loud = [line for line in self.lines if not line.quiet]
        for line in self.lines:
            colour = "quiet" if line.quiet else f"c{loud.index(line) % _COLOURS}"
            if line.band:
                upper = " ".join(f"{self._x(x)},{self._y(high)}" for x, _, high in line.band)
                lower = " ".join(f"{self._x(x)},{self._y(low)}" for x, low, _ in line.band[::-1])
                parts.append(f'<polygon class="band {colour}" points="{upper} {lower}"/>')
            joined = " ".join(f"{self._x(x)},{self._y(y)}" for x, y in line.points)
            parts.append(f'<polyline class="{colour}" points="{joined}"/>')
            if line.dots:
                parts += [
                    f'<circle class="{colour}" cx="{self._x(x)}" cy="{self._y(y)}" r="3"/>'
                    for x, y in line.points
                ]
        return parts

    @property
    def legend(self) -> list[tuple[str, str]]:
        """The class and the name of each curve that has a name."""
        loud = [line for line in self.lines if not line.quiet]
        return [
            (f"c{number % _COLOURS}", line.name) for number, line in enumerate(loud) if line.name
        ]
