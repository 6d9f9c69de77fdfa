"""The folder that holds what Morelli fetches or computes once."""

import os
from pathlib import Path


def morelli_home() -> Path:
    """Return the folder of base weights and caches: `MORELLI_HOME` or one in the user's cache."""
    named = os.environ.get("MORELLI_HOME")
    if named:
        return Path(named)
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "morelli"
