"""A writer that only reads the table: every reading out of its range is put into words.

It never sees the picture. What a language model says of a picture is worth something only where it
beats this one: in truer places, or in more of the altered part.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from morelli.data_pipeline.images import Picture
from morelli.data_pipeline.schema import Answer, Claim, Measurement, Verdict
from morelli.data_pipeline.teacher import teach
from morelli.data_pipeline.verifier import cannot_tell, findings, rationale_of
from morelli.eval.claims import answer_record


def table_reader(picture: Picture, measurements: Sequence[Measurement]) -> dict[str, Any]:
    """Write the answer of the plain table-reader.

    It calls a picture tampered if any instrument reads an anomaly, and says nothing if none does.
    The sentences are those that the model is taught with, drawn by the picture's hash.

    Args:
        picture: whose size places are named by.
        measurements: all that were read on it; maps are (H, W).

    Returns:
        {"rationale", "withheld", "findings"} as predictions hold it.
    """
    rng = np.random.default_rng(int(picture.sha256[:16], 16))
    claims = [
        _claim(one, picture.height, picture.width, rng)
        for one in measurements
        if one.anomalous and not cannot_tell(one)
    ]
    named = {one.instrument: one for one in measurements}
    answer = Answer(Verdict.TAMPERED, tuple(claims))
    found = findings(answer, named, picture.height, picture.width)
    return answer_record(rationale_of(found), 0, found)


def _claim(measurement: Measurement, height: int, width: int, rng: np.random.Generator) -> Claim:
    nothing_known = np.zeros((height, width), bool)
    reading = {measurement.instrument: measurement}
    return teach(Verdict.TAMPERED, None, nothing_known, reading, rng).claims[0]
