import numpy as np

from morelli.data_pipeline.prompts import QUESTION, line_of, question
from morelli.data_pipeline.schema import Box, Measurement

HEIGHT, WIDTH = 60, 90


def _reading(
    value: float | None = 3.414, reliability: float = 0.9, box: Box | None = None
) -> Measurement:
    anomaly = np.zeros((HEIGHT, WIDTH), np.float32)
    anomaly[45:55, 5:20] = 1
    return Measurement("noise", value, "times", (0.2, 1.8), reliability, "Read.", anomaly, box)


def test_an_anomalous_reading_ends_in_the_words_of_its_claims_header() -> None:
    expected = "noise: 3.41 times, normal 0.2 to 1.8, reliability 0.9, anomalous lower left"
    assert line_of(_reading(), HEIGHT, WIDTH) == expected


def test_an_ordinary_reading_names_the_place_of_its_box() -> None:
    line = line_of(_reading(1.0, box=Box(60, 0, 90, 10)), HEIGHT, WIDTH)
    assert line.endswith("normal, most unlike upper right")
    assert line_of(_reading(1.0), HEIGHT, WIDTH).endswith("reliability 0.9, normal")


def test_a_reading_that_is_missing_or_unreliable_gives_no_number() -> None:
    for reading in (_reading(None, 0.0), _reading(3.4, 0.1)):
        assert line_of(reading, HEIGHT, WIDTH) == "noise: cannot tell"


def test_the_question_follows_one_line_for_each_reading() -> None:
    lines = question([_reading(), _reading(1.0)], HEIGHT, WIDTH).split("\n")
    assert len(lines) == 3
    assert lines[-1] == QUESTION
    assert question([], HEIGHT, WIDTH) == QUESTION


def test_the_same_readings_give_the_same_text() -> None:
    assert question([_reading()], HEIGHT, WIDTH) == question([_reading()], HEIGHT, WIDTH)
