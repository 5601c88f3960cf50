"""One question to another program over HTTP: bounded in time and size, without redirects, proxies or memory.

Rules of this file:

* A connection lives for one question. When the time is over its socket is shut from another thread, so that
  neither a drip of headers nor one of the body can hold the lane.
* Nothing of a key is in an error: neither a header nor a body is repeated.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult

from offcloud_watchd.errors import NO_THREAD, Transient

MAX_ANSWER_BYTES: Final = 16 << 20
CONNECT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, a body (of a refusal what was asked for), and headers, their names in small letters."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def ask(
    base: SplitResult,
    method: str,
    target: str,
    *,
    headers: Mapping[str, str],
    body: bytes | None,
    total_timeout_s: float,
    refusal_bytes: int = 0,
) -> Answer:
    """Ask once and return the answer; raise ``Transient``, in our words, when there is none.

    ``target`` is path and query. ``refusal_bytes`` is how much of the body is wanted where the status is not
    2xx. Takes no longer than ``total_timeout_s`` and what it takes to connect.
    """
    connection = _connection(base)
    try:
        connection.connect()
        connection.sock.settimeout(total_timeout_s)
        with _cut_off(connection.sock, total_timeout_s):
            connection.request(method, target, body, dict(headers))
            answer = connection.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, _body(answer, refusal_bytes), told)
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = f"gave no answer ({_why(error)})"
    finally:
        connection.close()
    raise Transient(reason)  # out here, so that no foreign text hangs on as its context


def _connection(base: SplitResult) -> http.client.HTTPConnection:
    host = base.hostname or ""
    if base.scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(host, base.port, timeout=CONNECT_S, context=context)
    return http.client.HTTPConnection(host, base.port, timeout=CONNECT_S)


class _cut_off:  # noqa: N801 - a context manager reads as a verb
    """Shuts a socket when the time is over: whoever reads it sees its end."""

    def __init__(self, sock: socket.socket, after_s: float) -> None:
        self._sock = sock
        self._over = False
        self._timer = threading.Timer(after_s, self._shut)
        self._timer.daemon = True

    def __enter__(self) -> None:
        try:
            self._timer.start()
        except RuntimeError as error:
            raise Transient(NO_THREAD) from error

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        if self._over:  # what was read then looks like an answer that ended by itself
            raise TimeoutError

    def _shut(self) -> None:
        self._over = True
        with suppress(OSError):  # it may have ended by itself
            self._sock.shutdown(socket.SHUT_RDWR)


def _body(answer: http.client.HTTPResponse, refusal_bytes: int) -> bytes:
    if not 200 <= answer.status < 300:
        return answer.read(refusal_bytes) if refusal_bytes else b""
    body = answer.read(MAX_ANSWER_BYTES + 1)
    if len(body) > MAX_ANSWER_BYTES:
        raise ValueError("too long")
    if answer.length:  # so much is missing: with a limit, read says nothing of it
        raise http.client.IncompleteRead(b"")
    return body


def _why(error: Exception) -> str:
    match error:
        case TimeoutError() | http.client.RemoteDisconnected() | http.client.IncompleteRead():
            return "it did not end in time, or broke off"
        case socket.gaierror():
            return "there is no such host"
        case ssl.SSLError():
            return "its certificate cannot be trusted, or it speaks no TLS"
        case OSError(strerror=str() as reason):
            return reason
        case ValueError():
            return f"more than {MAX_ANSWER_BYTES >> 20} MiB"
        case _:
            return "what came back is no HTTP"
