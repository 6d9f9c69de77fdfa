"""What a request has to pass before anything is made of it: admission, a size, a time, a number."""

import asyncio
from collections.abc import Awaitable, Callable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from morelli.serve.api_errors import ApiError

Admit = Callable[[Headers, str], None]
"""Given the headers and the caller's address; raises an `ApiError` to refuse."""


class BoundedBody:
    """ASGI middleware: reads the bodies of admitted callers, so large, so long, so many at once."""

    def __init__(
        self, app: ASGIApp, admit: Admit, max_bytes: int, seconds: float, most: int
    ) -> None:
        """Wrap an application.

        Args:
            app: the application.
            admit: decides by the headers, before any of the body is read.
            max_bytes: largest body.
            seconds: within which it must have arrived.
            most: bodies that are held in memory at the same time.
        """
        self._app, self._admit = app, admit
        self._max_bytes, self._seconds, self._most = max_bytes, seconds, most
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the whole body within the limits, then let the application have it."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            self._admit(headers, scope["client"][0] if scope.get("client") else "unknown")
            if self._held >= self._most:
                words = "too many requests arrive at the same time"
                raise ApiError(429, "queue_full", words, {"Retry-After": "5"})
        except ApiError as error:
            await error.send(send)
            return
        self._held += 1
        try:
            await self._passed_on(headers, scope, receive, send)
        finally:
            self._held -= 1

    async def _passed_on(
        self, headers: Headers, scope: Scope, receive: Receive, send: Send
    ) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                body = await self._read(headers, receive)
        except TimeoutError:
            await ApiError(408, "too_slow", "the request took too long to arrive").send(send)
            return
        except ApiError as error:
            await error.send(send)
            return
        if body is not None:
            await self._app(scope, _replay(body, receive), send)

    async def _read(self, headers: Headers, receive: Receive) -> bytearray | None:
        """Return the body, None if the caller has left; ApiError if it is too large."""
        words = f"a request may have {self._max_bytes:,} bytes"
        too_large = ApiError(413, "too_many_bytes", words)
        declared = headers.get("content-length", "0")
        if declared.isdigit() and int(declared) > self._max_bytes:
            raise too_large
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            if len(body) > self._max_bytes:
                raise too_large
            if not message.get("more_body", False):
                return body


def _replay(body: bytearray, receive: Receive) -> Callable[[], Awaitable[Message]]:
    """Return a `receive` that gives the body once and lets go of it, and then listens on."""
    held = [bytes(body)]
    body.clear()

    async def replay() -> Message:
        if held:
            return {"type": "http.request", "body": held.pop(), "more_body": False}
        return await receive()

    return replay
