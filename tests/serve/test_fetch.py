"""Fetching from addresses, against a server on this machine, which is what must not be reached."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from morelli.serve.fetch import Fetcher, FetchError, is_public

PICTURE = b"\xff\xd8\xff not much of a picture"


class Answering(BaseHTTPRequestHandler):
    """Serves one picture, and every kind of trouble."""

    asked: list[str] = []  # noqa: RUF012 - emptied for each server

    def do_GET(self) -> None:
        self.asked.append(f"{self.headers['Host']} {self.path}")
        if self.path.startswith("/redirect"):
            self.send_response(302)
            self.send_header("Location", "http://169.254.169.254/latest/meta-data")
            self.end_headers()
        elif self.path == "/missing":
            self.send_error(404)
        elif self.path == "/endless":
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(OSError):
                while True:
                    self.wfile.write(bytes(10_000))
        elif self.path == "/dribble":
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(OSError):
                while True:
                    self.wfile.write(b"x")
                    time.sleep(0.05)
        else:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(PICTURE)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def port() -> Iterator[int]:
    Answering.asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture
def fetcher(port: int) -> Fetcher:
    """Return one for which pictures.example lies on this machine, and that may connect to it."""
    return Fetcher(
        frozenset({f"pictures.example:{port}"}),
        max_bytes=100_000,
        seconds=10.0,
        resolve=lambda host, port: ["127.0.0.1"],
        permitted=lambda address: True,
    )


def test_a_picture_of_an_allowed_host_is_fetched(fetcher: Fetcher, port: int) -> None:
    assert fetcher.fetch(f"http://pictures.example:{port}/a%20b.jpg?size=1") == PICTURE
    assert fetcher.fetch(f"http://PICTURES.example:{port}") == PICTURE
    assert Answering.asked[0] == f"pictures.example:{port} /a%20b.jpg?size=1"


def test_the_name_is_resolved_once_and_that_address_connected_to(
    fetcher: Fetcher, port: int
) -> None:
    answers = iter([["127.0.0.1"], ["127.0.0.2"]])
    looked_at: list[str] = []

    def permitted(address: str) -> bool:
        looked_at.append(address)
        return address == "127.0.0.1"

    rebinding = replace(fetcher, resolve=lambda host, port: next(answers), permitted=permitted)
    assert rebinding.fetch(f"http://pictures.example:{port}/") == PICTURE
    assert looked_at == ["127.0.0.1"]
    assert next(answers) == ["127.0.0.2"]


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["93.184.216.34", "10.0.0.8"]])
def test_a_name_that_leads_to_a_private_address_is_not_connected_to(
    fetcher: Fetcher, port: int, addresses: list[str]
) -> None:
    leading_inside = replace(fetcher, resolve=lambda host, port: addresses, permitted=is_public)
    with pytest.raises(FetchError, match="not public") as refused:
        leading_inside.fetch(f"http://pictures.example:{port}/")
    assert refused.value.status == 400
    assert Answering.asked == []


def test_this_machine_is_not_fetched_from_even_if_it_is_on_the_list(port: int) -> None:
    for host in ("localhost", "127.0.0.1"):
        listed = Fetcher(frozenset({f"{host}:{port}"}), 100_000)
        with pytest.raises(FetchError, match="not public"):
            listed.fetch(f"http://{host}:{port}/")
    assert Answering.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "http://evil.example:{port}/",
        "http://pictures.example.evil.example:{port}/",
        "http://pictures.example:1/",
        "http://pictures.example/",
        "https://pictures.example/",
        "http://pictures.example:{port}@evil.example/",
        "http://user@pictures.example:{port}/",
        "http://127.0.0.1:{port}/",
        "http://2130706433:{port}/",
        "http://[::1]:{port}/",
        "http://pictures.ex\u0430mple:{port}/",
        "http://pictures.example:{port}/ HTTP/1.1",
        "http://pictures.example:{port}/\r\nX-Other: 1",
        "http://pictures.example:99999/",
        "ftp://pictures.example:{port}/",
        "file:///etc/passwd",
        "gopher://pictures.example:{port}/",
        "//pictures.example:{port}/",
        "http:/\\pictures.example:{port}/",
        "http://[",
        "",
    ],
)
def test_an_address_off_the_list_is_not_fetched(fetcher: Fetcher, port: int, url: str) -> None:
    with pytest.raises(FetchError) as refused:
        fetcher.fetch(url.replace("{port}", str(port)))
    assert refused.value.status == 400
    assert Answering.asked == []


def test_a_redirect_is_refused_and_not_followed(fetcher: Fetcher, port: int) -> None:
    with pytest.raises(FetchError, match="redirect"):
        fetcher.fetch(f"http://pictures.example:{port}/redirect")
    assert len(Answering.asked) == 1


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [("missing", 502, "status 404"), ("endless", 413, "more than 100,000 bytes")],
)
def test_what_is_no_picture_or_too_large_is_said_so(
    fetcher: Fetcher, port: int, path: str, status: int, words: str
) -> None:
    with pytest.raises(FetchError, match=words) as refused:
        fetcher.fetch(f"http://pictures.example:{port}/{path}")
    assert refused.value.status == status


def test_a_server_that_dribbles_is_left_when_the_time_is_up(fetcher: Fetcher, port: int) -> None:
    with pytest.raises(FetchError, match="took longer than") as refused:
        replace(fetcher, seconds=0.5).fetch(f"http://pictures.example:{port}/dribble")
    assert refused.value.status == 504


def test_a_server_that_is_away_is_said_to_be(fetcher: Fetcher) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        with pytest.raises(FetchError, match="cannot be fetched from") as refused:
            replace(fetcher, hosts=frozenset({f"a.example:{port}"})).fetch(
                f"http://a.example:{port}/"
            )
    assert refused.value.status == 502


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.9.9.9",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1%eth0",
        "fc00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:93.184.216.34",
        "64:ff9b::a00:1",
        "2002:7f00:1::",
        "2001:0:a00:1::",
    ],
)
def test_addresses_of_machines_and_networks_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"])
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(address)
