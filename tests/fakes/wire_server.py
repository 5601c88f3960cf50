"""A server on the loopback that answers a script, byte by byte, and keeps what it was asked.

It knows no HTTP beyond finding the end of a request: whatever a broken service could put on the wire can be
written down as bytes and an ending. Every connection ends with ``stop``.
"""

import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic, time
from types import TracebackType
from typing import BinaryIO, Self
from urllib.parse import parse_qs, urlsplit

DRIP_S = 0.01


class RealClock:
    """The machine's own time, for tests in which a server really takes its time."""

    def now(self) -> float:
        """Return UTC seconds."""
        return time()

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return monotonic()


@dataclass(frozen=True)
class Turn:
    """What one request gets: these bytes, then an ending.

    ``ending``: ``keep`` the connection, ``close`` it, ``reset`` it, ``hang`` in silence, or ``drip`` blanks
    for ever. ``drips``: the bytes themselves go out one at a time. ``unread``: reset without reading.
    """

    reply: bytes = b""
    ending: str = "keep"
    drips: bool = False
    unread: bool = False


@dataclass(frozen=True)
class Asked:
    """One request as it came; ``connection`` counts the connections."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    connection: int

    @property
    def path(self) -> str:
        """The path without its query."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, list[str]]:
        """The query."""
        return parse_qs(urlsplit(self.target).query)

    def json(self) -> object:
        """The body as JSON."""
        return json.loads(self.body)


def http(body: object = b"", status: int = 200, **headers: str) -> bytes:
    """Write a whole answer: bytes as they are, text as HTML, anything else as JSON."""
    kind = "application/json"
    if isinstance(body, str):
        body, kind = body.encode(), "text/html; charset=UTF-8"
    elif not isinstance(body, bytes):
        body = json.dumps(body).encode()
    lines = {"Content-Type": kind, "Content-Length": str(len(body))}
    lines |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
    return f"HTTP/1.1 {status} Said\r\n{head}\r\n".encode("latin-1") + body


def says(body: object = b"", status: int = 200, **headers: str) -> Turn:
    """Answer properly and keep the connection."""
    return Turn(http(body, status, **headers))


NO_ANSWERS = [
    (Turn(b"", "close"), "gave no answer"),
    (Turn(b"", "reset"), "gave no answer"),
    (Turn(b"nonsense\r\n\r\n", "close"), "what came back is no HTTP"),
    (Turn(http({"a": "member"})[:-4], "close"), "it did not end in time, or broke off"),
    (Turn(b"HTTP/1.1 200 OK\r\nX-Long: ", "drip"), "gave no answer"),
]
"""What comes back when another program is not there, or not itself; and what our side says of it."""


class WireServer:
    """Plays its turns in order, one a request, over all connections; the last is played again and again."""

    def __init__(self, *turns: Turn, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.turns = list(turns)
        self.asked: list[Asked] = []
        self._played = 0
        self._connections = 0
        self._stopping = threading.Event()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End every connection and thread; it may be called again."""
        self._stopping.set()
        for one in (self._listener, *self._sockets):
            with suppress(OSError):  # it may have ended by itself
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join(5)

    def _start(self, work: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.append(connection)
            self._connections += 1
            self._start(self._serve, connection, self._connections)

    def _serve(self, connection: socket.socket, number: int) -> None:
        if self._tls is not None:
            try:
                connection = self._tls.wrap_socket(connection, server_side=True)
            except OSError:  # the client does not want us
                return
            self._sockets.append(connection)
        with suppress(OSError, ValueError), connection, connection.makefile("rb") as stream:
            while self._turn(connection, stream, number):
                pass

    def _next(self) -> Turn:
        turn = self.turns[min(self._played, len(self.turns) - 1)]
        self._played += 1
        return turn

    def _turn(self, connection: socket.socket, stream: BinaryIO, number: int) -> bool:
        first = self.turns[min(self._played, len(self.turns) - 1)]
        if first.unread:
            connection.recv(1, socket.MSG_PEEK)
            self._next()
            return _reset(connection)
        asked = _read(stream, number)
        if asked is None:
            return False
        self.asked.append(asked)
        turn = self._next()
        self._send(connection, turn)
        if turn.ending == "reset":
            return _reset(connection)
        if turn.ending == "hang":
            self._stopping.wait()
        while turn.ending == "drip" and not self._stopping.wait(DRIP_S):
            connection.sendall(b" ")
        return turn.ending == "keep"

    def _send(self, connection: socket.socket, turn: Turn) -> None:
        if not turn.drips:
            connection.sendall(turn.reply)
            return
        for place in range(len(turn.reply)):
            if self._stopping.wait(DRIP_S):
                return
            connection.sendall(turn.reply[place : place + 1])


def _reset(connection: socket.socket) -> bool:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


def _read(stream: BinaryIO, number: int) -> Asked | None:
    line = stream.readline().decode("latin-1").split()
    if len(line) != 3:
        return None
    headers: dict[str, str] = {}
    while (header := stream.readline().decode("latin-1").strip()) != "":
        name, _, value = header.partition(":")
        headers[name.strip().lower()] = value.strip()
    body = stream.read(int(headers.get("content-length", "0")))
    return Asked(line[0], line[1], headers, body, number)
