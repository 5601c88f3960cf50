"""The line to the file hosts: sessions, redirects, and the watch that cuts a line which is dead or unwanted.

Rules of this file:

* Nothing of ours goes to a file host: no key, cookie, referrer or environment setting. Links are secrets and
  never stand in a text; the host's name may.
* Redirects are followed here and nowhere else: few, http(s) only, never from https to http, never from a
  public address to a private one.
* A read blocks in the kernel as long as one byte comes now and then, so a second thread measures and cuts the
  socket: that also ends a fetch at once when the program stops, and headers that drip for ever.
* The other thread touches nothing but the flags named here and the sockets' shutdown.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.cookiejar import DefaultCookiePolicy
from typing import Final, Protocol, Self, TypeVar
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from offcloud_watchd.core.names import safe_component
from offcloud_watchd.core.ports import Clock, Stop
from offcloud_watchd.errors import Cancelled
from offcloud_watchd.fetch.settings import ShelfSettings

MAX_REDIRECTS: Final = 5
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_TICK_S: Final = 0.25
_TLS_RECORD_BYTES: Final = 16 * 1024
_FILL_BYTES: Final = 128 * 1024
_FAST_BYTES_PER_S: Final = 4 * 1024**2  # at this rate a buffer fills in 32 ms
_FOREIGN_ERRORS: Final = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    OSError,
    ValueError,
)


_Connection = TypeVar("_Connection", bound=HTTPConnection)


class Broken(Exception):  # noqa: N818 - what happened to the line
    """The line gave out; what is on the disk stays and the file may go on from there.

    ``stale_link``: the link looks dead or wrong, a fresh one should be asked for. ``retry_after_s``: the host
    asked to be left alone so long.
    """

    def __init__(self, reason: str, *, stale_link: bool = False, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.stale_link = stale_link
        self.retry_after_s = retry_after_s


class Line:
    """All connections of one fetch, kept alive between its files. One thread, and its watch.

    A context manager. ``received_bytes`` counts what came in over it.
    """

    def __init__(self, settings: ShelfSettings, clock: Clock, stop: Stop) -> None:
        self.received_bytes = 0
        self._settings = settings
        self._stop = stop
        self._wire = Wire()
        self._watch = Watch(self, settings, clock, stop)
        self._session = _session(settings, self._wire)
        self._read_bytes = settings.chunk_bytes

    def __enter__(self) -> Self:
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._watch.end()
        self._session.close()

    def cut(self) -> None:
        """End whatever the line waits for; called by the watch."""
        self._wire.cut()

    @contextmanager
    def get(self, url: str, headers: Mapping[str, str]) -> Iterator[requests.Response]:
        """Ask for a file and give the answer to its headers; redirects are followed. Raises ``Broken``."""
        response = self._followed(url, headers)
        try:
            yield response
        finally:
            response.close()  # a connection whose answer was read to its end is back in the pool by now

    def _followed(self, url: str, headers: Mapping[str, str]) -> requests.Response:
        self._wire.begin()
        for _ in range(MAX_REDIRECTS + 1):
            response = self._send(url, headers)
            if response.status_code not in _REDIRECTS:
                return response
            response.close()
            url = redirected(url, response.headers.get("Location", ""))
            self._wire.redirected = True
        raise Broken(f"{host_of(url)} redirects more than {MAX_REDIRECTS} times", stale_link=True)

    def read(self, response: requests.Response) -> bytes:
        """Return the next bytes of a file, as many as are there up to ``chunk_bytes``; none at the end."""
        self._check_watch(response.url)
        self._watch.waits = True
        try:
            piece = self._piece(response)
        except _FOREIGN_ERRORS as error:
            raise self._broken(response.url, error) from None
        finally:
            self._watch.waits = False
        if not piece:
            self._check_watch(response.url)  # a line that was cut looks like one that ended
        self.received_bytes += len(piece)
        if self._wire.at_once:
            self._wire.acknowledge(at_once=False)
        return piece

    def _piece(self, response: requests.Response) -> bytes:
        """Take what is there: one call over plain http, one record over TLS, where many are joined if fast.

        Waiting for a full buffer is cheaper over TLS, but on a slow line it would hide that bytes come.
        """
        raw = response.raw
        if self._watch.fast and response.url.startswith("https:"):
            filled: bytes = raw.read(_FILL_BYTES, decode_content=False)
            return filled
        piece: bytes = raw.read1(self._read_bytes, decode_content=False)
        # Asking for what usually comes spares a large allocation for each small piece.
        self._read_bytes = min(max(2 * len(piece), _TLS_RECORD_BYTES), self._settings.chunk_bytes)
        return piece

    def _send(self, url: str, headers: Mapping[str, str]) -> requests.Response:
        self._check_watch(url)
        allowed = ("https", "http") if self._settings.allow_http else ("https",)
        self._watch.waits = True
        try:
            if urlsplit(url).scheme.lower() not in allowed:
                raise Broken(f"a link of {host_of(url)} is not {' or '.join(allowed)}", stale_link=True)
            timeouts = (self._settings.connect_timeout_s, self._settings.read_timeout_s)
            response = self._session.get(
                url, headers=headers, stream=True, allow_redirects=False, timeout=timeouts
            )
        except _FOREIGN_ERRORS as error:
            raise self._broken(url, error) from None
        finally:
            self._watch.waits = False
        self._wire.acknowledge(at_once=True)
        return response

    def _broken(self, url: str, error: Exception) -> Broken:
        """Say what happened without the error's text, which holds the link."""
        self._check_watch(url)
        return Broken(f"{host_of(url)}: {_words(error)}")

    def _check_watch(self, url: str) -> None:
        if self._stop.is_set():
            raise Cancelled("stopped while fetching")
        if self._watch.stalled:
            self._watch.stalled = False
            rate, window_s = self._settings.min_rate_bytes_per_s, self._settings.rate_window_s
            raise Broken(f"{host_of(url)} sent less than {rate:g} bytes/s for {window_s:g} s")


