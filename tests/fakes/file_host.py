"""A file host on loopback that plays scripted misbehaviour, a play for each request, and counts bytes."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RDWR, socket
from ssl import SSLContext
from types import TracebackType
from typing import Self
from urllib.parse import quote, unquote


@dataclass(frozen=True)
class Play:
    """How one request is answered; the defaults are a good host.

    ``cut_after`` bytes of body the connection is closed; ``stall_after`` it says nothing more. ``drip`` sends
    single bytes from there on instead. ``shift`` makes a range start elsewhere, ``total`` lies about
    the size. ``before`` is called when the request is here.
    """

    status: int | None = None
    headers: dict[str, str | None] = field(default_factory=dict)
    body: bytes | None = None
    cut_after: int | None = None
    stall_after: int | None = None
    drip: bool = False
    ignore_range: bool = False
    shift: int = 0
    total: int | None = None
    no_length: bool = False
    reset_before: bool = False
    before: Callable[[], object] | None = None


GOOD = Play()


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    path: str
    headers: dict[str, str]


class FileHost:
    """Serves ``put`` contents by name. ``plan`` queues answers for the next requests of a name.

    ``while_stalled`` is called again and again while a connection stalls: tests let their clock run there.
    With ``block_pause_s`` every connection is slow: it rests so long after each 64 KiB. ``most_at_once`` is
    how many answers were given at once; one more than ``at_once_limit`` is answered by 503.
    """

    def __init__(self, address: str = "127.0.0.1", *, tls: SSLContext | None = None) -> None:
        self.contents: dict[str, bytes] = {}
        self.etags: dict[str, str | None] = {}
        self.plans: dict[str, deque[Play]] = defaultdict(deque)
        self.always: dict[str, Play] = {}
        self.asked: list[Asked] = []
        self.bytes_served = 0
        self.block_pause_s = 0.0
        self.most_at_once = 0
        self.at_once_limit = 1_000
        self._at_once = 0
        self._counting = threading.Lock()
        self.while_stalled: Callable[[], None] = lambda: None
        self.stopping = threading.Event()
        self._sockets: list[socket] = []
        self._scheme = "https" if tls else "http"
        self._server = _Server((address, 0), self)
        if tls:
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping.set()
        self._server.shutdown()
        for sock in self._sockets:
            try:
                sock.shutdown(SHUT_RDWR)
            except OSError:
                continue
        self._server.server_close()
        self._thread.join()

    @property
    def base(self) -> str:
        """The address of the host."""
        address, port = self._server.server_address[:2]
        return f"{self._scheme}://{address!s}:{port}"

    def put(self, name: str, content: bytes, etag: str | None = '"one"') -> str:
        """Serve a content under a name; return its link."""
        self.contents[name] = content
        self.etags[name] = etag
        return self.url(name)

    def url(self, name: str) -> str:
        """Return the link of a name."""
        return f"{self.base}/{quote(name)}"

    def plan(self, name: str, *plays: Play) -> None:
        """Answer the next requests for a name so, one play each."""
        self.plans[name].extend(plays)

    def ranges(self) -> list[str | None]:
        """Return the Range header of each request so far."""
        return [one.headers.get("Range") for one in self.asked]

    def connections(self) -> list[socket]:
        """Return the connections that were ever made."""
        return self._sockets

    def next_play(self, name: str) -> Play:
        """Take the play for the next request of a name."""
        queue = self.plans[name]
        return queue.popleft() if queue else self.always.get(name, GOOD)

    def come(self) -> bool:
        """Count one more answer that is given; tell whether that is too many."""
        with self._counting:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            return self._at_once > self.at_once_limit

    def go(self, served: int) -> None:
        """Count one less, and the bytes that were sent."""
        with self._counting:
            self._at_once -= 1
            self.bytes_served += served

    def keep(self, sock: socket) -> None:
        """Remember a connection, to end it with the host."""
        self._sockets.append(sock)


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], host: FileHost) -> None:
        self.host = host
        super().__init__(address, _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that hang up are part of the play."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.host.keep(self.connection)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Be silent."""

    def do_GET(self) -> None:
        host = self.server.host
        name = unquote(self.path.lstrip("/"))
        host.asked.append(Asked(name, dict(self.headers.items())))
        play = host.next_play(name)
        if play.before:
            play.before()
        if play.reset_before:
            self.close_connection = True
            return
        self._sent = 0
        crowded = host.come()
        try:
            self._answer(name, Play(status=503, body=b"crowded") if crowded else play)
        finally:
            host.go(self._sent)

    def _answer(self, name: str, play: Play) -> None:
        host = self.server.host
        content = host.contents.get(name, b"") if play.body is None else play.body
        status = play.status or (200 if name in host.contents or play.body is not None else 404)
        headers: dict[str, str | None] = {
            "Content-Type": "application/octet-stream",
            "ETag": host.etags.get(name),
        }
        asked = self._range(play, headers["ETag"]) if status == 200 else None
        if asked is not None:
            start, end = asked[0], min(asked[1] or len(content), len(content))
            total = len(content) if play.total is None else play.total
            status = 206 if start < len(content) else 416
            span = f"{start + play.shift}-{end - 1}" if status == 206 else "*"
            headers["Content-Range"] = f"bytes {span}/{total}"
            content = content[start:end]
        headers["Content-Length"] = None if play.no_length else str(len(content))
        if play.no_length:
            headers["Connection"] = "close"
        self._send(status, {**headers, **play.headers}, content, play)

    def _range(self, play: Play, etag: str | None) -> tuple[int, int | None] | None:
        """Return where a range starts and ends; None when the file is to be sent whole."""
        asked = self.headers.get("Range")
        condition = self.headers.get("If-Range")
        if asked is None or play.ignore_range or (condition is not None and condition != etag):
            return None
        start, _, last = asked.removeprefix("bytes=").partition("-")
        return int(start), int(last) + 1 if last else None

    def _send(self, status: int, headers: dict[str, str | None], body: bytes, play: Play) -> None:
        self.send_response(status)
        for key, value in headers.items():
            if value is not None:
                self.send_header(key, value)
        self.end_headers()
        ends = [one for one in (play.cut_after, play.stall_after) if one is not None]
        sent = body[: min(ends)] if ends else body
        self._write(memoryview(sent))
        if play.stall_after is not None:
            self._stall(play, body[len(sent) :])
        if ends or headers.get("Connection") == "close":
            self.close_connection = True

    def _write(self, rest: memoryview) -> None:
        host = self.server.host
        block = 64 * 1024 if host.block_pause_s else len(rest)
        while rest:
            self.wfile.write(rest[:block])
            self._sent += len(rest[:block])
            rest = rest[block:]
            if host.block_pause_s:
                host.stopping.wait(host.block_pause_s)

    def _stall(self, play: Play, rest: bytes) -> None:
        host = self.server.host
        while not host.stopping.wait(0.02):
            host.while_stalled()
            if play.drip:
                self.wfile.write(rest[:1])
                rest = rest[1:]
