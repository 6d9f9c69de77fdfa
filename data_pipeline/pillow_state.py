"""Pillow's switches for the whole process, held still while a stranger's file is read."""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import ImageFile

_FILTERS = threading.Lock()
"""Held while warnings are silenced, because Python keeps one filter list for all threads."""


@contextmanager
def silence() -> Iterator[None]:
    """Keep Pillow's warnings on odd metadata from the caller, and its patience with damage away."""
    with _FILTERS, warnings.catch_warnings():
        patient = ImageFile.LOAD_TRUNCATED_IMAGES  # some libraries switch it on for everybody
        ImageFile.LOAD_TRUNCATED_IMAGES = False
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES = patient
