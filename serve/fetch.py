"""Fetch a picture from an address: only from hosts that were allowed, and only from the internet.

A service that fetches what visitors name can be made to fetch what only it can reach: other
services of its machine or network, or a cloud's metadata (server-side request forgery). So the host
must be on a list, its name is resolved once, every address it resolves to must be a public one, the
connection goes to that very address (a second answer of the name server is never asked for), and
redirects are refused rather than followed.
"""

import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit

import httpcore

_PORTS = {"http": 80, "https": 443}
_CHUNK = 65_536

Resolve = Callable[[str, int], list[str]]


class FetchError(ValueError):
    """A picture that was not fetched; the message says why in one line.

    Attributes:
        status: of HTTP, for the one who asked: 400 if it is the address, 413 the size, 502 the
            server that it names, 504 the time.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a host, as the system resolves it."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(one[4][0]) for one in found]


def is_public(address: str) -> bool:
    """Tell whether an address is one of the internet, and not of a machine or network behind it.

    Addresses that carry another one inside (IPv4 in IPv6, 6to4, Teredo, NAT64) count as private,
    since what they lead to is decided by the network.
    """
    one = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(one, ipaddress.IPv6Address) and (
        one.ipv4_mapped or one.sixtofour or one.teredo or one in _NAT64
    ):
        return False
    return one.is_global and not one.is_multicast


_NAT64 = ipaddress.ip_network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Fetches from the hosts of a list.

    Attributes:
        hosts: "host" for the usual ports, or "host:port"; lower case.
        max_bytes: largest picture.
        seconds: longest time for the whole of it.
        resolve: host and port -> addresses.
        permitted: whether an address may be connected to.
    """

    hosts: frozenset[str]
    max_bytes: int
    seconds: float = 15.0
    resolve: Resolve = resolve
    permitted: Callable[[str], bool] = field(default=is_public)

    def fetch(self, url: str) -> bytes:
        """Return what lies at an address.

        Raises:
            FetchError: it may not be fetched, or cannot be.
        """
        parts, port = self._admitted(url)
        deadline = time.monotonic() + self.seconds
        backend = _OneAddress(self, deadline)
        target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        address = httpcore.URL(
            scheme=parts.scheme, host=parts.hostname or "", port=port, target=target
        )
        headers: dict[bytes | str, bytes | str] = {
            "Host": parts.netloc,
            "Accept": "image/*",
            "Accept-Encoding": "identity",
        }
        pool = httpcore.ConnectionPool(
            ssl_context=ssl.create_default_context(), network_backend=backend
        )
        try:
            with pool, pool.stream("GET", address, headers=headers, extensions=_WAITS) as answer:
                if answer.status != 200:
                    raise FetchError(502, _status(answer.status))
                return self._read(answer.iter_stream())
        except (httpcore.TimeoutException, TimeoutError):
            raise FetchError(504, f"{parts.hostname} took longer than {self.seconds:g} s") from None
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
            raise FetchError(502, f"{parts.hostname} cannot be fetched from ({error})") from None

    def _admitted(self, url: str) -> tuple[SplitResult, int]:
        """Return an address in parts, if its scheme, host and port are allowed."""
        try:
            url.encode("ascii")
            parts = urlsplit(url)
            usual = _PORTS[parts.scheme]
            port = usual if parts.port is None else parts.port
        except (ValueError, KeyError):
            raise FetchError(
                400, "a picture's address begins with http:// or https://, in ASCII"
            ) from None
        if "@" in parts.netloc or not url.isprintable() or " " in url:
            raise FetchError(400, "an address with a user name or blanks in it is not fetched")
        host = (parts.hostname or "").lower()
        allowed = {host} if port == usual else set()
        if not (allowed | {f"{host}:{port}"}) & self.hosts:
            raise FetchError(
                400, f"{host}:{port} is not one of the hosts that pictures come from here"
            )
        return parts, port

    def _read(self, chunks: Iterable[bytes]) -> bytes:
        data = bytearray()
        for chunk in chunks:
            data += chunk
            if len(data) > self.max_bytes:
                raise FetchError(
                    413, f"has more than {self.max_bytes:,} bytes; give a smaller picture"
                )
        return bytes(data)


_WAITS = {"timeout": {"connect": 5.0, "read": 5.0, "write": 5.0, "pool": 5.0}}


class _OneAddress(httpcore.NetworkBackend):
    """Connects to a host by an address that was resolved once and looked at."""

    def __init__(self, fetcher: Fetcher, deadline: float) -> None:
        self._fetcher, self._deadline = fetcher, deadline
        self._system = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore.NetworkStream:
        """Resolve, look, connect."""
        addresses = self._fetcher.resolve(host, port)
        for address in addresses:
            if not self._fetcher.permitted(address):
                raise FetchError(400, f"{host} lies at an address that is not public")
        if not addresses:
            raise FetchError(502, f"{host} has no address")
        stream = self._system.connect_tcp(
            addresses[0], port, timeout, local_address, socket_options
        )
        return _Hurried(stream, self._deadline)


class _Hurried(httpcore.NetworkStream):
    """A connection that ends at a deadline, however steadily the other side dribbles."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream, self._deadline = stream, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what there is."""
        return self._stream.read(max_bytes, self._left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all of it."""
        self._stream.write(buffer, self._left(timeout))

    def close(self) -> None:
        """Close it."""
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        """Go on encrypted; the certificate must be that of the host's name, not its address."""
        stream = self._stream.start_tls(ssl_context, server_hostname, self._left(timeout))
        return _Hurried(stream, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        """Tell about the connection."""
        return self._stream.get_extra_info(info)

    def _left(self, timeout: float | None) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout
        return left if timeout is None else min(left, timeout)


def _status(status: int) -> str:
    if 300 <= status < 400:
        return f"answers with a redirect ({status}), which is not followed; give the final address"
    return f"answers with status {status}"
