"""The process that opens strangers' files and reads the instruments, so that damage stays in it.

`python -m morelli.data_pipeline.decoder_child FD` answers requests on a socket until it is closed.
Only JSON and plain numbers come back, so that whoever took this process over gains nothing by it.
"""

import json
import os
import resource
import sys
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.reduction import send_handle
from pathlib import Path
from typing import Any

from morelli.data_pipeline.images import ImageError, Limits, Picture, picture_from_bytes
from morelli.data_pipeline.instruments import measure
from morelli.data_pipeline.schema import Measurement
from morelli.data_pipeline.sealed_arrays import Arrays, seal

READY = b"ready"
"""What is sent once everything is imported."""

Task = Callable[[dict[str, Any], bytes], tuple[dict[str, Any], Arrays]]


class Child:
    """What the process knows: the picture that it opened last."""

    def __init__(self) -> None:
        self._picture: Picture | None = None

    def open(self, request: dict[str, Any], data: bytes) -> tuple[dict[str, Any], Arrays]:
        """Decode a file.

        Raises:
            ImageError: it cannot be examined.
        """
        picture = picture_from_bytes(data, request["path"], Limits(**request["limits"]))
        self._picture = picture
        names = ("format", "orientation", "notes")
        return {name: getattr(picture, name) for name in names}, [picture.pixels]

    def measure(self, request: dict[str, Any], data: bytes) -> tuple[dict[str, Any], Arrays]:
        """Read the instruments on the picture that was opened last, or on the file that came."""
        if data:
            self.open(request, data)
        if self._picture is None:
            raise RuntimeError("nothing was opened yet")
        read = measure(self._picture)
        maps = [item.map for item in read if item.map is not None]
        return {"measurements": [_plain(item) for item in read]}, maps


def _plain(item: Measurement) -> dict[str, Any]:
    """Return a measurement as JSON; of its map only whether there is one."""
    fields = {name: getattr(item, name) for name in Measurement.__dataclass_fields__}
    box = item.box.as_list() if item.box else None
    return {**fields, "map": item.map is not None, "box": box}


def serve(connection: Connection) -> None:
    """Say that it is ready, and answer requests until the other end is closed.

    A request is a JSON object, {"task", "memory", "seconds"} with what the task needs, and the
    bytes of the file. An answer is a JSON object: {"refused": [code, path, reason]},
    {"failed": text}, or what the task says with "shapes", after which comes a sealed file.
    """
    child = Child()
    tasks: dict[str, Task] = {"open": child.open, "measure": child.measure}
    connection.send_bytes(READY)
    while True:
        try:
            request = json.loads(connection.recv_bytes())
            data = connection.recv_bytes()
        except EOFError:
            return
        _bound(request["memory"], request["seconds"])
        answer, arrays = _answer(tasks[request["task"]], request, data)
        handle = None
        if arrays is not None:
            answer["shapes"] = [[array.dtype.str, *array.shape] for array in arrays]
            handle = seal(arrays)
        connection.send_bytes(json.dumps(answer).encode())
        if handle is not None:
            # The number of the process is needed on Windows only.
            send_handle(connection, handle, None)
            os.close(handle)


def _answer(
    task: Task, request: dict[str, Any], data: bytes
) -> tuple[dict[str, Any], Arrays | None]:
    try:
        return task(request, data)
    except ImageError as error:
        return {"refused": list(error.args)}, None
    except MemoryError:
        return {"failed": "MemoryError: more memory than a picture of this size may take"}, None
    except Exception as error:  # noqa: BLE001 - said on the other side, where one file fails alone
        return {"failed": f"{type(error).__name__}: {error}"}, None


def _bound(memory: int, seconds: float) -> None:
    """Allow so many bytes and seconds of processor time on top of what was used so far."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    used = resource.getrusage(resource.RUSAGE_SELF)
    for what, limit in (
        (resource.RLIMIT_AS, pages * resource.getpagesize() + memory),
        (resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime + seconds) + 1),
    ):
        highest = resource.getrlimit(what)[1]
        soft = limit if highest == resource.RLIM_INFINITY else min(limit, highest)
        resource.setrlimit(what, (soft, highest))


def main() -> None:
    """Answer on the socket whose number stands on the command line."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Whoever asked may be gone by now.
    with (
        Connection(int(sys.argv[1])) as connection,
        suppress(BrokenPipeError, ConnectionResetError),
    ):
        serve(connection)


if __name__ == "__main__":
    main()
