"""The API: examine a picture, talk about it as with the OpenAI API, be watched by Prometheus."""

import base64
import contextlib
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, FastAPI, File, Form, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from fastapi.security import APIKeyHeader, HTTPBearer
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException

from morelli.data_pipeline.images import ImageError, Limits
from morelli.data_pipeline.report import Report, validate
from morelli.serve.api_errors import (
    REFUSALS,
    STATUS,
    ApiError,
    later,
    refuse,
    refuse_http,
    refuse_shape,
)
from morelli.serve.body import BoundedBody
from morelli.serve.callers import Caller, Events
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
from morelli.serve.desk import Desk, Waiting
from morelli.serve.downloads import record_of
from morelli.serve.elsewhere import ElsewhereError
from morelli.serve.fetch import Fetcher, FetchError
from morelli.serve.measured import Counts, Measured
from morelli.serve.opening import HERE, OpenPicture
from morelli.serve.render import encoded, environment
from morelli.serve.sessions import shed

if TYPE_CHECKING:
    from morelli.model.look import Look

_REMEMBERED = 8
_LONGEST_NAME = 255


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """What whoever runs the API may choose.

    Attributes:
        keys: that are let in; none lets everybody in.
        per_minute: requests of one caller.
        waiting: requests that are served or wait together.
        seconds: longest time for one request, and for its body to arrive.
        limits: how large a picture may be.
        fetcher: fetches pictures from addresses; None fetches none.
        open_picture: decodes what is given.
    """

    keys: tuple[str, ...] = ()
    per_minute: int = 60
    waiting: int = 8
    seconds: float = 120.0
    limits: Limits = field(default_factory=lambda: Limits(max_bytes=50_000_000))
    fetcher: Fetcher | None = None
    open_picture: OpenPicture = HERE.open


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
        self._remembered: OrderedDict[tuple[str, str], _Known] = OrderedDict()
        self._counts = Counts(lambda: self._line.inside)

    def build(self) -> FastAPI:
        """Return the application."""
        app = FastAPI(
            title="Morelli",
            summary="Is this picture authentic, tampered with or synthetic, and why?",
            docs_url=None,
            redoc_url=None,
        )
        responses: dict[int | str, dict[str, Any]] = {
            code: {"description": words} for code, words in REFUSALS.items()
        }
        # The gate below has asked for the key already; this is for the description.
        keys = [
            Depends(HTTPBearer(auto_error=False)),
            Depends(APIKeyHeader(name="x-api-key", auto_error=False)),
        ]
        route: dict[str, Any] = {"dependencies": keys, "responses": responses}
        app.post("/v1/examine", **route)(self.examine)
        app.post("/v1/chat/completions", **route)(self.chat)
        app.get("/health")(self.health)
        app.get("/metrics", response_class=Response)(self.metrics)
        app.get("/docs", include_in_schema=False)(lambda: HTMLResponse(_docs(app)))
        app.exception_handler(ApiError)(refuse)
        app.exception_handler(RequestValidationError)(refuse_shape)
        app.exception_handler(HTTPException)(refuse_http)
        settings = self._settings
        app.add_middleware(
            BoundedBody,
            admit=self._admit,
            max_bytes=settings.limits.max_bytes * 3 // 2 + 1_000_000,
            seconds=settings.seconds,
            most=settings.waiting + 8,
        )
        app.add_middleware(Measured, counts=self._counts)
        return app

    async def examine(
        self,
        request: Request,
        file: Annotated[
            UploadFile | None, File(description="the picture, up to the size limit")
        ] = None,
        url: Annotated[
            str | None, Form(description="where it lies, if this server may fetch from there")
        ] = None,
        explain: bool = True,
        images: bool = False,
    ) -> dict[str, Any]:
        """Examine a picture; returns an object of `morelli.report/1`.

        `explain=false` leaves out the words, and is several times faster. `images=true` adds the
        mask and the soft map as base64 PNG under `images`.
        """
        if (file is None) == (url is None):
            raise ApiError(422, "bad_request", "give either a file or a url, as multipart form")
        caller = Caller(self._settings.seconds)
        with self._enter():
            async with caller.watched(request):
                if file is not None:
                    data, name = await file.read(), file.filename or "upload"
                else:
                    data, name = await self._fetched(caller, str(url)), str(url)
                asked = _Asked(_who(request), data, name[:_LONGEST_NAME], explain, images)
                async for known in self._seen(asked, caller):
                    last = known
                validate(last.record)
                return last.record | ({"images": _images(last.report)} if images else {})

    async def chat(self, request: Request, body: ChatRequest) -> Response:
        """Talk about a picture, as with the OpenAI API; pictures come as data URLs.

        The first answer is the examination in words, with its record under `morelli`; after that,
        questions are answered by a model that is weak at it, and that cannot change the verdict.
        """
        try:
            talk = talk_of(body, self._settings.limits.max_bytes)
        except RequestError as error:
            raise ApiError(400, "bad_request", str(error)) from None
        identity, place = new_identity(), self._enter()
        caller = Caller(self._settings.seconds)
        said = self._said(_who(request), talk, caller)
        if body.stream:
            return Events(self._events(identity, said), place, caller)
        with place:
            async with caller.watched(request):
                async for text, record in said:  # noqa: B007 - the last one is the answer
                    pass
                return JSONResponse(completion(identity, text, record, len(text.split())))

    async def health(self) -> dict[str, Any]:
        """Say that the server is up, and with which model."""
        return {"status": "ok", "model": self._about, "inside": self._line.inside}

    async def metrics(self) -> Response:
        """Return the counts for Prometheus."""
        return Response(self._counts.text(), media_type="text/plain; version=0.0.4")

    def _admit(self, headers: Headers, host: str) -> None:
        """Let a caller in who has a key and has not asked too often."""
        key = _key(headers)
        if self._keys.required and not self._keys.admits(key):
            challenge = {"WWW-Authenticate": "Bearer"}
            raise ApiError(401, "no_key", "give an API key: Authorization: Bearer KEY", challenge)
        try:
            self._rate.take(key if self._keys.required else host)
        except BusyError as busy:
            raise later(busy, "too_many_requests") from None

    def _enter(self) -> contextlib.ExitStack:
        """Take a place in the queue, to be left by closing what is returned."""
        stack = contextlib.ExitStack()
        try:
            stack.enter_context(self._line.place())
        except BusyError as busy:
            raise later(busy, "queue_full") from None
        return stack

    async def _said(
        self, who: str, talk: Talk, caller: Caller
    ) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """Yield the answer so far, again and again until it is whole, and the picture's record."""
        data, name = talk.picture, "picture"
        if data is None:
            data, name = await self._fetched(caller, talk.address), talk.address[:_LONGEST_NAME]
        async for known in self._seen(_Asked(who, data, name, not talk.turns), caller):
            last = known
            if not talk.turns:
                yield spoken(known.record, finished=False), known.record
        if not talk.turns:
            yield spoken(last.record, finished=True), last.record
            return
        try:
            async for step in caller.steps(
                lambda: self._desk.answer(last.look, last.report, talk.turns, caller.stop)
            ):
                if not isinstance(step, Waiting):
                    yield step.text, last.record
        except ElsewhereError as error:
            raise ApiError(502, "no_answer", str(error)) from None

    async def _fetched(self, caller: Caller, url: str) -> bytes:
        fetcher = self._settings.fetcher
        if fetcher is None:
            words = "pictures are not fetched from addresses here; send a file or a data URL"
            raise ApiError(400, "no_addresses", words)
        try:
            return await caller.call(lambda: fetcher.fetch(url))
        except FetchError as error:
            raise ApiError(error.status, "not_fetched", str(error)) from None

    async def _seen(self, asked: "_Asked", caller: Caller) -> AsyncIterator["_Known"]:
        """Examine, or remember, a picture; the last thing yielded is the whole of it."""
        try:
            async for known in self._examined(asked, caller):
                yield known
        except ImageError as error:
            raise ApiError(STATUS.get(error.code, 422), error.code, error.message) from None

    async def _examined(self, asked: "_Asked", caller: Caller) -> AsyncIterator["_Known"]:
        opened, limits = self._settings.open_picture, self._settings.limits
        picture = await caller.call(lambda: opened(asked.data, asked.name, limits))
        key = (asked.who, picture.sha256)
        known = self._remembered.get(key)
        if known and known.report.picture.path == asked.name and not asked.images:
            self._remembered.move_to_end(key)
            yield known
            return
        known = None
        async for step in caller.steps(lambda: self._desk.watch(picture, caller.stop)):
            if isinstance(step, Waiting):
                continue
            known = _Known(step.look, step.report, record_of(step.report))
            yield known
            if not asked.explain:
                return
        if known is None:
            raise ApiError(499, "left", "the caller has left")
        if not caller.stop.is_set():
            self._remember(key, _Known(*shed(known.look, known.report), known.record))

    def _remember(self, key: tuple[str, str], known: "_Known") -> None:
        self._remembered[key] = known
        while len(self._remembered) > _REMEMBERED:
            self._remembered.popitem(last=False)

    async def _events(
        self, identity: str, said: AsyncIterator[tuple[str, dict[str, Any]]]
    ) -> AsyncIterator[str]:
        """Write an answer as events, each with what is new in the text."""
        sent, end = "", "stop"
        yield chunk(identity, {"role": "assistant", "content": ""})
        try:
            async for text, _ in said:
                if text.startswith(sent) and text != sent:
                    yield chunk(identity, {"content": text[len(sent) :]})
                    sent = text
        except ApiError as error:
            # The status went out long ago; a reader of the stream still learns why it ends.
            yield chunk(identity, {"content": f"{error.code}: {error}"})
            end = "length" if error.code == "too_slow" else "content_filter"
        yield chunk(identity, {}, end)
        yield "data: [DONE]\n\n"


@dataclass(frozen=True, slots=True)
class _Asked:
    """A picture to examine: by whom it was given, its bytes and name, and what of it is wanted."""

    who: str
    data: bytes
    name: str
    explain: bool
    images: bool = False


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of a picture, with the record of its report."""

    look: "Look"
    report: Report
    record: dict[str, Any]


def _key(headers: Headers) -> str:
    bearer = headers.get("authorization", "").removeprefix("Bearer ").strip()
    return headers.get("x-api-key") or bearer


def _who(request: Request) -> str:
    """Return whose the request is: nothing is remembered of one caller for another."""
    return _key(request.headers) or (request.client.host if request.client else "unknown")


def _images(report: Report) -> dict[str, str]:
    """Return mask and map as base64 PNG."""
    arrays = {"map": (report.map * 255).round().astype("uint8")}
    if report.mask is not None:
        arrays["mask"] = report.mask.astype("uint8") * 255
    return {
        name: base64.b64encode(encoded(array[..., None].repeat(3, 2), ".png")).decode()
        for name, array in arrays.items()
    }


def _docs(app: FastAPI) -> str:
    """Return the page that describes the API; it needs no network, as the usual ones do."""
    return environment().get_template("api.html").render(api=app.openapi())
