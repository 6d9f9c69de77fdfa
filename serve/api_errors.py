"""Refusals of the API: one shape for all of them, that programs and people can read."""

import json

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import Send

from morelli.serve.counter import BusyError

REFUSALS = {
    400: "the request cannot be understood",
    401: "no API key, or one that is not known",
    408: "the request took too long to arrive",
    413: "too large",
    415: "a format that is not read",
    422: "not a picture, or a damaged one",
    429: "too many requests; Retry-After says when to come back",
    502: "the server that answers questions, or the one that holds the picture, does not answer",
    504: "not done in time",
}
"""Status -> what it means; what the description of every route lists."""

STATUS = {"too_many_bytes": 413, "too_many_pixels": 413, "unsupported_format": 415}
"""Code of an `ImageError` -> status, for those that are not 422."""


class ApiError(Exception):
    """An answer with a status, a code that programs read, and words."""

    def __init__(
        self, status: int, code: str, message: str, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.headers = status, code, headers

    def response(self) -> JSONResponse:
        """Return it as an answer."""
        body = {"code": self.code, "message": str(self), "type": "invalid_request_error"}
        return JSONResponse({"error": body}, self.status, self.headers)

    async def send(self, send: Send) -> None:
        """Send it from outside of any route, and close the connection."""
        answer = self.response()
        headers = [*answer.raw_headers, (b"connection", b"close")]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})


def later(busy: BusyError, code: str) -> ApiError:
    """Return the refusal that says when to come back."""
    return ApiError(429, code, str(busy), {"Retry-After": str(busy.seconds)})


async def refuse(_: Request, error: Exception) -> JSONResponse:
    """Answer with a refusal that a route raised."""
    if not isinstance(error, ApiError):
        raise error
    return error.response()


async def refuse_shape(_: Request, error: Exception) -> JSONResponse:
    """Answer to a request that does not have the described shape."""
    if not isinstance(error, RequestValidationError):
        raise error
    first = error.errors()[0]
    place = ".".join(str(step) for step in first["loc"])
    # Parts of the request come back in this message, and may hold half of a character.
    words = json.loads(json.dumps(f"{place}: {first['msg']}").encode(errors="replace"))
    return ApiError(422, "bad_request", words).response()


async def refuse_http(_: Request, error: Exception) -> JSONResponse:
    """Answer to what the framework itself refuses, such as an unknown path."""
    if not isinstance(error, HTTPException):
        raise error
    headers = dict(error.headers) if error.headers else None
    return ApiError(error.status_code, "bad_request", str(error.detail), headers).response()
