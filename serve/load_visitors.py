"""Visitors without a browser: they speak to the page's server as its own script does.

A browser for each of eight visitors would take the cores that are to be measured.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx

_PATIENCE = 600.0


class LoadError(RuntimeError):
    """The server failed a visitor; the message says how."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page that is up.

    Attributes:
        url: of the page.
        examine: number of the function that an upload calls.
        ask: number of the function that a question calls.
    """

    url: str
    examine: int
    ask: int

    @classmethod
    async def at(cls, url: str) -> "Page":
        """Read the page's description of itself.

        Raises:
            LoadError: it is another page.
        """
        async with httpx.AsyncClient(timeout=_PATIENCE) as client:
            config = (await client.get(f"{url}/config")).json()
        named = {one["props"].get("elem_id"): one["id"] for one in config["components"]}
        calls = {
            (named_id, event): one["id"]
            for one in config["dependencies"]
            for named_id, event in one["targets"]
        }
        try:
            return cls(url, calls[named["drop"], "upload"], calls[named["question"], "submit"])
        except KeyError as missing:
            raise LoadError(f"{url} has no {missing}; is it the page of morelli demo?") from None


@dataclass
class Visit:
    """What one visitor saw.

    Attributes:
        verdict_seconds: from the upload until the verdict; None if there was none.
        seen: everything that the server sent.
        refused: whether the picture was refused in words.
    """

    verdict_seconds: float | None = None
    seen: list[str] = field(default_factory=list)
    refused: bool = False

    @property
    def verdict(self) -> str:
        """The verdict and its probability, as the card has them.

        Raises:
            LoadError: there is none.
        """
        for text in self.seen:
            _, found, after = text.partition('class=\\"big\\">')
            if found:
                verdict = text.partition('data-verdict=\\"')[2].partition('\\"')[0]
                return f"{verdict} {after.partition('<')[0]}"
        raise LoadError("no verdict was shown")


@contextlib.asynccontextmanager
async def visitor(page: Page) -> AsyncIterator["Visitor"]:
    """Open the page, and leave it at the end, as closing a browser's tab does."""
    async with httpx.AsyncClient(timeout=_PATIENCE) as client:
        one = Visitor(page, client)
        beating = asyncio.create_task(one.beat())
        try:
            yield one
        finally:
            beating.cancel()
            with contextlib.suppress(asyncio.CancelledError, httpx.HTTPError):
                await beating


class Visitor:
    """One who has the page open."""

    def __init__(self, page: Page, client: httpx.AsyncClient) -> None:
        self._page, self._client, self._session = page, client, uuid4().hex[:12]

    async def beat(self) -> None:
        """Hold the connection open by whose end the server learns that the visitor has left."""
        path = f"{self._page.url}/gradio_api/heartbeat/{self._session}"
        async with self._client.stream("GET", path) as beats:
            async for _ in beats.aiter_bytes():
                pass

    async def examine(self, data: bytes, name: str, until: str = "words") -> Visit:
        """Give a picture, and listen until the "verdict" or until the "words" are all there.

        Raises:
            LoadError: the examination failed.
        """
        start = time.perf_counter()
        url = f"{self._page.url}/gradio_api/upload"
        answer = await self._client.post(url, files={"files": (name, data)})
        (path,) = answer.raise_for_status().json()
        file = {"path": path, "orig_name": name, "meta": {"_type": "gradio.FileData"}}
        visit = Visit()
        async for text in self._call(self._page.examine, [file]):
            visit.seen.append(text)
            visit.refused |= "Not examined" in text
            if visit.verdict_seconds is None and 'class=\\"big\\"' in text:
                visit.verdict_seconds = time.perf_counter() - start
                if until == "verdict":
                    break
        return visit

    async def ask(self, question: str) -> str:
        """Ask about the picture, and return all that was sent.

        Raises:
            LoadError: the answer failed.
        """
        return "\n".join([text async for text in self._call(self._page.ask, [question])])

    async def _call(self, function: int, data: list[Any]) -> AsyncIterator[str]:
        """Call a function of the page, and yield what it sends, each as a line of JSON."""
        body = {"data": data, "fn_index": function, "session_hash": self._session}
        joined = await self._client.post(f"{self._page.url}/gradio_api/queue/join", json=body)
        event = joined.raise_for_status().json()["event_id"]
        url = f"{self._page.url}/gradio_api/queue/data"
        asked = {"session_hash": self._session}
        async with self._client.stream("GET", url, params=asked) as lines:
            async for line in lines.aiter_lines():
                message = json.loads(line.removeprefix("data:")) if line else {}
                if message.get("event_id") != event:
                    continue
                if message["msg"] == "process_completed":
                    if not message["success"]:
                        raise LoadError(f"the page failed: {message['output']}")
                    yield line
                    return
                if message["msg"] == "process_generating":
                    yield line
