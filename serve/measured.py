"""Counts for Prometheus: answers by route and status, how long they took, how many are inside."""

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Counts:
    """What a server counts."""

    def __init__(self, inside: Callable[[], int]) -> None:
        """Start at nothing.

        Args:
            inside: returns how many are served or wait.
        """
        self._registry = CollectorRegistry()
        self._answers = Counter(
            "morelli_requests", "Answers by route and status.", ["route", "status"],
            registry=self._registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "morelli_seconds", "Wall time of a request.", ["route"], registry=self._registry,
            buckets=(0.1, 0.5, 1, 2, 5, 10, 20, 40, 80, 160),
        )  # fmt: skip
        gauge = Gauge("morelli_inside", "Requests served or waiting.", registry=self._registry)
        gauge.set_function(inside)

    def add(self, route: str, status: str, seconds: float) -> None:
        """Count an answer."""
        self._answers.labels(route, status).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """Return all counts in Prometheus' text format."""
        return bytes(generate_latest(self._registry))


class Measured:
    """ASGI middleware that counts every answer, streams until their end."""

    def __init__(self, app: ASGIApp, counts: Counts) -> None:
        self._app, self._counts = app, counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve, and count."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, status = time.perf_counter(), "none"

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            # The name of the route and not the path, of which a stranger can make up any number.
            route = str(getattr(scope.get("route"), "path", "other"))
            self._counts.add(route, status, time.perf_counter() - start)
