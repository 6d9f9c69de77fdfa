"""How strongly a report's evidence speaks, as a likelihood ratio in a band of a printed scale.

The ratio is how many times likelier the evidence is if the picture was manipulated than if not. It
is capped by what the pictures of the calibration can support: of N authentic pictures of which none
is called manipulated, a share of 3 / N may still be (the rule of three, 95 %).
"""

from typing import Any

SCALE = (
    (2, "no support"),
    (10, "weak support"),
    (100, "moderate support"),
    (1_000, "moderately strong support"),
    (10_000, "strong support"),
    (1_000_000, "very strong support"),
)
"""(below this ratio, words), after ENFSI's and Dundee's tables; beyond, extremely strong."""

_BEYOND = "extremely strong support"
_RULE_OF_THREE = 3
_SUREST = 1e-9


def strength(record: dict[str, Any]) -> str | None:
    """Return what a report's probability is worth as a likelihood ratio, with cap and scale.

    Args:
        record: of `morelli.report/1`.

    Returns:
        Sentences; None if the record does not tell how many pictures were calibrated on.
    """
    points = record["validation"].get("calibration", {}).get("operating_points", ())
    if not points:
        return None
    authentic, manipulated = points[0]["false_positives"]["n"], points[0]["recall"]["n"]
    ratio = likelihood_ratio(1 - record["probability"]["authentic"], record["prior"])
    forged, size = ratio >= 1, max(ratio, 1 / ratio)
    side, other = ("manipulation", "authenticity") if forged else ("authenticity", "manipulation")
    most = max(1, (authentic if forged else manipulated) // _RULE_OF_THREE)
    shown = min(size, most)
    reached = f"at least {most:,}" if size > most else f"about {_two_digits(shown)}"
    words = in_words(shown)
    speaks = f"{words} for {side}" if words != SCALE[0][1] else f"{words} for either answer"
    return (
        f"The evidence is {reached} times as likely under {side} as under {other}: {speaks}. With "
        f"{authentic} authentic and {manipulated} manipulated pictures in the calibration, no more "
        f"than {most:,} times can be stated. Scale: {printed_scale()}."
    )


def _two_digits(ratio: float) -> str:
    return f"{float(f'{ratio:.2g}'):,.10g}"


def likelihood_ratio(probability: float, prior: float) -> float:
    """Return posterior over prior odds of manipulation; certainty is taken as near certainty.

    Args:
        probability: of manipulation, 0 to 1, stated for `prior`.
        prior: base rate of manipulated pictures, in (0, 1).
    """
    sure = min(max(probability, _SUREST), 1 - _SUREST)
    return sure / (1 - sure) / (prior / (1 - prior))


def in_words(ratio: float) -> str:
    """Return the words of the scale for a ratio of 1 or more."""
    return next((words for limit, words in SCALE if ratio < limit), _BEYOND)


def printed_scale() -> str:
    """Return the whole scale in words."""
    starts = (1, *(limit for limit, _ in SCALE))
    bands = [
        f"{start:,} to {limit:,} {words}"
        for start, (limit, words) in zip(starts, SCALE, strict=False)
    ]
    return ", ".join([*bands, f"beyond {_BEYOND}"])
