"""A small bounded HTTP/1.1 server: one thread for each connection, everything capped.

Rules of this file:

* It knows HTTP and nothing of the service: a ``respond`` function turns a ``Request`` into a ``Reply``.
* Bounded: connections, the length of a body, the time a peer may be silent. The standard library bounds the
  request line and the headers (64 KiB each, 100 headers).
* No request line is ever logged: it holds keys and signed links.
* Threads are daemons and are joined by ``close``; what waits, waits on ``stopping``.
"""

from __future__ import annotations

import logging
import socket
import socketserver
import struct
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, Final, assert_never

from offcloud_watchd.errors import ConfigError

log = logging.getLogger(__name__)

MAX_BODY_BYTES: Final = 4 * 1024 * 1024
JOIN_S: Final = 5.0
FULL: Final = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
HTML: Final = "text/html; charset=UTF-8"


@dataclass(frozen=True, slots=True)
class Request:
    """What a client sent. ``target`` is the raw path with its query, ``headers`` have lower-case names."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back. ``length`` is what Content-Length says, ``chunks`` the bytes that are really sent.

    ``cut_at`` ends the connection after so many bytes of the body, ``hold_s`` later. ``on_sent`` hears of
    bytes that were handed to the network.
    """

    status: int
    content_type: str
    length: int
    chunks: Iterable[bytes | memoryview]
    headers: tuple[tuple[str, str], ...] = ()
    cut_at: int | None = None
    hold_s: float = 0.0
    on_sent: Callable[[int], None] | None = None


@dataclass(frozen=True, slots=True)
class Silence:
    """No answer: wait ``seconds``, then end the connection, with a reset or in order."""

    seconds: float = 0.0
    reset: bool = False


Reply = Answer | Silence
Respond = Callable[[Request], Reply]


def whole(status: int, content_type: str, body: bytes, *headers: tuple[str, str]) -> Answer:
    """Return an answer whose body is at hand."""
    return Answer(status, content_type, len(body), (body,), headers)


def html_error(status: int) -> Answer:
    """Return the kind of page the service's web framework shows.

    HTML comes for unknown paths and wrong verbs, JSON from the API's own routes. Source: debrid-media-manager
    src/services/offcloud.ts, measured 2026-09.
    """
    phrase = HTTPStatus(status).phrase
    page = (
        f"<!DOCTYPE html>\n<html><head><title>{phrase}</title></head><body><h1>{phrase}</h1></body></html>\n"
    )
    return whole(status, HTML, page.encode())


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a port to listen on."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """The address as the start of a URL."""
        return f"http://[{self.host}]:{self.port}" if ":" in self.host else f"http://{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """Read ``HOST:PORT`` or ``[HOST]:PORT``; raise ``ConfigError`` when it is neither."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise ConfigError([f"sandbox: {text!r} is not an address to listen on; write HOST:PORT"])
    return Address(host.removeprefix("[").removesuffix("]"), int(port))


