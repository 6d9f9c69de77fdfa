"""A language model behind an OpenAI-compatible address, asked to write what the teacher would.

Knows how to ask, to wait and try again, to keep answers and to count what they cost; nothing of
pictures and verdicts. `annotation` decides what is asked, and holds the answer against the facts.
"""

import hashlib
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from morelli.data_pipeline.whole_files import whole

_PASSING = frozenset({408, 409, 425, 429})
"""Statuses of refusals that another try may get past; so may every one from 500 on."""

_LONGEST_WAIT = 60.0
_MOST_BYTES = 4_000_000
"""Of an answer; more is no answer."""


class AnnotatorError(RuntimeError):
    """An address that gives no answer; the message says why in one line."""


@dataclass(slots=True)
class Spent:
    """What was used: tokens that were sent and received, and answers that were kept already."""

    sent: int = 0
    received: int = 0
    asked: int = 0
    kept: int = 0

    def cost(self, prices: tuple[float, float]) -> float:
        """Return the cost, given prices of a million tokens sent and received."""
        return (self.sent * prices[0] + self.received * prices[1]) / 1e6


@dataclass(slots=True)
class Annotator:
    """Asks a model, one conversation at a time; may be used by several threads.

    Attributes:
        url: where the API begins, such as "http://127.0.0.1:8001/v1".
        model: which model to ask.
        cache: folder of answers; what was asked before is not asked again.
        key: API key, if one is wanted.
        tries: how often to ask before giving up.
        seconds: longest silence.
        sleep: waits; for tests.
        spent: what was used so far.
    """

    url: str
    model: str
    cache: Path
    key: str | None = None
    tries: int = 6
    seconds: float = 120.0
    sleep: Callable[[float], None] = time.sleep
    spent: Spent = field(default_factory=Spent)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """Refuse what is no address.

        Raises:
            AnnotatorError: the address is none.
        """
        if urlsplit(self.url).scheme not in ("http", "https") or not urlsplit(self.url).hostname:
            raise AnnotatorError(
                f"{self.url!r} is no address; give one such as http://127.0.0.1:8001/v1"
            )
        self.cache.mkdir(parents=True, exist_ok=True)

    def ask(self, messages: list[dict[str, Any]], most_tokens: int) -> str:
        """Return what the model answers; from the cache if it was asked the same before.

        Args:
            messages: in OpenAI's form.
            most_tokens: of the answer.

        Raises:
            AnnotatorError: no answer after all tries, or a refusal that no other try can mend.
        """
        body = {"model": self.model, "messages": messages, "max_tokens": most_tokens}
        data = json.dumps({**body, "temperature": 0.7}, sort_keys=True).encode()
        kept = self.cache / f"{hashlib.sha256(self.url.encode() + data).hexdigest()}.json"
        if kept.exists():
            with self._lock:
                self.spent.kept += 1
            return str(json.loads(kept.read_text(encoding="utf-8"))["text"])
        reply = self._reply(data)
        try:
            text = str(reply["choices"][0]["message"]["content"] or "")
            usage = reply.get("usage") or {}
            sent, received = (
                int(usage.get(name) or 0) for name in ("prompt_tokens", "completion_tokens")
            )
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise AnnotatorError(
                f"{self.url} answers in another form than OpenAI's chat completions "
                f"({_line(error)}); give the address at which its API begins"
            ) from None
        with self._lock:
            self.spent.asked += 1
            self.spent.sent += sent
            self.spent.received += received
        with whole(kept) as unfinished:
            record = {"model": self.model, "text": text, "sent": sent, "received": received}
            unfinished.write_text(json.dumps(record, ensure_ascii=False), encoding="utf-8")
        return text

    def _reply(self, data: bytes) -> Any:
        """Send a request until it is answered, waiting longer each time."""
        said = ""
        for number in range(self.tries):
            if number:
                self.sleep(min(_LONGEST_WAIT, 2.0 ** (number - 1)))
            try:
                with _OPENER.open(self._request(data), timeout=self.seconds) as answer:
                    return json.loads(answer.read(_MOST_BYTES))
            except urllib.error.HTTPError as error:
                said = f"HTTP {error.code} {error.reason}"
                if error.code not in _PASSING and error.code < 500:
                    break
                self._obey(error.headers.get("Retry-After"))
            except (OSError, HTTPException, ValueError) as error:
                said = _line(error)
        raise AnnotatorError(
            f"{self.url} gave no answer ({said}); what it answered before is kept, so that "
            "the same command goes on from there"
        )

    def _obey(self, wait: str | None) -> None:
        """Wait as long as the server asks for in seconds, within reason."""
        if wait is not None and wait.isdigit():
            self.sleep(min(_LONGEST_WAIT, float(wait)))

    def _request(self, data: bytes) -> urllib.request.Request:
        headers = {"Content-Type": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        place = f"{self.url.rstrip('/')}/chat/completions"
        return urllib.request.Request(place, data, headers, method="POST")


class _Nowhere(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: pictures and keys go where they were sent, and nowhere else."""

    def redirect_request(self, *_: Any) -> None:
        """Refuse."""


_OPENER = urllib.request.build_opener(_Nowhere)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
