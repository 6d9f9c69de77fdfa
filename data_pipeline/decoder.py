"""Opening strangers' files in child processes: what a decoder does wrong, it does there.

A file that crashes its decoder, keeps it busy for ever or makes it eat memory costs a child, which
is replaced; here it becomes an `ImageError`.
"""

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle
from typing import Any

import numpy as np

from morelli.data_pipeline.decoder_child import READY
from morelli.data_pipeline.images import DEFAULT_LIMITS, ImageError, Limits, Picture
from morelli.data_pipeline.schema import Box, Measurement
from morelli.data_pipeline.sealed_arrays import Arrays, unseal

PROGRAM = ("-m", "morelli.data_pipeline.decoder_child")

_DTYPES: dict[str, np.dtype[Any]] = {"|u1": np.dtype(np.uint8), "<f4": np.dtype(np.float32)}


class DecoderError(RuntimeError):
    """A child failed at a picture that it had opened; the message says how."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a child may take for one task, and how much more for each megapixel.

    Attributes:
        seconds: of processor time for a task; it may last four times as long, because a child that
            waits for its turn is not to blame.
        seconds_each: more of them for each megapixel.
        memory: bytes for a task, beside what the child holds already.
        memory_each: more of them for each megapixel.
    """

    seconds: float
    seconds_each: float
    memory: int
    memory_each: int

    def of(self, pixels: int) -> tuple[float, int]:
        """Return seconds and bytes for a picture of so many pixels."""
        size = pixels / 1e6
        return self.seconds + size * self.seconds_each, int(self.memory + size * self.memory_each)


OPENING = Bounds(20.0, 1.0, 300_000_000, 40_000_000)
"""For decoding, by the most pixels that are let in."""

MEASURING = Bounds(60.0, 20.0, 500_000_000, 500_000_000)
"""For the instruments, by the pixels of the picture; several times what they take."""

_START_SECONDS = 120.0
_MOST_JSON = 10_000_000


class _Child:
    """One process, started again after it has died."""

    def __init__(self, program: Sequence[str], threads: int) -> None:
        self._program, self._threads = program, threads
        self.holds: str | None = None
        self._start()

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        counts = ("OMP", "OPENBLAS", "MKL", "NUMEXPR")
        environment = os.environ | {f"{name}_NUM_THREADS": str(self._threads) for name in counts}
        environment["OPENCV_FOR_THREADS_NUM"] = str(self._threads)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, *self._program, str(theirs.fileno())],
                pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, env=environment,
            )  # fmt: skip
        self._connection = Connection(ours.detach())
        self._is_ready = False

    def ask(
        self, request: dict[str, Any], data: bytes, seconds: float, memory: int
    ) -> tuple[dict[str, Any], Arrays]:
        """Return what the child answers.

        Raises:
            ImageError: it refuses the picture.
            DecoderError: it failed, died, or took too long; a new one is there when this is raised.
        """
        head = json.dumps({**request, "seconds": seconds, "memory": memory}).encode()
        try:
            self._await_start()
            self._connection.send_bytes(head)
            self._connection.send_bytes(data)
            if not self._connection.poll(4 * seconds):
                self._process.kill()
                raise DecoderError(f"took longer than {4 * seconds:.0f} s")
            return self._received(json.loads(self._connection.recv_bytes(_MOST_JSON)))
        except (EOFError, OSError, ValueError, KeyError, TypeError) as error:
            if isinstance(error, ImageError):
                raise
            died = self._restart()
            raise DecoderError(f"{died} ({type(error).__name__})") from None
        except DecoderError as error:
            if not error.args[0].startswith("failed"):
                self._restart()
            raise

    def _await_start(self) -> None:
        """Let it import what it needs, which counts for no file."""
        if not self._is_ready:
            if not self._connection.poll(_START_SECONDS):
                raise DecoderError(f"did not start within {_START_SECONDS:.0f} s")
            self._is_ready = self._connection.recv_bytes() == READY

    def _received(self, answer: dict[str, Any]) -> tuple[dict[str, Any], Arrays]:
        if "refused" in answer:
            code, path, reason = map(str, answer["refused"])
            raise ImageError(code, path, reason)
        if "failed" in answer:
            raise DecoderError(f"failed: {answer['failed']}")
        shapes = [(_DTYPES[kind], tuple(map(int, shape))) for kind, *shape in answer["shapes"]]
        handle = recv_handle(self._connection)
        try:
            return answer, unseal(handle, shapes)
        finally:
            os.close(handle)

    def _restart(self) -> str:
        """Put another process in the place of this one, and say how it ended."""
        status = self.close()
        self.holds = None
        self._start()
        return f"ended with {signal.Signals(-status).name if status < 0 else f'status {status}'}"

    def close(self) -> int:
        """End the process; return its exit status, negative for a signal."""
        self._connection.close()
        with suppress(subprocess.TimeoutExpired):
            # One that is dying of itself is let die, to learn of what.
            return self._process.wait(1.0)
        self._process.kill()
        return self._process.wait()


