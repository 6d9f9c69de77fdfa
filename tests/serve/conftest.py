"""A report of a self-made picture, as the examiner would give it."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from made_report import make_report

from morelli.data_pipeline.images import Picture, open_picture
from morelli.data_pipeline.report import Report


@pytest.fixture
def report_of() -> Callable[..., Report]:
    """Return the maker of reports."""
    return make_report


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """Return a small picture file."""
    path = tmp_path / "photo.png"
    noise = np.random.default_rng(1).integers(0, 255, (96, 128, 3), np.uint8)
    cv2.imwrite(str(path), cv2.GaussianBlur(noise, (0, 0), 2))
    return path


@pytest.fixture
def picture(photo: Path) -> Picture:
    """Return it opened."""
    return open_picture(photo)