def host_of(url: str) -> str:
    """Return the host of a link for a message: the one part of it that is no secret."""
    try:
        host = urlsplit(url).hostname
    except ValueError:
        host = None
    return safe_component(host, limit_bytes=80) if host else "the file host"


def redirected(url: str, location: str) -> str:
    """Return the link a redirect leads to; raise ``Broken`` when it is none or leaves https."""
    try:
        target = urljoin(url, location)
        downgrade = urlsplit(url).scheme.lower() == "https" and urlsplit(target).scheme.lower() != "https"
    except ValueError:
        raise Broken(f"{host_of(url)} redirects to a broken address", stale_link=True) from None
    if downgrade:
        raise Broken(f"{host_of(url)} redirects away from https", stale_link=True)
    return target


def _words(error: Exception) -> str:
    """Say what kind of failure it was without its text, which holds the link."""
    match error:
        case requests.ConnectTimeout():
            return "no connection in time"
        case requests.Timeout() | urllib3.exceptions.TimeoutError() | TimeoutError():
            return "no answer in time"
        case requests.exceptions.SSLError() | urllib3.exceptions.SSLError():
            return "the TLS connection could not be trusted or broke"
        case urllib3.exceptions.ProtocolError() | http.client.HTTPException():
            return "the connection was cut"
        case requests.ConnectionError():
            return "no connection"
        case _:
            return f"not usable ({type(error).__name__})"


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Say that there is none: the library would read a redirect's whole body into memory."""


def _session(settings: ShelfSettings, wire: Wire) -> requests.Session:
    session = _Session()
    session.trust_env = False  # no proxy, certificate bundle or .netrc by surprise
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers.clear()
    session.headers.update(
        {"User-Agent": settings.user_agent, "Accept": "*/*", "Accept-Encoding": "identity"}
    )
    adapter = _Adapter(wire)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


# --- Sockets -----------------------------------------------------------------------------------------------


