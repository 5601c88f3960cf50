"""The connection under a call: what makes it end, and what tells whether a question went out.

Rules of this file:

* Every read waits for a slice of a second at the most and then looks at the deadline and the stop flag, so
  that neither a drip of headers nor one of the body can hold a thread.
* A session has no memory: no redirects, no cookies, nothing out of the environment.
* It reaches under requests in three places and no more: the pools, the response class, the redirect target.

Source: requests 2.34, urllib3 2.8 and ``http.client`` of CPython 3.11 to 3.13.
"""

from __future__ import annotations

import http.client
import io
import socket
from contextlib import suppress
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

from offcloud_watchd import __version__
from offcloud_watchd.core.ports import Clock, Stop
from offcloud_watchd.errors import Cancelled
from offcloud_watchd.offcloud.settings import ClientSettings

SLICE_S: Final = 0.25


class Overdue(TimeoutError):  # noqa: N818 - the word says it
    """A whole answer took too long, however steadily it dripped."""


@dataclass(slots=True)
class Call:
    """The call in progress, as its connection sees it; there is one, begun anew by each question."""

    clock: Clock
    stop: Stop | None = None
    deadline: float = 0.0
    read_timeout_s: float = 0.0
    sent: bool = False

    def begin(self, settings: ClientSettings, stop: Stop | None) -> None:
        """Begin a call; ``stop`` is None for one that must not be cut short."""
        self.stop = stop
        self.deadline = self.clock.monotonic() + settings.total_timeout_s
        self.read_timeout_s = settings.read_timeout_s
        self.sent = False

    def slice_s(self, silent_s: float) -> float:
        """Return how long the next read may wait; raise when the call is over."""
        if self.stop is not None and self.stop.is_set():
            raise Cancelled("stopped while the service was asked")
        left_s = self.deadline - self.clock.monotonic()
        if left_s <= 0:
            raise Overdue
        if silent_s >= self.read_timeout_s:
            raise TimeoutError
        return min(SLICE_S, left_s, self.read_timeout_s - silent_s)


class _Reader(io.RawIOBase):
    """Reads a socket in slices, so that deadline and stop flag are seen even while a server drips."""

    def __init__(self, sock: socket.socket, call: Call) -> None:
        self._sock = sock
        self._call = call
        self._held = sock.makefile("rb", buffering=0)  # keeps the socket open for as long as this one is

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        silent_s = 0.0
        while True:
            slice_s = self._call.slice_s(silent_s)
            self._sock.settimeout(slice_s)
            try:
                size = self._sock.recv_into(buffer)
            except TimeoutError:
                silent_s += slice_s
            else:
                self._acknowledge()
                return size

    def _acknowledge(self) -> None:
        """Tell at once what has come: a server that writes its head alone holds the body back (Nagle).

        Source: tcp(7), TCP_QUICKACK; the kernel's own patience is 40 ms, for each question.
        """
        with suppress(OSError):  # it is closed already
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def close(self) -> None:
        self._held.close()
        super().close()


class _Tap:
    """A socket as ``http.client`` uses it for an answer."""

    def __init__(self, sock: socket.socket, call: Call) -> None:
        self._sock = sock
        self._call = call

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self._sock, self._call))


class _Response(http.client.HTTPResponse):
    def begin(self) -> None:
        super().begin()
        # urllib3 would log bad header lines together with the whole address, which may hold the key.
        self.msg.defects.clear()
        self.msg.set_payload("")


def _watched(call: Call) -> dict[str, type[urllib3.HTTPConnectionPool]]:
    """Make the pools whose connections read under the call's limits and note when a request goes out."""

    class Watched(HTTPConnection):
        def request(self, *args: Any, **kwargs: Any) -> None:
            if self.sock is None:
                self.connect()
            call.sent = True
            super().request(*args, **kwargs)

        # http.client calls this with its socket in place of its own class.
        def response_class(  # type: ignore[override] # a factory stands in for the class
            self, sock: socket.socket, **kwargs: Any
        ) -> http.client.HTTPResponse:
            return _Response(_Tap(sock, call), **kwargs)  # type: ignore[arg-type] # it uses makefile only

    class WatchedTls(Watched, HTTPSConnection): ...

    class Pool(urllib3.HTTPConnectionPool):
        ConnectionCls = Watched

    class TlsPool(urllib3.HTTPSConnectionPool):
        ConnectionCls = WatchedTls

    return {"http": Pool, "https": TlsPool}


class _Adapter(HTTPAdapter):
    def __init__(self, call: Call) -> None:
        self._pools = _watched(call)
        super().__init__(max_retries=0, pool_connections=1, pool_maxsize=1)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = self._pools
        return manager


class Session(requests.Session):
    """A session without memory: no redirects, no cookies, nothing of the environment."""

    def __init__(self, call: Call, proxies: dict[str, str]) -> None:
        super().__init__()
        self.trust_env = False
        self.proxies = dict(proxies)
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self.headers.clear()
        self.headers.update(
            {
                "User-Agent": f"offcloud-watchd/{__version__}",
                "Accept": "application/json, text/plain;q=0.9, */*;q=0.1",
                "Accept-Encoding": "identity",
            }
        )
        for scheme in ("https://", "http://"):
            self.mount(scheme, _Adapter(call))

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Know of no redirect: requests would read the whole body and build the next request even unasked."""
