"""Connections to the file hosts, and the ones that wait for their next request, shared by all jobs.

Rules of this file:

* Whom a connection reached is judged before anything is sent over it, and it can be cut before a handshake
  can hang.
* Shared by the fetch threads without a lock: a connection is put in and taken out by one step of a deque,
  so that nobody else has it.
"""

from __future__ import annotations

import http.client
import select
import socket
import ssl
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from typing import Final

from requests.utils import DEFAULT_CA_BUNDLE_PATH

from offcloud_watchd.fetch.address import Origin

_MAX_IDLE: Final = 32


class Connection(http.client.HTTPConnection):
    """A connection to one origin. One thread at a time, but for ``cut``.

    ``on_connected`` is called when the socket is open and ``peer``, the address it reached, is known: before
    a handshake. It may raise to refuse it.
    """

    def __init__(
        self,
        origin: Origin,
        context: ssl.SSLContext | None,
        connect_timeout_s: float,
        on_connected: Callable[[], None],
    ) -> None:
        super().__init__(origin.host, origin.port)
        self.default_port = 443 if origin.secure else 80  # what the Host header may leave out
        self.origin = origin
        self.peer = ""
        self.live_socket: socket.socket | None = None
        self._context = context
        self._connect_timeout_s = connect_timeout_s
        self._on_connected = on_connected

    def connect(self) -> None:
        """Open the socket and, where the origin is secure, let the other side prove who it is."""
        plain = socket.create_connection((self.host, self.port), self._connect_timeout_s)
        self.sock = self.live_socket = plain
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.peer = plain.getpeername()[0]
        self._on_connected()
        if self._context is not None:
            secured = self._context.wrap_socket(
                plain, server_hostname=self.host, do_handshake_on_connect=False
            )
            self.sock = self.live_socket = secured
            secured.do_handshake()

    def is_dropped(self) -> bool:
        """Tell whether the other side has hung up, or has said something nobody asked for."""
        if self.sock is None:
            return True
        looked = select.poll()
        looked.register(self.sock, select.POLLIN)
        return bool(looked.poll(0))

    def cut(self) -> None:
        """End whatever somebody waits for on it; may be called from another thread."""
        sock = self.live_socket
        if sock is not None:
            # Past the TLS layer on purpose: its own shutdown would let the reader see the raw ciphertext.
            with suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)


class Pool:
    """The connections that wait for their next request. Any thread."""

    def __init__(self) -> None:
        self._idle: dict[Origin, deque[Connection]] = {}

    @cached_property
    def context(self) -> ssl.SSLContext:
        """What a host must show: a certificate of a known authority, for its name; there is no way around."""
        context = ssl.create_default_context(cafile=DEFAULT_CA_BUNDLE_PATH)
        context.set_alpn_protocols(["http/1.1"])
        return context

    def take(self, origin: Origin) -> Connection | None:
        """Return a connection that can be used, for the caller alone; None when there is none."""
        idle = self._idle.get(origin)
        while idle:
            try:
                connection = idle.pop()
            except IndexError:  # another thread was quicker
                return None
            if not connection.is_dropped():
                return connection
            connection.close()
        return None

    def give(self, connection: Connection) -> None:
        """Take a connection back whose last answer was read to its end."""
        if sum(map(len, list(self._idle.values()))) >= _MAX_IDLE:
            connection.close()
        else:
            self._idle.setdefault(connection.origin, deque()).append(connection)

    def close(self) -> None:
        """Close all that are idle; new ones may come."""
        for origin in list(self._idle):
            while (connection := self.take(origin)) is not None:
                connection.close()
