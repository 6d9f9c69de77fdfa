from pathlib import Path

import pytest

from morelli.serve.counter import BusyError, Keys, Line, Rate, read_keys


def test_a_caller_has_a_burst_and_then_a_rate_of_its_own() -> None:
    now = [0.0]
    rate = Rate(6, clock=lambda: now[0])
    for _ in range(6):
        rate.take("one")
    with pytest.raises(BusyError) as caught:
        rate.take("one")
    assert caught.value.seconds == 10
    rate.take("other")
    now[0] = 10.5
    rate.take("one")
    with pytest.raises(BusyError):
        rate.take("one")


def test_a_place_is_free_again_when_it_is_left_even_in_anger() -> None:
    line = Line(1)
    with line.place(), pytest.raises(BusyError), line.place():
        pass
    with pytest.raises(ZeroDivisionError), line.place():
        _ = 1 / (line.inside - 1)
    assert line.inside == 0
    with line.place():
        assert line.inside == 1


def test_keys_are_read_one_a_line_and_short_ones_refused(tmp_path: Path) -> None:
    path = tmp_path / "keys.txt"
    path.write_text("# mine\n\n0123456789abcdef\n  fedcba9876543210  \n")
    keys = Keys(read_keys(path))
    assert keys.admits("0123456789abcdef")
    assert keys.admits("fedcba9876543210")
    assert not keys.admits("# mine")
    assert not keys.admits("")
    for text in ("# none\n", "short\n"):
        path.write_text(text)
        with pytest.raises(ValueError, match=r"keys\.txt"):
            read_keys(path)
