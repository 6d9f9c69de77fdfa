"""The API, asked over a socket as its callers ask."""

import base64
import contextlib
import functools
import hashlib
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from morelli.data_pipeline.report import validate

httpx = pytest.importorskip("httpx", reason="httpx is not installed")
pytest.importorskip("fastapi", reason="fastapi is not installed")
pytest.importorskip("prometheus_client", reason="prometheus-client is not installed")
SCRIPT = Path(__file__).with_name("scripted_api.py")
KEYS = ("first-key-0123456789", "second-key-0123456789")
PATIENCE = 60.0


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextlib.contextmanager
def served(seconds: float, *more: str) -> Iterator[Any]:
    """Run a server whose look takes so long, and give a client with a key."""
    port = free_port()
    server = subprocess.Popen([sys.executable, str(SCRIPT), str(port), str(seconds), *more])
    headers = {"Authorization": f"Bearer {KEYS[0]}"}
    base = f"http://127.0.0.1:{port}"
    with httpx.Client(base_url=base, headers=headers, timeout=PATIENCE) as client:
        try:
            for _ in range(600):
                assert server.poll() is None
                with contextlib.suppress(httpx.TransportError):
                    client.get("/health")
                    break
                time.sleep(0.1)
            yield client
        finally:
            server.terminate()
            server.wait(20)


@pytest.fixture(scope="module")
def api() -> Iterator[Any]:
    with served(0.0) as client:
        yield client


def drawn(seed: int = 0, side: int = 90) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (side, side, 3), np.uint8)
    return bytes(cv2.imencode(".jpg", pixels)[1].tobytes())


def message(text: str, picture: bytes | None = None) -> dict[str, Any]:
    parts: list[dict[str, Any]] = [{"type": "text", "text": text}]
    if picture is not None:
        url = f"data:image/jpeg;base64,{base64.b64encode(picture).decode()}"
        parts.append({"type": "image_url", "image_url": {"url": url}})
    return {"role": "user", "content": parts}


def test_a_picture_is_examined(api: Any) -> None:
    answer = api.post("/v1/examine?images=true", files={"file": ("p.jpg", drawn())})
    assert answer.status_code == 200
    record = answer.json()
    images = record.pop("images")
    validate(record)
    assert record["verdict"] == "tampered"
    assert len(record["findings"]) == 3
    mask = cv2.imdecode(np.frombuffer(base64.b64decode(images["mask"]), np.uint8), 0)
    assert mask.shape == (90, 90)
    assert (mask > 127).mean() == pytest.approx(record["mask"]["area"], abs=1e-3)


def test_words_can_be_left_out(api: Any) -> None:
    answer = api.post("/v1/examine?explain=false", files={"file": ("q.jpg", drawn(1))})
    assert answer.json()["findings"] == []


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"no picture", 422, "not_an_image"),
        (b"", 422, "empty"),
        (b"%PDF-1.7 and so on" * 9, 415, "unsupported_format"),
        (drawn(side=40), 422, "too_small"),
        (b"\xff\xd8\xff" + bytes(400_000), 413, "too_many_bytes"),
        (bytes(3_000_000), 413, "too_many_bytes"),
    ],
)
def test_what_cannot_be_examined_is_refused_with_a_code(
    api: Any, data: bytes, status: int, code: str
) -> None:
    answer = api.post("/v1/examine", files={"file": ("p.jpg", data)})
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_a_request_without_a_file_says_what_is_missing(api: Any) -> None:
    answer = api.post("/v1/examine", data={"other": "x"})
    assert answer.status_code == 422
    assert "file" in answer.json()["error"]["message"]


@pytest.mark.parametrize("key", ["none", "wrong-key-0123456789", KEYS[0][:-1]])
def test_without_a_key_nobody_is_served(api: Any, key: str) -> None:
    answer = api.post(
        "/v1/examine",
        files={"file": ("p.jpg", drawn())},
        headers={"Authorization": f"Bearer {key}"},
    )
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


def test_health_metrics_and_description_need_no_key(api: Any) -> None:
    for path in ("/health", "/metrics", "/openapi.json", "/docs"):
        assert api.get(path, headers={"Authorization": ""}).status_code == 200
    assert api.get("/health").json()["model"]["name"] == "scripted"
    assert 'morelli_requests_total{route="/health",status="200"}' in api.get("/metrics").text
    assert "/v1/examine" in api.get("/docs").text
    assert "http://" not in api.get("/docs").text.replace("{address}", "")


def test_a_conversation_is_an_examination_and_then_answers(api: Any) -> None:
    messages = [message("What is it?", drawn(2))]
    first = api.post("/v1/chat/completions", json={"model": "any", "messages": messages}).json()
    said = first["choices"][0]["message"]
    assert said["content"].startswith("Tampered: 92% calibrated probability")
    assert "[F1] confirmed" in said["content"]
    validate(first["morelli"])
    messages += [said, {"role": "user", "content": "And where?"}]
    again = api.post("/v1/chat/completions", json={"messages": messages}).json()
    words = again["choices"][0]["message"]["content"]
    assert "'And where?' after 0 earlier" in words
    assert "authentic" not in words
    assert again["morelli"] == first["morelli"]


