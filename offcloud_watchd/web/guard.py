"""What every request passes before anything is done with it: host, origin, size, time; and the last boundary.

Rules of this file:

* A name that was not allowed is not answered to: a page elsewhere could have its own name lead here (DNS
  rebinding). An address in figures cannot be made to lead elsewhere and is always good.
* What changes anything must not come from another site's page (``Origin``, ``Sec-Fetch-Site``).
* No body is read beyond its cap or its time, whatever length it claims.
* Nothing that goes wrong in here ends the server or shows a client more than a sentence.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Collection
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from offcloud_watchd.core.story import size
from offcloud_watchd.web.desk import Unanswered

log = logging.getLogger(__name__)

MAX_BODY_BYTES: Final = 34 * 1024 * 1024  # the largest .torrent that is taken, and its wrapping
MAX_LOGIN_BYTES: Final = 64 * 1024  # anybody may send a login: it must cost nothing
REQUEST_S: Final = 60.0
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_HEADERS: Final = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
}


class _TooLarge(Exception):  # noqa: N818 - the state of the thing
    """A body went over its cap."""

    def __init__(self, most_bytes: int) -> None:
        super().__init__(f"the body is larger than {size(most_bytes)}")


class Guard:
    """Wraps the whole site. ``allowed_hosts`` are names without a port; loopback's own is always good."""

    def __init__(self, app: ASGIApp, allowed_hosts: Collection[str]) -> None:
        self._app = app
        self._hosts = frozenset(name.lower() for name in allowed_hosts) | {"localhost"}
        self._said: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        out = _Out(send)
        most_bytes = MAX_LOGIN_BYTES if scope["path"].endswith("/login") else MAX_BODY_BYTES
        refusal = self._refused(scope["method"], Headers(scope=scope), most_bytes)
        if refusal is None:
            refusal = await self._answered(scope, _bounded(receive, most_bytes), out)
        if refusal is not None and not out.begun:
            await refusal(scope, receive, out.send)

    async def _answered(self, scope: Scope, receive: Receive, out: _Out) -> PlainTextResponse | None:
        """Let the site answer; return what is to be said when it could not."""
        try:
            async with asyncio.timeout(REQUEST_S):
                await self._app(scope, receive, out.send)
        except ClientDisconnect:
            return None
        except _TooLarge as error:
            return _refusal(413, str(error))
        except TimeoutError:
            return _refusal(408, f"the request took longer than {REQUEST_S:.0f} s")
        except Unanswered:
            return _refusal(503, "the daemon is too busy to answer; try again")
        except Exception:  # the boundary of the web: no request ends the server
            log.exception("web: %s %s went wrong", scope["method"], scope["path"])
            return _refusal(500, "something went wrong; the log says more")
        return None

    def _refused(self, method: str, headers: Headers, most_bytes: int) -> PlainTextResponse | None:
        host = headers.get("host", "")
        name = _host_name(host)
        if name not in self._hosts and not _is_address(name):
            self._say_once(name)
            return _refusal(421, f"{name[:255]!r} is no name of this server; web.allowed_hosts lists them")
        if method not in _SAFE and is_foreign(headers):
            return _refusal(403, "the request comes from another site's page")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or len(length) > 18:
            return _refusal(400, "the length of the body is no number")
        if int(length) > most_bytes:
            return _refusal(413, str(_TooLarge(most_bytes)))
        return None

    def _say_once(self, name: str) -> None:
        if name not in self._said and len(self._said) < 100:
            self._said.add(name)
            log.warning(
                "web: a request for the host %r was refused; if that is a name of this machine, "
                "add it to web.allowed_hosts",
                name[:255],
            )


class _Out:
    """Sends, with the headers every answer carries; knows whether an answer was begun."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.begun = False

    async def send(self, message: Message) -> None:
        """Send on."""
        if message["type"] == "http.response.start":
            self.begun = True
            headers = MutableHeaders(raw=message["headers"])
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
        await self._send(message)


def _bounded(receive: Receive, most_bytes: int) -> Receive:
    taken = 0

    async def bounded() -> Message:
        nonlocal taken
        message = await receive()
        if message["type"] == "http.request":
            taken += len(message.get("body", b""))
            if taken > most_bytes:
                raise _TooLarge(most_bytes)
        return message

    return bounded


def _refusal(status: int, text: str) -> PlainTextResponse:
    # What was not read of the body must not be taken for the next request.
    return PlainTextResponse(text, status, headers={"connection": "close"})


def _host_name(host: str) -> str:
    if host.startswith("["):
        return host.partition("]")[0][1:].lower()
    return host.partition(":")[0].lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_foreign(headers: Headers) -> bool:
    """Tell whether a request comes from another site's page."""
    origin = headers.get("origin")
    if origin is not None:
        return origin.partition("://")[2].lower() != headers.get("host", "").lower()
    return headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}
