import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from morelli.data_pipeline.places import WHOLE, box_of
from morelli.data_pipeline.schema import Measurement
from morelli.data_pipeline.stand_ins import stand_in
from morelli.data_pipeline.verifier import cannot_tell, place_of_anomaly

SHAPE = (30, 45)
SILENT = Measurement("jpeg", None, "bits per block", (0.0, 3.12), 0.0, "It cannot tell.")


def _mask() -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    box_of("lower left", *SHAPE).crop(mask)[2:, 3:9] = True
    return mask


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_a_stand_in_can_tell_and_keeps_its_instrument(seed: int, altered: bool) -> None:
    mask = _mask() if altered else np.zeros(SHAPE, bool)
    found = stand_in(SILENT, mask, np.random.default_rng(seed))
    assert (found.instrument, found.unit, found.expected) == ("jpeg", "bits per block", (0.0, 3.12))
    assert not cannot_tell(found)
    assert found.map is None or found.map.shape == SHAPE
    if not found.anomalous:
        assert found.map is not None
        assert not found.map.any()


def test_most_stand_ins_are_anomalous_at_all_places_and_on_the_altered_part_most_often() -> None:
    found = [stand_in(SILENT, _mask(), np.random.default_rng(seed)) for seed in range(600)]
    odd = [place_of_anomaly(reading, *SHAPE) for reading in found if reading.anomalous]
    assert 0.7 < len(odd) / len(found) < 0.8
    counts = {place: odd.count(place) / len(odd) for place in set(odd)}
    assert len(counts) == 10
    assert 0.4 < counts.pop("lower left") < 0.55
    assert 0.1 < counts.pop(WHOLE) < 0.2
    assert min(counts.values()) > 0.02
