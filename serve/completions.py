"""The chat of the OpenAI API in our terms: which picture, which turns, how answers are written."""

import base64
import binascii
import json
import time
from dataclasses import dataclass
from typing import Any, Literal
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field

from morelli.data_pipeline.schema import Verdict
from morelli.model.conversation import MAX_QUESTION, Turn
from morelli.serve.render import HEADLINES, finding_text, percent

MODEL = "morelli"
"""The one model name there is; whatever a caller asks for, the answer says this."""

_MOST_MESSAGES = 64


class RequestError(ValueError):
    """A request that cannot be served; the message says what would be right."""


class Link(BaseModel):
    """Where a picture is: a data URL, or an address that the server may fetch from."""

    url: str


class Part(BaseModel):
    """A piece of a message."""

    type: Literal["text", "image_url"]
    text: str | None = None
    image_url: Link | None = None


class Message(BaseModel):
    """One message of a conversation."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[Part] | None = None


class ChatRequest(BaseModel):
    """What `/v1/chat/completions` takes; sampling settings are accepted and have no effect."""

    model_config = ConfigDict(extra="allow")

    model: str = MODEL
    messages: list[Message] = Field(min_length=1, max_length=_MOST_MESSAGES)
    stream: bool = False


@dataclass(frozen=True, slots=True)
class Talk:
    """What a request comes to.

    Attributes:
        picture: bytes of the picture that is asked about, the last one given; None if it was given
            by its address.
        address: where that picture lies, else empty.
        turns: questions and answers about it; empty if it was only just given, which asks for the
            examination itself.
    """

    picture: bytes | None
    address: str
    turns: list[Turn]


def talk_of(request: ChatRequest, max_bytes: int) -> Talk:
    """Read a request.

    Args:
        request: of the OpenAI API.
        max_bytes: largest picture.

    Raises:
        RequestError: there is no picture, it is not a data URL, or the last word is not the user's.
    """
    if request.messages[-1].role != "user":
        raise RequestError("the last message must be of the role user")
    given = [(index, link) for index, one in enumerate(request.messages) for link in _links(one)]
    if not given:
        raise RequestError("no message holds a picture; add a part of the type image_url")
    start, link = given[-1]
    after = request.messages[start + 1 :]
    turns: list[Turn] = []
    # The first answer after a picture is its examination, which is made again from the picture.
    answered = next((i for i, one in enumerate(after) if one.role == "assistant"), None)
    for message in after[answered + 1 :] if answered is not None else []:
        if message.role == "user":
            turns.append(Turn(_words(message)[:MAX_QUESTION]))
        elif message.role == "assistant" and turns:
            turns[-1] = Turn(turns[-1].question, _words(message)[:MAX_QUESTION])
    if turns and turns[-1].answer is not None:
        raise RequestError("the last message must be of the role user")
    if link.startswith(("http://", "https://")):
        return Talk(None, link, turns)
    return Talk(_bytes(link, max_bytes), "", turns)


def chunk(identity: str, delta: dict[str, Any], end: str | None = None) -> str:
    """Return one event of a stream."""
    body = _frame(identity, "chat.completion.chunk") | {
        "choices": [{"index": 0, "delta": delta, "finish_reason": end}]
    }
    return f"data: {json.dumps(body)}\n\n"


def completion(identity: str, text: str, record: dict[str, Any], tokens: int) -> dict[str, Any]:
    """Return a whole answer; our report rides along under a name of its own."""
    message = {"role": "assistant", "content": text}
    return _frame(identity, "chat.completion") | {
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 0, "completion_tokens": tokens, "total_tokens": tokens},
        "morelli": record,
    }


def spoken(record: dict[str, Any], finished: bool) -> str:
    """Return an examination as words in a chat; what is added later only follows what was said."""
    low, high = map(percent, record["interval"])
    chance = percent(1 - record["probability"]["authentic"])
    lines = [
        f"{HEADLINES[Verdict(record['verdict'])][0]}: {chance} calibrated probability that it is "
        f"tampered or synthetic ({low} to {high}), for a base rate of {percent(record['prior'])}.",
        record["rationale"],
    ]
    if finished:
        lines += [finding_text(finding) for finding in record["findings"]]
        lines.append("No sign of manipulation found is no proof of authenticity.")
    return "\n\n".join(line for line in lines if line)


def new_identity() -> str:
    """Return an id for an answer."""
    return f"chatcmpl-{uuid4().hex}"


def _frame(identity: str, kind: str) -> dict[str, Any]:
    return {"id": identity, "object": kind, "created": int(time.time()), "model": MODEL}


def _links(message: Message) -> list[str]:
    if isinstance(message.content, str) or message.content is None or message.role != "user":
        return []
    return [part.image_url.url for part in message.content if part.image_url is not None]


def _words(message: Message) -> str:
    if message.content is None or isinstance(message.content, str):
        return message.content or ""
    return "\n".join(part.text for part in message.content if part.text)


def _bytes(link: str, max_bytes: int) -> bytes:
    """Decode a data URL."""
    head, comma, body = link.partition(",")
    if not head.startswith("data:"):
        raise RequestError("a picture is given as a data URL (base64), or by its address if any is")
    if not comma or not head.endswith(";base64"):
        raise RequestError("a data URL must be base64: data:image/jpeg;base64,...")
    if len(body) > max_bytes * 4 // 3 + 4:
        raise RequestError(f"the picture has more than {max_bytes:,} bytes; give a smaller one")
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error as error:
        raise RequestError(f"the data URL is not valid base64 ({error})") from None
