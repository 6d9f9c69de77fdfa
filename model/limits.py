"""What a report cannot tell, one sentence each."""

from collections.abc import Iterator, Sequence

from morelli.data_pipeline.schema import Measurement
from morelli.data_pipeline.verifier import cannot_tell

_ALWAYS = (
    "No sign of manipulation found does not prove that a picture is authentic.",
    "This finding alone must not decide a case; it is one piece of evidence for a human reviewer.",
)
_UNTESTED = "The stability of the verdict under re-encoding was not tested in this examination."
_TESTED = (
    "The stability of the verdict was tested on the overview and the readings alone, and large "
    "pictures were reduced before: it tells what mild changes may do, not all that a platform may."
)


def limits_of(measurements: Sequence[Measurement], stability_tested: bool) -> tuple[str, ...]:
    """Return the limits of an examination.

    Args:
        measurements: of every instrument.
        stability_tested: whether mild changes were tried.
    """
    return (*_ALWAYS, _TESTED if stability_tested else _UNTESTED, *_silent(measurements))


def _silent(measurements: Sequence[Measurement]) -> Iterator[str]:
    for measurement in measurements:
        if cannot_tell(measurement):
            limit = f"The {measurement.instrument} instrument cannot tell on this picture."
            # Without a value, the statement says why there is none.
            yield limit if measurement.value is not None else f"{limit} {measurement.statement}"