def test_a_stream_comes_in_pieces_that_join_to_the_answer(api: Any) -> None:
    body = {"messages": [message("What is it?", drawn(3))], "stream": True}
    text, pieces = "", 0
    with api.stream("POST", "/v1/chat/completions", json=body) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in answer.iter_lines() if line]
    assert lines[-1] == "data: [DONE]"
    for line in lines[:-1]:
        choice = json.loads(line.removeprefix("data: "))["choices"][0]
        piece = choice["delta"].get("content", "")
        text, pieces = text + piece, pieces + bool(piece)
    assert choice["finish_reason"] == "stop"
    assert pieces > 1
    assert text.startswith("Tampered: 92%")
    assert "No sign of manipulation found is no proof" in text


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([{"role": "user", "content": "hello"}], "no message holds a picture"),
        ([message("x", b"x"), {"role": "assistant", "content": "y"}], "role user"),
        (
            [
                {
                    "role": "user",
                    "content": [
                        {"type": "image_url", "image_url": {"url": "http://169.254.169.254/x"}}
                    ],
                }
            ],
            "not fetched",
        ),
        (
            [
                {
                    "role": "user",
                    "content": [
                        {"type": "image_url", "image_url": {"url": "data:image/png;base64,@@"}}
                    ],
                }
            ],
            "not valid base64",
        ),
    ],
)
def test_a_conversation_that_makes_no_sense_is_refused_in_words(
    api: Any, messages: list[Any], words: str
) -> None:
    answer = api.post("/v1/chat/completions", json={"messages": messages})
    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"]


def test_who_asks_too_often_is_told_when_to_come_back(api: Any) -> None:
    headers = {"Authorization": f"Bearer {KEYS[1]}"}
    statuses = []
    for _ in range(40):
        answer = api.post("/v1/chat/completions", json={"messages": []}, headers=headers)
        statuses.append(answer.status_code)
    assert 429 in statuses
    assert int(answer.headers["retry-after"]) >= 1
    assert api.post("/v1/chat/completions", json={"messages": []}).status_code == 422


def test_a_full_queue_turns_away_and_a_slow_examination_ends_in_time() -> None:
    with served(6.0) as api:
        answers: list[Any] = []

        def ask(seed: int) -> None:
            picture = {"file": ("p.jpg", drawn(seed))}
            answers.append(api.post("/v1/examine", files=picture))

        asking = [threading.Thread(target=ask, args=(seed,)) for seed in range(4)]
        for one in asking:
            one.start()
        for one in asking:
            one.join()
        assert sorted(answer.status_code for answer in answers) == [429, 429, 504, 504]
        turned_away = next(answer for answer in answers if answer.status_code == 429)
        assert int(turned_away.headers["retry-after"]) >= 1
        assert turned_away.json()["error"]["code"] == "queue_full"
        assert api.get("/health").json()["inside"] == 0
        # One that dribbles its body in, and one that leaves, hold nothing up.
        port = api.base_url.port
        with socket.create_connection(("127.0.0.1", port)) as slow:
            slow.sendall(
                f"POST /v1/examine HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEYS[0]}\r\n"
                "Content-Length: 999\r\n\r\nab".encode()
            )
            slow.settimeout(PATIENCE)
            assert b"408" in slow.recv(4096).split(b"\r\n")[0]
        assert api.get("/health").status_code == 200


def test_a_picture_is_fetched_from_an_allowed_host_and_from_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(drawn(7))
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as pictures:
        threading.Thread(target=pictures.serve_forever, daemon=True).start()
        port = str(pictures.server_port)
        url = f"http://pictures.example:{port}/photo.jpg"
        with served(0.0, port) as api:
            answer = api.post("/v1/examine", files={"url": (None, url)})
            assert answer.status_code == 200
            record = answer.json()
            validate(record)
            assert record["image"]["path"] == url
            assert record["image"]["sha256"] == hashlib.sha256(drawn(7)).hexdigest()
            link = {"type": "image_url", "image_url": {"url": url}}
            asked = {"messages": [{"role": "user", "content": [link]}]}
            said = api.post("/v1/chat/completions", json=asked).json()
            assert said["morelli"]["image"] == record["image"]
            for other in (f"http://127.0.0.1:{port}/photo.jpg", "file:///etc/passwd"):
                refused = api.post("/v1/examine", files={"url": (None, other)})
                assert refused.status_code == 400
                assert refused.json()["error"]["code"] == "not_fetched"
            both = {"url": (None, url), "file": ("p.jpg", drawn())}
            assert api.post("/v1/examine", files=both).status_code == 422
        pictures.shutdown()
