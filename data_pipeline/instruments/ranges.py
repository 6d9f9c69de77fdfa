"""What each instrument reads on untouched photographs, as fitted by `fit_ranges`."""

import json
from functools import cache
from importlib.resources import files

_FILE = "ranges.json"


@cache
def _ranges() -> dict[str, tuple[float, float]]:
    """Read the fitted ranges once per process."""
    text = files("morelli.data_pipeline.instruments").joinpath(_FILE).read_text(encoding="utf-8")
    fitted = json.loads(text)["instruments"]
    return {name: (float(entry["low"]), float(entry["high"])) for name, entry in fitted.items()}


def expected_range(instrument: str) -> tuple[float, float]:
    """Return [low, high] of an instrument's value on untouched photographs, in its own unit.

    Raises:
        KeyError: no range was fitted for this instrument; run `fit_ranges`.
    """
    if instrument not in _ranges():
        raise KeyError(
            f"no expected range for {instrument!r} in {_FILE}, which has"
            f" {', '.join(_ranges())}; run python -m morelli.data_pipeline.instruments.fit_ranges"
        )
    return _ranges()[instrument]
