"""One line to the file hosts: requests, redirects, and what came in.

Rules of this file:

* Nothing of ours goes to a file host: no key, cookie, referrer or environment setting. Links are secrets and
  never stand in a text; the host's name may.
* Redirects are followed here and nowhere else: few, and never from a public address to a private one.
* A read blocks in the kernel as long as one byte comes now and then, so the thread that watches may ``cut``
  the line: that ends a stalled read at once, and headers that drip for ever.
* http.client and not requests: a third of the CPU for a small file, and bytes go from the socket into the
  buffer they are written from. What requests would add is turned off here anyway.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Final

from offcloud_watchd.core.ports import Clock, Stop
from offcloud_watchd.errors import Cancelled
from offcloud_watchd.fetch.address import Origin, host_of, is_public, parsed, redirected
from offcloud_watchd.fetch.broken import Broken
from offcloud_watchd.fetch.pool import Connection, Pool
from offcloud_watchd.fetch.settings import ShelfSettings

MAX_REDIRECTS: Final = 5
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_FILL_BYTES: Final = 128 * 1024
_LEAST_PACED_BYTES: Final = 16 * 1024
_CREDIT_S: Final = 0.5
_PAUSE_S: Final = 0.5
_BLINK_S: Final = 0.001


class Body:
    """The answer to a request: its status and headers (names in lower case), and bytes to be read.

    ``left_bytes`` is how much is still to come by the host's own word; None when it gave none.
    """

    def __init__(self, url: str, connection: Connection, response: http.client.HTTPResponse) -> None:
        self.url = url
        self.status = response.status
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in response.headers.items()}
        self.left_bytes = None if response.chunked else response.length
        self._connection = connection
        self._response = response

    def read_into(self, view: memoryview, *, fill: bool) -> int:
        """Put the next bytes into ``view``; return how many, 0 at the end. ``fill``: many, not soon."""
        if self._response.chunked:
            piece = self._response.read1(len(view))
            view[: len(piece)] = piece
            return len(piece)
        if self.left_bytes == 0:
            return 0
        room = view if self.left_bytes is None else view[: self.left_bytes]
        file = self._response.fp
        # Waiting for a full buffer is cheaper over TLS, but on a slow line it would hide that bytes come.
        read = file.readinto if fill and self._connection.origin.secure else file.readinto1
        count = read(room[:_FILL_BYTES] if fill else room)
        if self.left_bytes is not None:
            self.left_bytes -= count
        return count

    def end(self, pool: Pool) -> None:
        """Give the connection back if everything was read and the host keeps it, else close it.

        One that was answered by a refusal is not kept: it may be the one that was too many.
        """
        whole = self._response.isclosed() if self._response.chunked else self.left_bytes == 0
        self._response.close()
        if whole and self.status < 400 and not self._response.will_close:
            pool.give(self._connection)
        else:
            self._connection.close()


class Line:
    """What one thread fetches over, one request after another. Its flags are read and set by the watch.

    ``received_bytes`` counts what came in, ``requests`` what was asked for. ``waits`` is set while the line
    waits for the network. ``stalled``: the watch found it too slow; ``fast``: many bytes come. ``allowance``
    is how many bytes a second it may take, None for all there are. ``halt`` ends it.
    """

    def __init__(self, settings: ShelfSettings, pool: Pool, clock: Clock, halt: Stop) -> None:
        self.received_bytes = 0
        self.requests = 0
        self.waits = False
        self.stalled = False
        self.fast = False
        self.allowance: float | None = None
        self._settings = settings
        self._pool = pool
        self._clock = clock
        self._halt = halt
        self._connection: Connection | None = None
        self._redirected = False
        self._public = False
        self._debt_bytes = 0.0
        self._paced_at = clock.monotonic()
        self._headers = {"User-Agent": settings.user_agent, "Accept": "*/*", "Accept-Encoding": "identity"}

    def cut(self) -> None:
        """End whatever the line waits for; called by the watch."""
        connection = self._connection
        if connection is not None:
            connection.cut()

    @contextmanager
    def get(self, url: str, headers: Mapping[str, str]) -> Iterator[Body]:
        """Ask for a file and give the answer; redirects are followed. Raises ``Broken``."""
        self.requests += 1
        body = self._followed(url, headers)
        try:
            yield body
        finally:
            self._connection = None
            body.end(self._pool)

    def read_into(self, body: Body, view: memoryview) -> int:
        """Put the next bytes of a file into ``view``; return how many, 0 at the end. Raises ``Broken``."""
        self._check(body.url)
        if self.allowance is not None:
            view = view[: max(_LEAST_PACED_BYTES, int(self.allowance / 4))]
        self.waits = True
        try:
            count = body.read_into(view, fill=self.fast)
        except _FOREIGN_ERRORS as error:
            raise self._broken(body.url, error) from None
        finally:
            self.waits = False
        if not count:
            self._check(body.url)  # a line that was cut looks like one that ended
            if body.left_bytes:
                raise Broken(f"{host_of(body.url)}: the connection was cut")
        self.received_bytes += count
        self._pace(count)
        return count

    # --- inside ---

    def _followed(self, url: str, headers: Mapping[str, str]) -> Body:
        self._redirected = self._public = False
        for _ in range(MAX_REDIRECTS + 1):
            body = self._send(url, headers)
            if body.status not in _REDIRECTS:
                return body
            self._connection = None
            body.end(self._pool)
            location = body.headers.get("location", "").encode("latin-1")  # as http.client decodes it
            url = redirected(url, location.decode("utf-8", "replace"))
            self._redirected = True
        raise Broken(f"{host_of(url)} redirects more than {MAX_REDIRECTS} times", stale_link=True)

    def _send(self, url: str, headers: Mapping[str, str]) -> Body:
        self._check(url)
        try:
            origin, target = parsed(url, allow_http=self._settings.allow_http)
        except ValueError as error:
            raise self._broken(url, error) from None
        kept = self._pool.take(origin)
        if kept is not None:
            # The host may have closed it in this very moment: then, and only then, another one is tried.
            with suppress(ConnectionError):
                return self._ask(kept, url, target, headers)
            self._check(url)
        connection = self._connected(url, origin)
        try:
            return self._ask(connection, url, target, headers)
        except ConnectionError as error:
            raise self._broken(url, error) from None

    def _connected(self, url: str, origin: Origin) -> Connection:
        context = self._pool.context if origin.secure else None
        timeout_s = self._settings.connect_timeout_s
        connection = Connection(origin, context, timeout_s, lambda: self._judge(connection))
        self._connection = connection
        self.waits = True
        try:
            connection.connect()
        except _FOREIGN_ERRORS as error:
            connection.close()
            self._check(url)
            raise Broken(f"{host_of(url)}: {_connecting_words(error)}", crowded=True) from None
        except Broken:
            connection.close()
            raise
        finally:
            self.waits = False
        return connection

    def _ask(self, connection: Connection, url: str, target: str, headers: Mapping[str, str]) -> Body:
        """Send a request and read the head of its answer. Raises ``ConnectionError`` where that fails."""
        self._connection = connection
        self.waits = True
        try:
            self._judge(connection)
            connection.sock.settimeout(self._settings.read_timeout_s)
            connection.request("GET", target, headers={**self._headers, **headers})
            _acknowledge(connection)
            response = connection.getresponse()
            _check_lengths(response)
            return Body(url, connection, response)
        except ConnectionError:
            connection.close()
            raise
        except _FOREIGN_ERRORS as error:
            connection.close()
            raise self._broken(url, error) from None
        except Broken:
            connection.close()
            raise
        finally:
            self.waits = False

    def _judge(self, connection: Connection) -> None:
        """Raise ``Broken`` when a redirect led from a public address to this private one."""
        public = is_public(connection.peer)
        if self._redirected and self._public and not public:
            raise Broken("a file host redirects to a private address", stale_link=True)
        self._public = self._public or public

    def _pace(self, count: int) -> None:
        """Hold the line back to its allowance; what the host sends meanwhile waits in the kernel."""
        now = self._clock.monotonic()
        self._debt_bytes = self._less(now) + count
        while self.allowance is not None and self._debt_bytes > 0:
            if self._halt.wait(min(max(self._debt_bytes / self.allowance, _BLINK_S), _PAUSE_S)):
                raise Cancelled("stopped while fetching")
            self._debt_bytes = self._less(self._clock.monotonic())

    def _less(self, now: float) -> float:
        """Return the debt that is left: time pays it, and pays a little in advance."""
        rate, passed_s, self._paced_at = self.allowance, now - self._paced_at, now
        if rate is None:
            return 0.0
        return max(self._debt_bytes - passed_s * rate, -_CREDIT_S * rate)

    def _broken(self, url: str, error: Exception) -> Broken:
        """Say what happened without the error's text, which holds the link."""
        self._check(url)
        return Broken(f"{host_of(url)}: {_words(error)}")

    def _check(self, url: str) -> None:
        if self._halt.is_set():
            raise Cancelled("stopped while fetching")
        if self.stalled:
            self.stalled = False
            rate, window_s = self._settings.min_rate_bytes_per_s, self._settings.rate_window_s
            raise Broken(f"{host_of(url)} sent less than {rate:g} bytes/s for {window_s:g} s")


