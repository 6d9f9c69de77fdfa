"""Pushing, against a hub of our own on this machine."""

import base64
import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from huggingface_hub import constants

from morelli.model.checkpoint import CheckpointError, write_list
from morelli.serve import cli
from morelli.training.push import PushError, parcel_of, push


class Hub(BaseHTTPRequestHandler):
    """Takes repositories and commits, and remembers them."""

    def do_POST(self):
        length = self.headers.get("Content-Length")
        body = self.rfile.read(int(length)) if length else self._chunks()
        self.server.asked.append((self.path, body))
        if self.server.refuses:
            self._answer({"error": "no such account"}, 401)
        elif self.path == "/api/repos/create":
            self._answer({"url": f"{self.server.address}/you/mine"})
        elif "/preupload/" in self.path:
            files = json.loads(body)["files"]
            modes = [
                {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in files
            ]
            self._answer({"files": modes})
        elif "/commit/" in self.path:
            self._answer(
                {"commitUrl": f"{self.server.address}/you/mine/commit/1", "commitOid": "1"}
            )
        else:
            self._answer({})

    def do_GET(self):
        self._answer({"id": "you/mine", "siblings": []})

    def _chunks(self):
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _answer(self, record, status=200):
        text = json.dumps(record).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        """Say nothing."""


@contextmanager
def hub_that(refuses):
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        server.asked, server.refuses = [], refuses
        server.address = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def at(monkeypatch):
    """Go online, to the hub at an address."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", "hf_" + "a" * 34)
    return lambda address: monkeypatch.setattr(constants, "ENDPOINT", address)


@pytest.fixture
def run(tmp_path):
    """A finished run, with a log and an optimiser that nobody else is to see."""
    folder = tmp_path / "mine" / "checkpoint"
    folder.mkdir(parents=True)
    for name in ("adapter_model.safetensors", "config.json", "README.md"):
        (folder / name).write_text(f"{name} of the checkpoint")
    write_list(folder, "mine", "4 steps", {})
    (folder / "notes.txt").write_text("secret")
    (tmp_path / "mine" / "metrics.jsonl").write_text("secret")
    return tmp_path / "mine"


LISTED = ("README.md", "adapter_model.safetensors", "checkpoint.json", "config.json")


def test_without_send_the_command_lists_what_would_go_and_asks_nobody(run, capsys):
    assert cli.main(["push", str(run), "--to", "you/mine"]) == 0
    printed = capsys.readouterr().out
    for name in LISTED:
        assert name in printed
    assert "notes.txt" not in printed
    assert "Nothing was sent" in printed


def test_what_the_checkpoint_lists_goes_and_nothing_else(run, at):
    with hub_that(refuses=False) as hub:
        at(hub.address)
        address = push(parcel_of(run, "you/mine"))
    asked = dict(hub.asked)
    assert address.endswith("you/mine")
    assert json.loads(asked["/api/repos/create"])["visibility"] == "private"
    (commit,) = [body for path, body in hub.asked if "/commit/" in path]
    sent = [json.loads(line) for line in commit.splitlines()]
    files = {r["value"]["path"]: r["value"]["content"] for r in sent if r["key"] == "file"}
    assert tuple(sorted(files)) == LISTED
    assert base64.b64decode(files["config.json"]) == b"config.json of the checkpoint"


def test_a_hub_that_refuses_is_quoted_with_what_to_do(run, at):
    with hub_that(refuses=True) as hub:
        at(hub.address)
        with pytest.raises(PushError, match="Log in with"):
            push(parcel_of(run, "you/mine"))


def test_a_hub_that_is_not_there_is_named_so(run, at):
    at("http://127.0.0.1:9")
    with pytest.raises(PushError, match="cannot be reached"):
        push(parcel_of(run, "you/mine"))


def test_a_bad_name_is_refused(run, at):
    with pytest.raises(PushError, match="'a/b/c' is no name of a repository"):
        push(parcel_of(run, "a/b/c"))


def test_a_damaged_checkpoint_does_not_go(run):
    (run / "checkpoint" / "config.json").write_text("changed")
    with pytest.raises(CheckpointError, match="has SHA-256"):
        parcel_of(run, "you/mine")
