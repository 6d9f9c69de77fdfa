"""The API: examine a picture, talk about it as with the OpenAI API, be watched by Prometheus."""

import base64
import contextlib
import functools
import threading
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import anyio
import anyio.to_thread
from fastapi import Depends, FastAPI, File, Header, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.concurrency import run_in_threadpool

from morelli.data_pipeline.images import ImageError, Limits, picture_from_bytes
from morelli.data_pipeline.report import Report, validate
from morelli.serve.body import BoundedBody
from morelli.serve.completions import (
    ChatRequest,
    RequestError,
    Talk,
    chunk,
    completion,
    new_identity,
    spoken,
    talk_of,
)
from morelli.serve.counter import BusyError, Keys, Line, Rate
from morelli.serve.desk import Desk
from morelli.serve.downloads import record_of
from morelli.serve.render import encoded, environment

if TYPE_CHECKING:
    from morelli.model.examiner import Look

Item = TypeVar("Item")
_REMEMBERED = 8


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """What whoever runs the API may choose.

    Attributes:
        keys: that are let in; none lets everybody in.
        per_minute: requests of one caller.
        waiting: requests that are served or wait together.
        seconds: longest time for one request, and for its body to arrive.
        limits: how large a picture may be.
    """

    keys: tuple[str, ...] = ()
    per_minute: int = 60
    waiting: int = 8
    seconds: float = 120.0
    limits: Limits = field(default_factory=lambda: Limits(max_bytes=50_000_000))