class Wire:
    """The sockets of a line, and whether the present request is still with the host its link names.

    ``at_once``: what comes in is acknowledged at once.
    """

    def __init__(self) -> None:
        self.redirected = False
        self.at_once = False
        self._public = False
        self._sockets: list[socket.socket] = []

    def begin(self) -> None:
        """Start a new request, at the host its link names."""
        self.redirected = False

    def connected(self, sock: socket.socket) -> None:
        """Judge a new connection before anything is sent over it, and keep hold of it."""
        self.judge(sock.getpeername()[0])
        self._sockets = [one for one in self._sockets if one.fileno() >= 0] + [sock]

    def judge(self, address: str) -> None:
        """Raise ``Broken`` when a redirect led from a public address to this private one."""
        public = _is_public(address)
        if not self.redirected:
            self._public = self._public or public
        elif self._public and not public:
            raise Broken("a file host redirects to a private address", stale_link=True)

    def acknowledge(self, *, at_once: bool) -> None:
        """Tell the host at once that its headers are here; for the body the kernel's own way is cheaper.

        One that writes them apart from the body may hold the body back until then (Nagle), and the kernel
        would let it wait for 40 ms: for each of many small files. Source: tcp(7), TCP_QUICKACK.
        """
        self.at_once = at_once
        for sock in self._sockets:
            with suppress(OSError):  # it is closed already
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, at_once)

    def cut(self) -> None:
        """End every connection, whoever reads from it; called by the watch."""
        for sock in self._sockets:
            # Past the TLS layer on purpose: its own shutdown would let the reader see the raw ciphertext.
            with suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _is_public(address: str) -> bool:
    parsed = ipaddress.ip_address(address.partition("%")[0])
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return (mapped or parsed).is_global


class _Adapter(HTTPAdapter):
    """Makes connections that report themselves to the wire."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        super().__init__(pool_connections=4, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *args: object, **kwargs: object) -> None:
        """Set the pools up with our connections."""
        super().init_poolmanager(*args, **kwargs)  # type: ignore[arg-type] # handed through as they come

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = _reporting(HTTPConnection, self._wire)

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = _reporting(HTTPSConnection, self._wire)

        self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}


def _reporting(kind: type[_Connection], wire: Wire) -> type[_Connection]:
    class Reporting(kind):  # type: ignore[valid-type, misc] # a class made of the one that is given
        def connect(self) -> None:
            super().connect()
            wire.connected(self.sock)

    return Reporting


class Watched(Protocol):
    """What the watch needs of a line."""

    received_bytes: int

    def cut(self) -> None:
        """End whatever the line waits for."""
        ...


class Watch:
    """A thread that cuts the line when it stalls or the program stops.

    ``waits`` is set while the reader waits for the network, so that a slow disk is no stalled line; the watch
    answers by ``stalled`` and by ``fast``.
    """

    def __init__(self, line: Watched, settings: ShelfSettings, clock: Clock, stop: Stop) -> None:
        self.waits = False
        self.stalled = False
        self.fast = False
        self._received_bytes = 0
        self._looked_at = clock.monotonic()
        self._line = line
        self._least_bytes = settings.min_rate_bytes_per_s * settings.rate_window_s
        self._window_s = settings.rate_window_s
        self._clock = clock
        self._stop = stop
        self._done = threading.Event()
        self._samples: deque[tuple[float, int]] = deque()
        self._thread = threading.Thread(target=self._run, name="fetch-watch", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def end(self) -> None:
        """End the thread; it takes a moment at the most."""
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._done.wait(min(_TICK_S, self._window_s / 4)):
            self.look()

    def look(self) -> None:
        """Measure once, and cut the line if it must be."""
        self._measure()
        if self._stop.is_set():
            self._line.cut()
        elif self._too_slow():
            self._samples.clear()
            self.stalled = True
            self._line.cut()

    def _measure(self) -> None:
        now, received = self._clock.monotonic(), self._line.received_bytes
        self.fast = received - self._received_bytes > _FAST_BYTES_PER_S * (now - self._looked_at)
        self._looked_at, self._received_bytes = now, received

    def _too_slow(self) -> bool:
        if not self.waits:
            self._samples.clear()
            return False
        now, received = self._clock.monotonic(), self._line.received_bytes
        self._samples.append((now, received))
        while len(self._samples) > 1 and now - self._samples[1][0] >= self._window_s:
            self._samples.popleft()
        since, before = self._samples[0]
        return now - since >= self._window_s and received - before < self._least_bytes
