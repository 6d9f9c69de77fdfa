"""The custody log: what was done to which bytes, each entry sealed with the hash of the one before.

Whoever changes, removes or reorders an entry breaks the chain from there on. The last hash can be
published or signed; it vouches for all that came before.
"""

import hashlib
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

START = "0" * 64
"""What stands as the previous hash of the first entry."""


class CustodyError(Exception):
    """A log whose chain is broken; the message names the line."""


class Custody:
    """Append entries to a custody log."""

    def __init__(self, path: Path) -> None:
        """Open a log, made if missing; a last line that a crash cut off is taken away.

        Raises:
            CustodyError: its chain is broken.
            OSError: it cannot be written to.
        """
        self._path = path
        path.touch()
        data = path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        if len(whole) < len(data):
            os.truncate(path, len(whole))
        self._last = verify(path)

    @property
    def last(self) -> str:
        """Hash of the last entry."""
        return self._last

    def add(self, action: str, image: str, **facts: str) -> None:
        """Append an entry with the time of now.

        Args:
            action: what was done.
            image: path of the file, as given.
            facts: hashes and the like.
        """
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        entry = {"time": now, "actor": "morelli", "action": action, "image": image, **facts}
        entry["previous"] = self._last
        entry["hash"] = _seal(entry)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
        self._last = entry["hash"]


def verify(path: Path) -> str:
    """Check every link of a log, and return the last hash.

    Raises:
        CustodyError: a line is damaged, or does not follow from the one before.
    """
    last = START
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                entry = json.loads(line)
                sealed = entry.pop("hash")
            except (ValueError, KeyError, AttributeError):
                raise CustodyError(f"{path}:{number} is damaged") from None
            if entry.get("previous") != last or _seal(entry) != sealed:
                raise CustodyError(f"{path}:{number} does not follow from the entry before it")
            last = str(sealed)
    return last


def _seal(entry: dict[str, Any]) -> str:
    text = json.dumps(entry, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