class ApiError(Exception):
    """An answer with a status, a code that programs read, and words."""

    def __init__(
        self, status: int, code: str, message: str, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.headers = status, code, headers


class Api:
    """The routes and what they share."""

    def __init__(self, desk: Desk, settings: ApiSettings, about: dict[str, Any]) -> None:
        """Prepare to serve.

        Args:
            desk: the examiner.
            settings: limits.
            about: what `/health` says of the model.
        """
        self._desk, self._settings, self._about = desk, settings, about
        self._keys, self._line = Keys(settings.keys), Line(settings.waiting)
        self._rate = Rate(settings.per_minute)
        self._remembered: OrderedDict[str, tuple[Look, Report]] = OrderedDict()
        self._registry = CollectorRegistry()
        self._answers = Counter(
            "morelli_requests", "Answers by route and status.", ["route", "status"],
            registry=self._registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "morelli_seconds", "Wall time of a request.", ["route"], registry=self._registry,
            buckets=(0.1, 0.5, 1, 2, 5, 10, 20, 40, 80, 160),
        )  # fmt: skip
        inside = Gauge("morelli_inside", "Requests served or waiting.", registry=self._registry)
        inside.set_function(lambda: self._line.inside)

    def build(self) -> FastAPI:
        """Return the application."""
        app = FastAPI(
            title="Morelli",
            summary="Is this picture authentic, tampered with or synthetic, and why?",
            docs_url=None,
            redoc_url=None,
        )
        responses: dict[int | str, dict[str, Any]] = {
            code: {"description": words} for code, words in _REFUSALS.items()
        }
        admitted = [Depends(self._admit)]
        route: dict[str, Any] = {"dependencies": admitted, "responses": responses}
        app.post("/v1/examine", **route)(self.examine)
        app.post("/v1/chat/completions", **route)(self.chat)
        app.get("/health")(self.health)
        app.get("/metrics", response_class=Response)(self.metrics)
        app.get("/docs", include_in_schema=False)(lambda: HTMLResponse(_docs(app)))
        app.middleware("http")(self._measure)
        app.exception_handler(ApiError)(_refuse)
        app.exception_handler(RequestValidationError)(_refuse_shape)
        bytes_ = self._settings.limits.max_bytes * 3 // 2 + 1_000_000
        app.add_middleware(BoundedBody, max_bytes=bytes_, seconds=self._settings.seconds)
        return app

    async def examine(
        self,
        request: Request,
        file: Annotated[UploadFile, File(description="the picture, up to the size limit")],
        explain: bool = True,
        images: bool = False,
    ) -> dict[str, Any]:
        """Examine a picture; returns an object of `morelli.report/1`.

        `explain=false` leaves out the words, and is several times faster. `images=true` adds the
        mask and the soft map as base64 PNG under `images`.
        """
        data = await file.read()
        _, report = await self._examined(request, data, file.filename or "upload", explain)
        record = record_of(report)
        validate(record)
        return record | ({"images": _images(report)} if images else {})

    async def chat(self, request: Request, body: ChatRequest) -> Response:
        """Talk about a picture, as with the OpenAI API; pictures come as data URLs.

        The first answer is the examination in words, with its record under `morelli`; after that,
        questions are answered by a model that is weak at it, and that cannot change the verdict.
        """
        try:
            talk = talk_of(body, self._settings.limits.max_bytes)
        except RequestError as error:
            raise ApiError(400, "bad_request", str(error)) from None
        identity, place, stop = new_identity(), await self._enter(), threading.Event()
        said = self._said(talk, stop)
        if body.stream:
            events = self._events(identity, said, place, stop)
            return StreamingResponse(events, media_type="text/event-stream")
        with place:
            async with self._bounded(request, stop):
                async for text, report in said:  # noqa: B007 - the last one is the answer
                    pass
        return JSONResponse(completion(identity, text, record_of(report), len(text.split())))

    async def _said(self, talk: Talk, stop: threading.Event) -> AsyncIterator[tuple[str, Report]]:
        """Yield the answer so far, again and again until it is whole, and the picture's report."""
        async for look, report in self._seen(talk.picture, "picture", not talk.turns, stop):
            known = look, report
            if not talk.turns:
                yield spoken(record_of(report), finished=False), report
        if not talk.turns:
            yield spoken(record_of(report), finished=True), report
        else:
            async for reply in _steps(lambda: self._desk.answer(*known, talk.turns, stop)):
                yield reply.text, known[1]

    async def health(self) -> dict[str, Any]:
        """Say that the server is up, and with which model."""
        return {"status": "ok", "model": self._about, "inside": self._line.inside}

    async def metrics(self) -> Response:
        """Return the counts for Prometheus."""
        return Response(generate_latest(self._registry), media_type="text/plain; version=0.0.4")

    async def _admit(
        self,
        request: Request,
        authorization: Annotated[str | None, Header()] = None,
        x_api_key: Annotated[str | None, Header()] = None,
    ) -> None:
        """Let a caller in who has a key and has not asked too often."""
        key = x_api_key or (authorization or "").removeprefix("Bearer ").strip()
        if self._keys.required and not self._keys.admits(key):
            challenge = {"WWW-Authenticate": "Bearer"}
            raise ApiError(401, "no_key", "give an API key: Authorization: Bearer KEY", challenge)
        host = request.client.host if request.client else "unknown"
        try:
            self._rate.take(key if self._keys.required else host)
        except BusyError as busy:
            raise _later(busy, "too_many_requests") from None

    async def _enter(self) -> contextlib.ExitStack:
        """Take a place in the queue, to be left by closing what is returned."""
        stack = contextlib.ExitStack()
        try:
            stack.enter_context(self._line.place())
        except BusyError as busy:
            raise _later(busy, "queue_full") from None
        return stack

    async def _examined(
        self, request: Request, data: bytes, name: str, explain: bool
    ) -> tuple["Look", Report]:
        with await self._enter():
            stop = threading.Event()
            async with self._bounded(request, stop):
                async for seen in self._seen(data, name, explain, stop):
                    last = seen
        return last

    async def _seen(
        self, data: bytes, name: str, explain: bool, stop: threading.Event
    ) -> AsyncIterator[tuple["Look", Report]]:
        """Examine, or remember, a picture; the last thing yielded is the whole of it."""
        try:
            picture = await run_in_threadpool(picture_from_bytes, data, name, self._settings.limits)
        except ImageError as error:
            raise ApiError(_STATUS.get(error.code, 422), error.code, error.message) from None
        known = self._remembered.get(picture.sha256)
        if known is not None and known[1].picture.path == name:
            self._remembered.move_to_end(picture.sha256)
            yield known
            return
        async for seen in _steps(lambda: self._desk.watch(picture, stop)):
            yield seen
            if not explain:
                return
        if stop.is_set():
            return
        self._remembered[picture.sha256] = seen
        while len(self._remembered) > _REMEMBERED:
            self._remembered.popitem(last=False)

    @contextlib.asynccontextmanager
    async def _bounded(self, request: Request, stop: threading.Event) -> AsyncIterator[None]:
        """End the work inside when its time is up or the caller has left."""
        try:
            with anyio.fail_after(self._settings.seconds):
                async with anyio.create_task_group() as group:
                    group.start_soon(_watch_caller, request, stop)
                    yield
                    group.cancel_scope.cancel()
        except TimeoutError:
            raise ApiError(
                504, "too_slow", f"not done in {self._settings.seconds:g} s; try a smaller picture"
            ) from None
        except BaseExceptionGroup as errors:
            # The group wraps what was raised inside; a caller wants the thing itself.
            raise errors.exceptions[0] from None
        finally:
            stop.set()

    async def _events(
        self,
        identity: str,
        said: AsyncIterator[tuple[str, Report]],
        place: contextlib.ExitStack,
        stop: threading.Event,
    ) -> AsyncIterator[str]:
        """Write an answer as events, each with what is new in the text."""
        sent = ""
        deadline = time.monotonic() + self._settings.seconds
        end = "stop"
        try:
            with place:
                yield chunk(identity, {"role": "assistant", "content": ""})
                async for text, _ in said:
                    if text.startswith(sent) and text != sent:
                        yield chunk(identity, {"content": text[len(sent) :]})
                        sent = text
                    if time.monotonic() > deadline:
                        end = "length"
                        break
        except ApiError as error:
            yield chunk(identity, {"content": f"{error.code}: {error}"}, "content_filter")
            end = "content_filter"
        finally:
            stop.set()
        yield chunk(identity, {}, end)
        yield "data: [DONE]\n\n"

    async def _measure(self, request: Request, call: Callable[..., Any]) -> Any:
        start = time.perf_counter()
        response = await call(request)
        found = request.scope.get("route")
        route = str(getattr(found, "path", "other"))
        self._answers.labels(route, str(response.status_code)).inc()
        self._seconds.labels(route).observe(time.perf_counter() - start)
        return response


_STATUS = {"too_many_bytes": 413, "too_many_pixels": 413, "unsupported_format": 415}
_REFUSALS = {
    400: "the request cannot be understood",
    401: "no API key, or one that is not known",
    413: "too large",
    415: "a format that is not read",
    422: "not a picture, or a damaged one",
    429: "too many requests; Retry-After says when to come back",
    504: "not done in time",
}


async def _steps(begin: Callable[[], Iterator[Item]]) -> AsyncIterator[Item]:
    """Iterate in a thread, and close the iterator also when the caller leaves early."""
    steps = begin()
    try:
        while True:
            step = functools.partial(next, steps, None)
            # Abandoned when time is up: the thread ends when the model comes to its next token.
            item = await anyio.to_thread.run_sync(step, abandon_on_cancel=True)
            if item is None:
                return
            yield item
    finally:
        with contextlib.suppress(ValueError):  # it is still running, and stops by its event
            steps.close()  # type: ignore[attr-defined]


async def _watch_caller(request: Request, stop: threading.Event) -> None:
    while not stop.is_set():
        if await request.is_disconnected():
            stop.set()
        await anyio.sleep(0.5)


def _images(report: Report) -> dict[str, str]:
    """Return mask and map as base64 PNG."""
    arrays = {"map": (report.map * 255).round().astype("uint8")}
    if report.mask is not None:
        arrays["mask"] = report.mask.astype("uint8") * 255
    return {
        name: base64.b64encode(encoded(array[..., None].repeat(3, 2), ".png")).decode()
        for name, array in arrays.items()
    }


def _later(busy: BusyError, code: str) -> ApiError:
    return ApiError(429, code, str(busy), {"Retry-After": str(busy.seconds)})


async def _refuse(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, ApiError):
        raise error
    body = {"error": {"code": error.code, "message": str(error), "type": "invalid_request_error"}}
    return JSONResponse(body, error.status, error.headers)


async def _refuse_shape(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    first = error.errors()[0]
    place = ".".join(str(step) for step in first["loc"])
    return await _refuse(request, ApiError(422, "bad_request", f"{place}: {first['msg']}"))


def _docs(app: FastAPI) -> str:
    """Return the page that describes the API; it needs no network, as the usual ones do."""
    return environment().get_template("api.html").render(api=app.openapi())
