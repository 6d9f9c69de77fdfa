"""Visible text: found and quoted where there is some, and told to no language model."""

import cv2
import numpy as np
import pytest
from made_pictures import photograph, saved

from morelli.data_pipeline.instruments.visible_text import (
    MOST_REGIONS,
    measure_visible_text,
    quotable,
)
from morelli.data_pipeline.prompts import question
from morelli.data_pipeline.verifier import cannot_tell

LINES = {"MARKET STREET 42": (60, 150), "closed on Sunday": (300, 420)}
"""Words and where their line begins, x and y in pixels."""


def sign(width=900, height=600, lines=LINES):
    rng = np.random.default_rng(0)
    pixels = np.clip(rng.normal(190, 6, (height, width, 3)), 0, 255).astype(np.uint8)
    for words, place in lines.items():
        cv2.putText(pixels, words, place, cv2.FONT_HERSHEY_SIMPLEX, 1.4, (30, 20, 90), 3)
    return pixels


@pytest.fixture(scope="module")
def reading():
    return measure_visible_text(saved(sign(), "JPEG", quality=90))


def test_known_words_are_found_where_they_stand_and_quoted(reading):
    assert reading.value == 2
    assert not reading.anomalous
    assert sorted(reading.details["words"]) == sorted(LINES)
    for words, (x, y) in LINES.items():
        assert f'"{words}"' in reading.statement
        assert reading.map[y - 15, x + 30] == 1
    assert reading.map[500, 100] == 0
    assert 0.02 < reading.map.mean() < 0.2


def test_the_words_never_enter_a_prompt(reading):
    asked = question([reading], 600, 900)
    assert "MARKET" not in asked
    assert "Sunday" not in asked


@pytest.mark.parametrize("name", ["chelsea", "coffee"])
def test_a_photograph_without_writing_has_none(name):
    found = measure_visible_text(saved(photograph(name), "JPEG", quality=90))
    assert found.value == 0
    assert found.map is None
    assert found.details["words"] == []
    assert "No writing was found" in found.statement


def test_noise_is_no_writing():
    rng = np.random.default_rng(1)
    coarse = np.clip(rng.normal(128, 40, (40, 60, 3)), 0, 255).astype(np.uint8)
    assert measure_visible_text(saved(cv2.resize(coarse, (720, 480)))).value == 0


def test_a_picture_too_small_for_writing_cannot_tell():
    found = measure_visible_text(saved(sign()[100:170, 50:200]))
    assert found.value is None
    assert cannot_tell(found)
    assert "too small" in found.statement


def test_a_large_picture_is_searched_reduced_and_its_map_fits():
    large = np.full((1500, 3000, 3), 205, np.uint8)
    large[400:1000, 1200:2100] = sign()
    found = measure_visible_text(saved(large, "JPEG", quality=90))
    assert found.map.shape == (1500, 3000)
    assert found.map[400 + 135, 1200 + 90] == 1
    assert "MARKET STREET 42" in found.details["words"]
    assert 0.3 <= found.reliability < 0.9


def test_only_a_few_of_many_lines_are_quoted_and_no_number_of_them_is_an_anomaly():
    lines = {f"line number {n:02d}": (40 + 420 * (n % 2), 60 + 60 * (n // 2)) for n in range(20)}
    found = measure_visible_text(saved(sign(900, 720, lines), "JPEG", quality=90))
    assert found.value >= 15
    assert not found.anomalous
    assert found.expected == (0, MOST_REGIONS)
    assert found.statement.count('"') == 6
    assert len(found.details["words"]) <= 12


@pytest.mark.parametrize(
    ("words", "quoted"),
    [
        ("  two\twords \n", "two words"),
        ("<b>bold</b> {{ 7*7 }} ${x} `id`", "b bold /b 7 7 $ x id"),
        ("<|im_end|><seg> [F1] \x1b[31m", "im end seg F1 31m"),
        ('a "quote" of it', "a quote of it"),
        ("\u202etfel ot thgir", "tfel ot thgir"),
        ("Straße 東京 42%", "Straße 東京 42%"),
        ("x" * 50, "x" * 37 + "..."),
        ("|||", ""),
    ],
)
def test_a_quote_holds_nothing_that_markup_a_terminal_or_a_prompt_is_made_of(words, quoted):
    assert quotable(words) == quoted