class _Handler(BaseHTTPRequestHandler):
    """One connection. Made by the standard library's server, which gives the first three arguments."""

    protocol_version = "HTTP/1.1"
    server_version = "offcloud-sandbox"
    sys_version = ""
    wbufsize = 64 * 1024
    disable_nagle_algorithm = True
    server: Server  # narrows the declaration of the standard library

    def setup(self) -> None:
        """Set the silence a peer may keep."""
        super().setup()
        self.connection.settimeout(self.server.idle_s)

    def handle(self) -> None:
        """Serve requests until the peer leaves or is silent too long."""
        with suppress(ConnectionError, TimeoutError):
            super().handle()

    def handle_expect_100(self) -> bool:
        """Let the client send its body; the answer must not wait in the buffer."""
        going_on = super().handle_expect_100()
        self.wfile.flush()
        return going_on

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the standard library's name
        """Say nothing: a request line holds keys and signed links."""

    def _serve(self) -> None:
        body = self._body()
        if isinstance(body, Answer):
            self.close_connection = True
            self._send(body)
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = self.server.respond(Request(self.command, self.path, headers, body))
        match reply:
            case Answer():
                self._send(reply)
            case Silence():
                self._end(reply)
            case _:  # pragma: no cover - the type checker proves it
                assert_never(reply)

    # The standard library looks for these names.
    do_DELETE = do_GET = do_HEAD = do_OPTIONS = do_PATCH = do_POST = do_PUT = _serve  # noqa: N815 - see above

    def _body(self) -> bytes | Answer:
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers:
            return html_error(411)
        if not length.isdecimal():
            return html_error(400)
        # The digits are counted first: a number of a million digits takes long to read.
        if len(length) > 12 or int(length) > MAX_BODY_BYTES:
            return html_error(413)
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise ConnectionAbortedError("the body ended early")
        return body

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(answer.length))
        for name, value in answer.headers:
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self._send_body(answer)

    def _send_body(self, answer: Answer) -> None:
        room = answer.length if answer.cut_at is None else answer.cut_at
        for chunk in answer.chunks:
            part = memoryview(chunk)[:room]
            self.wfile.write(part)
            room -= len(part)
            if answer.on_sent:
                answer.on_sent(len(part))
            if answer.cut_at is not None and room == 0:
                break
        if answer.cut_at is not None:
            self._end(Silence(answer.hold_s))

    def _end(self, silence: Silence) -> None:
        self.wfile.flush()
        self.close_connection = True
        self.server.stopping.wait(silence.seconds)
        if silence.reset:
            # Closing with a linger of zero sends RST. The descriptor is closed by hand because the standard
            # library would end the connection in order first.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            socket.close(self.connection.detach())


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """A listening socket and its threads. ``start`` and ``close`` once each.

    ``stopping`` is set by the owner before ``close``. Raises ``OSError`` when the address cannot be had.
    """

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        address: Address,
        respond: Respond,
        stopping: threading.Event,
        *,
        max_connections: int,
        idle_s: float,
    ) -> None:
        self.address_family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        self.respond = respond
        self.idle_s = idle_s
        self.stopping = stopping
        self._slots = threading.Semaphore(max_connections)
        self._lock = threading.Lock()
        self._connections: dict[threading.Thread, socket.socket] = {}
        super().__init__((address.host, address.port), _Handler)
        self.address = Address(address.host, int(self.server_address[1]))
        self._acceptor = threading.Thread(target=self._accept, name="sandbox", daemon=True)

    def start(self) -> None:
        """Accept connections in a thread of its own."""
        self._acceptor.start()

    def close(self) -> None:
        """End every connection and thread; waits ``JOIN_S`` for each at the most."""
        with suppress(OSError):  # wakes the acceptor at once; the standard library would make it poll
            self.socket.shutdown(socket.SHUT_RDWR)
        self._acceptor.join(JOIN_S)
        self.server_close()
        with self._lock:
            connections = dict(self._connections)
        for connection in connections.values():
            with suppress(OSError):  # it may have ended by itself
                connection.shutdown(socket.SHUT_RDWR)
        for thread in connections:
            thread.join(JOIN_S)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give a connection its thread, or turn it away when there are too many."""
        if not self._slots.acquire(blocking=False):
            with suppress(OSError):
                request.sendall(FULL)
            self.shutdown_request(request)
            return
        thread = threading.Thread(
            target=self._work, args=(request, client_address), name="sandbox-peer", daemon=True
        )
        with self._lock:
            self._connections[thread] = request
        thread.start()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - inherited
        """Note that a connection broke; the standard library would print it."""
        log.info("a connection ended with an error", exc_info=True)  # noqa: LOG014 - called in one

    def _accept(self) -> None:
        while not self.stopping.is_set():
            self.handle_request()

    def _work(self, request: socket.socket, client_address: Any) -> None:
        try:
            self.process_request_thread(request, client_address)
        finally:
            with self._lock:
                del self._connections[threading.current_thread()]
            self._slots.release()
