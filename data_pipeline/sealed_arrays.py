"""Arrays handed from one process to another through memory that neither can change any more."""

import fcntl
import math
import mmap
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = Sequence[NDArray[Any]]

_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


def seal(arrays: Arrays) -> int:
    """Return the descriptor of a file in memory that holds the arrays, one after the other.

    Raises:
        OSError: there is no memory left for it.
    """
    handle = os.memfd_create("arrays", os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC)
    try:
        with open(handle, "wb", closefd=False) as file:
            for array in arrays:
                file.write(np.ascontiguousarray(array).data)
        fcntl.fcntl(handle, fcntl.F_ADD_SEALS, _SEALS)
    except BaseException:
        os.close(handle)
        raise
    return handle


def unseal(handle: int, shapes: Sequence[tuple[np.dtype[Any], tuple[int, ...]]]) -> Arrays:
    """Return the arrays in a file that `seal` made; writing to them changes a copy.

    Args:
        handle: descriptor of the file; it may be closed afterwards.
        shapes: dtype and shape of each array.

    Raises:
        ValueError: the file is not sealed, or its size is not that of the arrays.
    """
    if fcntl.fcntl(handle, fcntl.F_GET_SEALS) & _SEALS != _SEALS:
        # Whoever could shorten it would crash whoever reads it.
        raise ValueError("the arrays are not sealed")
    sizes = [dtype.itemsize * math.prod(shape) for dtype, shape in shapes]
    if os.fstat(handle).st_size != sum(sizes):
        raise ValueError(f"{os.fstat(handle).st_size} bytes came for arrays of {sum(sizes)}")
    if not sum(sizes):
        return [np.empty(shape, dtype) for dtype, shape in shapes]
    memory = mmap.mmap(handle, sum(sizes), access=mmap.ACCESS_COPY)
    starts = np.cumsum([0, *sizes])[:-1].tolist()
    return [
        np.frombuffer(memory, dtype, math.prod(shape), start).reshape(shape)
        for (dtype, shape), start in zip(shapes, starts, strict=True)
    ]
