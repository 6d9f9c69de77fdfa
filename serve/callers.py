"""Work for callers who may leave, or whose time may run out, before it is done."""

import contextlib
import functools
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TypeVar

import anyio
import anyio.to_thread
from fastapi import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from morelli.serve.api_errors import ApiError

Item = TypeVar("Item")


class Caller:
    """Who waits for an answer, until when, and whether still."""

    def __init__(self, seconds: float) -> None:
        """Begin to serve.

        Args:
            seconds: longest time for the whole answer.
        """
        self.stop = threading.Event()
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds

    async def steps(self, begin: Callable[[], Iterator[Item]]) -> AsyncIterator[Item]:
        """Iterate in a thread, and close the iterator also when the caller leaves early.

        Raises:
            ApiError: 504, the time is up.
        """
        steps = begin()
        try:
            while True:
                item = await self._in_time(functools.partial(next, steps, None))
                if item is None:
                    return
                yield item
        finally:
            with contextlib.suppress(ValueError):  # it is still running, and stops by its event
                steps.close()  # type: ignore[attr-defined]

    async def call(self, work: Callable[[], Item]) -> Item:
        """Do something in a thread.

        Raises:
            ApiError: 504, the time is up.
        """
        return await self._in_time(work)

    async def _in_time(self, work: Callable[[], Item]) -> Item:
        with anyio.move_on_after(self._deadline - time.monotonic()):
            # Abandoned when time is up: the thread ends when the model comes to its next token.
            return await anyio.to_thread.run_sync(work, abandon_on_cancel=True)
        self.stop.set()
        words = f"not done in {self._seconds:g} s; try a smaller picture"
        raise ApiError(504, "too_slow", words)

    @contextlib.asynccontextmanager
    async def watched(self, request: Request) -> AsyncIterator[None]:
        """Stop the work inside when the caller has left, and when it ends."""
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._watch, request)
                yield
                group.cancel_scope.cancel()
        except BaseExceptionGroup as errors:
            # The group wraps what was raised inside; a caller wants the thing itself.
            raise errors.exceptions[0] from None
        finally:
            self.stop.set()

    async def _watch(self, request: Request) -> None:
        while not self.stop.is_set():
            if await request.is_disconnected():
                self.stop.set()
            await anyio.sleep(0.5)


class Events(StreamingResponse):
    """A stream of events that gives its place in the queue up, however it ends."""

    def __init__(
        self, events: AsyncIterator[str], place: contextlib.ExitStack, caller: Caller
    ) -> None:
        """Prepare to send.

        Args:
            events: the events, as they are written.
            place: closed at the end, also if nothing of the stream was ever asked for.
            caller: who is told to stop at the end.
        """
        super().__init__(events, media_type="text/event-stream")
        self._place, self._caller = place, caller

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send all of it, as long as the caller listens."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._caller.stop.set()
            self._place.close()
