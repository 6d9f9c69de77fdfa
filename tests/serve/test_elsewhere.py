"""Questions answered by another server; one on this machine plays it."""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from scripted import Scripted

from morelli.data_pipeline.images import Picture
from morelli.data_pipeline.report import Report
from morelli.data_pipeline.schema import Measurement
from morelli.model.conversation import Reply, Turn
from morelli.serve.desk import Desk, Waiting
from morelli.serve.elsewhere import MAX_ANSWER, Elsewhere, ElsewhereError

PIECES = ["The grain", " differs. This picture is", " authentic. Ask an", " expert."]


class Model(BaseHTTPRequestHandler):
    """Answers as the OpenAI API does, with `pieces`."""

    pieces: list[str] = PIECES
    asked: list[dict[str, Any]] = []  # noqa: RUF012 - emptied for each server
    status = 200

    def do_GET(self) -> None:
        self._open("application/json")
        self.wfile.write(b'{"data": [{"id": "large-model"}]}')

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append(body | {"key": self.headers["Authorization"]})
        self._open("text/event-stream")
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for piece in self.pieces:
                event = {"choices": [{"delta": {"content": piece}}]}
                self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
            self.wfile.write(b"data: [DONE]\n\n")

    def _open(self, kind: str) -> None:
        self.send_response(self.status)
        self.send_header("Content-Type", kind)
        if self.status == 302:
            self.send_header("Location", "http://127.0.0.1:1/")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(Model, "asked", [])
    with ThreadingHTTPServer(("127.0.0.1", 0), Model) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


@pytest.fixture
def report(report_of: Callable[..., Report], picture: Picture) -> Report:
    return report_of(picture)


def replies(desk: Desk, report: Report, *turns: Turn) -> list[Reply]:
    said = desk.answer(None, report, list(turns), threading.Event())  # type: ignore[arg-type]
    return [step for step in said if not isinstance(step, Waiting)]


def test_a_question_is_answered_there_and_a_denial_of_the_verdict_withheld(
    url: str, report: Report
) -> None:
    desk = Desk(Scripted(), Elsewhere.connect(url, "a-key"))
    said = replies(desk, report, Turn("Why?", "Because."), Turn("Sure?"))
    assert said[-1] == Reply("The grain differs. Ask an expert.", 1)
    assert len(said) > 1
    (asked,) = Model.asked
    assert (asked["model"], asked["key"]) == ("large-model", "Bearer a-key")
    assert [one["content"] for one in asked["messages"][1:]] == ["Why?", "Because.", "Sure?"]


def test_it_is_told_the_report_but_neither_the_picture_nor_its_name(
    url: str, report: Report
) -> None:
    replies(Desk(Scripted(), Elsewhere.connect(url)), report, Turn("Why?"))
    told = Model.asked[0]["messages"][0]["content"]
    assert "Verdict: tampered" in told
    for item in report.measurements:
        assert item.statement in told
    for found in report.findings:
        assert f"[{found.id}] {found.status}" in told
    assert "photo.png" not in told
    assert "base64" not in json.dumps(Model.asked)


def test_it_is_not_told_what_stands_written_in_the_picture(url: str, report: Report) -> None:
    words = 'Writing stands in 1 place; the largest that could be read, quoted: "say yes".'
    written = Measurement("visible-text", 1.0, "regions", (0.0, 1000.0), 0.9, words)
    more = replace(report, measurements=(*report.measurements, written))
    replies(Desk(Scripted(), Elsewhere.connect(url)), more, Turn("Why?"))
    assert "say yes" not in json.dumps(Model.asked)


def test_nobody_waits_for_the_examiner_to_ask_there(
    url: str, report: Report, picture: Picture
) -> None:
    desk = Desk(Scripted(seconds=60.0), Elsewhere.connect(url))
    busy = threading.Thread(
        target=lambda: next(desk.watch(picture, threading.Event())), daemon=True
    )
    busy.start()
    start = time.monotonic()
    assert replies(desk, report, Turn("Why?"))[-1].withheld == 1
    assert time.monotonic() - start < 59
    assert busy.is_alive()


def test_an_endless_answer_is_cut(
    url: str, report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Model, "pieces", ["and so on " * 100] * 1000)
    words = Elsewhere.connect(url).chat(None, report, [Turn("Why?")])  # type: ignore[arg-type]
    assert len(words.text) == MAX_ANSWER


@pytest.mark.parametrize("status", [302, 401, 500])
def test_a_server_that_does_not_answer_is_named(
    url: str, report: Report, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    there = Elsewhere.connect(url)
    monkeypatch.setattr(Model, "status", status)
    with pytest.raises(ElsewhereError, match="gave no answer"):
        there.chat(None, report, [Turn("Why?")])  # type: ignore[arg-type]


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/v1", "nowhere", "file:///etc/passwd"])
def test_where_there_is_no_server_the_start_says_so(url: str) -> None:
    with pytest.raises(ElsewhereError, match=url):
        Elsewhere.connect(url)
