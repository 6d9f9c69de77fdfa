"""Whatever a request looks like that the API's description allows, or nearly: never our failure."""

import base64
from typing import Any

import cv2
import numpy as np
import schemathesis
import schemathesis.openapi
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tiny_api import tiny_api


def drawn(side: int) -> bytes:
    pixels = np.random.default_rng(side).integers(0, 255, (side, side, 3), np.uint8)
    return bytes(cv2.imencode(".jpg", pixels)[1].tobytes())


PICTURES = [drawn(64), drawn(80), drawn(40), drawn(64)[:600], b"GIF89a", b""]
LINKS = [
    *(f"data:image/jpeg;base64,{base64.b64encode(data).decode()}" for data in PICTURES),
    "data:,",
    "data:image/png;base64,@",
    "http://127.0.0.1/",
    "file:///etc/passwd",
]

schema = schemathesis.openapi.from_asgi("/openapi.json", tiny_api())


@schemathesis.hook("map_body")  # type: ignore[untyped-decorator]
def with_pictures(context: Any, body: Any) -> Any:
    """Put pictures where the description has only text, or next to nothing would get beyond."""
    pick = len(repr(body))
    if not isinstance(body, dict) or pick % 4 == 0:
        return body
    if context.operation.path == "/v1/examine":
        return {name: body[name] for name in body if name != "url"} | {
            "file": PICTURES[pick % len(PICTURES)]
        }
    messages = body.get("messages") if isinstance(body.get("messages"), list) else []
    for message in messages:
        parts = message.get("content") if isinstance(message, dict) else None
        for part in parts if isinstance(parts, list) else []:
            if isinstance(part, dict) and isinstance(part.get("image_url"), dict):
                part["image_url"]["url"] = LINKS[pick % len(LINKS)]
    return body


@schema.parametrize()
@settings(
    max_examples=40,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_no_request_makes_the_server_fail_or_answer_what_is_not_described(case: Any) -> None:
    case.call_and_validate(
        checks=[
            not_a_server_error,
            status_code_conformance,
            content_type_conformance,
            response_schema_conformance,
        ]
    )
