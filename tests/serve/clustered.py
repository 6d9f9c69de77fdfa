"""An examiner for workers in other processes: it leaves its process number, and takes its time."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scripted import Examining

from morelli.data_pipeline.images import Picture
from morelli.data_pipeline.instruments import measure
from morelli.data_pipeline.schema import Measurement


class Slow(Examining):
    """Examines as `Examining` does, after a moment."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self.measure: Callable[[Picture], tuple[Measurement, ...]] = measure
        self._folder, self._seconds = folder, seconds

    def look(self, picture: Picture) -> Any:
        (self._folder / f"{os.getpid()}-{picture.sha256}").touch()
        time.sleep(self._seconds)
        return super().look(picture)
