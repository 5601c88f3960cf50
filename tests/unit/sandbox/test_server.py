"""The bounded server, driven by raw sockets."""

from __future__ import annotations

import logging
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from offcloud_watchd.errors import ConfigError
from offcloud_watchd.sandbox.server import (
    MAX_BODY_BYTES,
    Address,
    Reply,
    Request,
    Server,
    Silence,
    parse_address,
    whole,
)
from tests.unit.sandbox.driver import until


def echo(request: Request) -> Reply:
    """Answer with what was asked; some targets are special."""
    if request.target == "/error":
        raise ZeroDivisionError
    if request.target == "/hang":
        return Silence(seconds=300)
    return whole(200, "text/plain", f"{request.method} {request.target} {request.body!r}".encode())


@contextmanager
def serving(max_connections: int = 4, idle_s: float = 5.0) -> Iterator[Server]:
    """Run a server for a while."""
    stopping = threading.Event()
    server = Server(Address("127.0.0.1", 0), echo, stopping, max_connections=max_connections, idle_s=idle_s)
    server.start()
    try:
        yield server
    finally:
        stopping.set()
        server.close()


@contextmanager
def connected(server: Server) -> Iterator[socket.socket]:
    """Open a connection."""
    with socket.create_connection((server.address.host, server.address.port), timeout=10) as peer:
        yield peer


def everything(peer: socket.socket) -> bytes:
    """Read until the other side ends the connection."""
    parts = []
    while part := peer.recv(65536):
        parts.append(part)
    return b"".join(parts)


def ask(server: Server, sent: bytes) -> bytes:
    """Send bytes on a connection of their own and return all that comes back."""
    with connected(server) as peer:
        peer.sendall(sent)
        peer.shutdown(socket.SHUT_WR)
        return everything(peer)


def is_served(server: Server) -> bool:
    """Ask once; who is turned away may find the connection ended before everything was said."""
    try:
        return ask(server, b"GET /a HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def test_a_connection_is_kept() -> None:
    """Two requests on one connection are both answered."""
    with serving() as server:
        answer = ask(server, b"GET /a HTTP/1.1\r\n\r\nPOST /b HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi")
    assert b"GET /a b''" in answer
    assert b"POST /b b'hi'" in answer
    assert answer.count(b"200 OK") == 2


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"Transfer-Encoding: chunked", b"411"),
        (b"Content-Length: x", b"400"),
        (b"Content-Length: -1", b"400"),
        (f"Content-Length: {MAX_BODY_BYTES + 1}".encode(), b"413"),
        (b"Content-Length: " + b"9" * 60_000, b"413"),
        (b"A: " + b"x" * 70_000, b"431"),
        (b"\r\n".join(b"A%d: b" % number for number in range(101)), b"431"),
    ],
)
def test_what_is_too_much(head: bytes, status: bytes) -> None:
    """A body or a head that is unbounded or nonsense is refused, and the connection ends."""
    with serving() as server:
        answer = ask(server, b"POST / HTTP/1.1\r\n" + head + b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert b"Connection: close" in answer


def test_a_body_that_ends_early() -> None:
    """Half a body is no request."""
    with serving() as server:
        assert ask(server, b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nhi") == b""


def test_a_body_that_waits_to_be_asked_for() -> None:
    """A client that asks first is told to go on."""
    with serving() as server, connected(server) as peer:
        peer.sendall(b"POST / HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert peer.recv(100).startswith(b"HTTP/1.1 100")
        peer.sendall(b"hi")
        peer.shutdown(socket.SHUT_WR)
        assert b"b'hi'" in everything(peer)


def test_silent_peers_are_dropped() -> None:
    """A peer that says nothing does not hold its place for ever."""
    with serving(idle_s=0.05) as server, connected(server) as peer:
        assert everything(peer) == b""
    with serving(idle_s=0.05) as server, connected(server) as peer:
        peer.sendall(b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nhi")
        assert everything(peer) == b""


def test_too_many_connections() -> None:
    """One connection too many is turned away, and finds a place when another has ended."""
    with serving(max_connections=1) as server:
        with connected(server) as first:
            first.sendall(b"GET /a HTTP/1.1\r\n\r\n")
            assert first.recv(1000).startswith(b"HTTP/1.1 200")
            with connected(server) as second:
                assert everything(second).startswith(b"HTTP/1.1 503")
            first.shutdown(socket.SHUT_WR)
            assert everything(first) == b""
        # The place is free a moment after the connection ended.
        until(lambda: is_served(server))


def test_an_error_ends_one_connection_only(caplog: pytest.LogCaptureFixture) -> None:
    """An error in an answer is noted; the next connection is served."""
    with caplog.at_level(logging.INFO), serving() as server:
        assert ask(server, b"GET /error HTTP/1.1\r\n\r\n") == b""
        assert b"200 OK" in ask(server, b"GET /a HTTP/1.1\r\n\r\n")
    assert "ZeroDivisionError" in caplog.text


def test_no_request_is_logged(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
    """A request line holds secrets and is written nowhere, not even when it is nonsense."""
    with caplog.at_level(logging.DEBUG), serving() as server:
        ask(server, b"GET /secret HTTP/1.1\r\n\r\n")
        ask(server, b"GET /secret HTTP/9.9\r\n\r\n")
        ask(server, b"secret\r\n\r\n")
    assert "secret" not in caplog.text
    assert "secret" not in "".join(capsys.readouterr())


def test_a_peer_that_resets_is_no_trouble(caplog: pytest.LogCaptureFixture) -> None:
    """A reset by the client ends its connection quietly."""
    with caplog.at_level(logging.INFO), serving() as server:
        with connected(server) as peer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            peer.sendall(b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nhi")
        assert b"200 OK" in ask(server, b"GET /a HTTP/1.1\r\n\r\n")
    assert "Traceback" not in caplog.text


def test_close_ends_everything() -> None:
    """Idle connections and answers that hang end with the server, and no thread stays."""
    before = threading.active_count()
    with serving() as server, connected(server) as idle, connected(server) as hanging:
        hanging.sendall(b"GET /hang HTTP/1.1\r\n\r\n")
        idle.sendall(b"GET /a HTTP/1.1\r\n\r\n")
        assert idle.recv(1000)
        server.stopping.set()
        server.close()
        with suppress(ConnectionResetError):  # it ends so when its request was not read yet
            assert everything(hanging) == b""
        assert threading.active_count() == before


@pytest.mark.parametrize(
    ("text", "address", "url"),
    [
        ("127.0.0.1:80", Address("127.0.0.1", 80), "http://127.0.0.1:80"),
        ("[::1]:0", Address("::1", 0), "http://[::1]:0"),
    ],
)
def test_addresses(text: str, address: Address, url: str) -> None:
    """A host and a port make an address, and a URL."""
    assert parse_address(text) == address
    assert address.url == url


@pytest.mark.parametrize("text", ["", "localhost", ":80", "h:", "h:x", "h:70000", "h:-1"])
def test_addresses_that_are_none(text: str) -> None:
    """Anything else is a mistake in the configuration."""
    with pytest.raises(ConfigError, match="HOST:PORT"):
        parse_address(text)
