"""A child whose decoder does what the name of the file says: hostile_child.py FD."""

import itertools
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from morelli.data_pipeline import decoder_child
from morelli.data_pipeline.images import Picture, picture_from_bytes


def spin() -> None:
    for _ in itertools.count():
        pass


def eat() -> None:
    kept: list[bytearray] = []
    while True:
        kept.append(bytearray(50_000_000))


def complain() -> None:
    raise AssertionError("a decoder's own check")


def babble() -> None:
    os.write(int(sys.argv[1]), b"\0\0\0\5hello")
    time.sleep(3600)


HABITS: dict[str, Callable[[], object]] = {
    "abort.jpg": os.abort,
    "sleep.jpg": lambda: time.sleep(3600),
    "spin.jpg": spin,
    "memory.jpg": eat,
    "exit.jpg": lambda: os._exit(0),
    "raise.jpg": complain,
    "garbage.jpg": babble,
}


def hostile(data: bytes, path: str, *limits: Any) -> Picture:
    """Misbehave, or decode a picture."""
    HABITS.get(path, lambda: None)()
    return picture_from_bytes(data, path, *limits)


if __name__ == "__main__":
    decoder_child.picture_from_bytes = hostile
    decoder_child.main()
