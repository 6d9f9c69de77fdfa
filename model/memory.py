"""Keep the memory that arrays leave behind, instead of handing it back to the system after each.

A picture of 12 megapixels passes through hundreds of arrays of megabytes. glibc asks the system for
every one of them and returns it, and fresh pages cost more than the work on them: on a virtual
machine an examination takes twice as long, and a training step one and a half times.
"""

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8
"""Of <malloc.h>."""

_KEPT_BYTES = 2**31 - 1


def keep_freed_memory() -> bool:
    """Let this process keep what it frees, for good; say whether the system's library can.

    Only glibc is known to; elsewhere nothing changes.
    """
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallopt"):
        return False
    # Other arenas than the first would go on asking the system for large arrays.
    settings = ((_M_ARENA_MAX, 1), (_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, _KEPT_BYTES))
    accepted = [library.mallopt(*setting) for setting in settings]
    return all(accepted)


def release_freed_memory() -> None:
    """Hand back what is free now, after a peak that will not come again."""
    library = ctypes.CDLL(None)
    if hasattr(library, "malloc_trim"):
        library.malloc_trim(0)