_FOREIGN_ERRORS: Final = (http.client.HTTPException, OSError, ValueError)


def _check_lengths(response: http.client.HTTPResponse) -> None:
    """Raise when a host tells two lengths, or codings: nobody could say where the answer ends, or what it is.

    Source: RFC 9112, 6.3.
    """
    for name in ("content-length", "transfer-encoding", "content-encoding"):
        if len(set(response.headers.get_all(name, []))) > 1:
            raise http.client.HTTPException


def _acknowledge(connection: Connection) -> None:
    """Tell the host at once when its headers are here.

    One that writes them apart from the body may hold the body back until then (Nagle), and the kernel would
    let it wait for 40 ms: for each of many small files. The kernel goes back to its own, cheaper way by
    itself. Source: tcp(7), TCP_QUICKACK.
    """
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def _connecting_words(error: Exception) -> str:
    match error:
        case TimeoutError():
            return "no connection in time"
        case ssl.SSLError():
            return "the TLS connection could not be trusted or broke"
        case OSError():
            return "no connection"
        case _:
            return f"not usable ({type(error).__name__})"


def _words(error: Exception) -> str:
    """Say what kind of failure it was without its text, which holds the link."""
    match error:
        case TimeoutError():
            return "no answer in time"
        case ssl.SSLError():
            return "the TLS connection could not be trusted or broke"
        case http.client.HTTPException() | OSError():
            return "the connection was cut"
        case _:
            return f"not usable ({type(error).__name__})"