class Decoder:
    """Open pictures and read the instruments in child processes, several at a time."""

    def __init__(
        self,
        count: int = 1,
        opening: Bounds = OPENING,
        measuring: Bounds = MEASURING,
        threads: int = 1,
        program: Sequence[str] = PROGRAM,
    ) -> None:
        """Start the children; they are ready some time later.

        Args:
            count: of children, hence of files at a time.
            opening: bounds of decoding.
            measuring: bounds of the instruments.
            threads: that each child computes with.
            program: arguments of the Python interpreter that make it a child.
        """
        self._opening, self._measuring = opening, measuring
        self._children = [_Child(program, threads) for _ in range(count)]
        self._idle = list(self._children)
        self._changed = threading.Condition()

    def open(self, data: bytes, path: str, limits: Limits = DEFAULT_LIMITS) -> Picture:
        """Decode a picture as `images.picture_from_bytes` does; `path` only names it.

        Raises:
            ImageError: and nothing else; beside the codes of `picture_from_bytes`, decoder_failed.
        """
        if len(data) > limits.max_bytes:
            limits_only = f"has {len(data):,} bytes, above the limit of {limits.max_bytes:,}"
            raise ImageError("too_many_bytes", path, f"{limits_only}; give a smaller file")
        digest = hashlib.sha256(data).hexdigest()
        request = {"task": "open", "path": path, "limits": asdict(limits)}
        with self._child() as child:
            child.holds = None
            try:
                said, (pixels,) = child.ask(request, data, *self._opening.of(limits.max_pixels))
                picture = Picture(
                    path, data, digest, str(said["format"]), _rgb(pixels),
                    int(said["orientation"]), tuple(map(str, said["notes"])),
                )  # fmt: skip
            except (DecoderError, ValueError, KeyError, TypeError) as error:
                if isinstance(error, ImageError):
                    raise
                reason = f"its decoder {error}; export it again as PNG or JPEG"
                raise ImageError("decoder_failed", path, reason) from None
            child.holds = digest
        return picture

    def measure(self, picture: Picture) -> tuple[Measurement, ...]:
        """Read every instrument on a picture, as `instruments.measure` does.

        Raises:
            ImageError: the instruments' reading of the file failed; the code is decoder_failed.
        """
        pixels = picture.height * picture.width
        # It has been let in before.
        limits = Limits(max_pixels=pixels, max_bytes=len(picture.data), min_side=1)
        request = {"task": "measure", "path": picture.path, "limits": asdict(limits)}
        with self._child(picture.sha256) as child:
            data = b"" if child.holds == picture.sha256 else picture.data
            child.holds = None
            try:
                said, maps = child.ask(request, data, *self._measuring.of(pixels))
                left = iter(maps)
                read = tuple(_measurement(item, left) for item in said["measurements"])
            except (DecoderError, ValueError, KeyError, TypeError, StopIteration) as error:
                if isinstance(error, ImageError):
                    raise
                reason = f"the process that measured it {error}; export it again as PNG or JPEG"
                raise ImageError("decoder_failed", picture.path, reason) from None
            child.holds = picture.sha256
        return read

    def close(self) -> None:
        """End the children."""
        for child in self._children:
            child.close()

    def __enter__(self) -> "Decoder":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _child(self, holding: str | None = None) -> Iterator[_Child]:
        """Wait for an idle child: one that holds this picture, else the one idle for longest."""
        with self._changed:
            self._changed.wait_for(lambda: self._idle)
            child = next((one for one in self._idle if one.holds == holding), self._idle[0])
            self._idle.remove(child)
        try:
            yield child
        finally:
            with self._changed:
                self._idle.append(child)
                self._changed.notify()


def _rgb(pixels: Any) -> Any:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ValueError(f"gave {pixels.dtype} {pixels.shape} for pixels")
    return pixels


def _measurement(item: dict[str, Any], maps: Iterator[Any]) -> Measurement:
    box = Box(*item["box"]) if item["box"] else None
    heat = next(maps) if item["map"] else None
    expected = (item["expected"][0], item["expected"][1])
    return Measurement(**{**item, "map": heat, "box": box, "expected": expected})
