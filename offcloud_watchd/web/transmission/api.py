"""The calls of the RPC and the way to each: who may make it, within which session, and which it is.

Rules of this file:

* Nobody is told anything before he is let in: 401 comes before all else. The password is that of the web, by
  ``Authorization: Basic`` with any name. An empty one is none, and is not counted as a guess.
* A call must carry the id of its session in a header, which no page of another site can send; without one it
  gets a 409 and an id. Each client has a session of its own, which is no key: it opens nothing.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from offcloud_watchd.web.catalogue import Catalogue
from offcloud_watchd.web.desk import Desk
from offcloud_watchd.web.entrance import Entrance
from offcloud_watchd.web.sessions import Sessions
from offcloud_watchd.web.settings import WebSettings
from offcloud_watchd.web.transmission.adding import Adding
from offcloud_watchd.web.transmission.call import Call, Refused, read
from offcloud_watchd.web.transmission.changing import Changing
from offcloud_watchd.web.transmission.listing import Listing
from offcloud_watchd.web.transmission.seeing import Seeing
from offcloud_watchd.web.transmission.session import SessionCalls

log = logging.getLogger(__name__)

HEADER: Final = "X-Transmission-Session-Id"
_REALM: Final = {"www-authenticate": 'Basic realm="Transmission"'}
_REASONS: Final = {
    401: ("Unauthorized", "Unauthorized User"),
    403: ("Forbidden", "Too many wrong passwords from this address: wait a minute."),
    405: ("Method Not Allowed", ""),
    503: ("Service Unavailable", "The order could not be written; the daemon's log says more."),
}
_ACCEPTED: Final = (
    *("torrent-stop", "torrent-reannounce", "torrent-set-location"),
    *("queue-move-top", "queue-move-up", "queue-move-down", "queue-move-bottom"),
)

Answerer = Callable[[Call], Awaitable[Mapping[str, object]]]


class Transmission:
    """The RPC. ``routes`` are what the site takes in."""

    def __init__(self, settings: WebSettings, desk: Desk, entrance: Entrance, catalogue: Catalogue) -> None:
        self._entrance = entrance
        self._sessions = Sessions(desk.clock)
        seeing = Seeing()
        session = SessionCalls(desk, seeing, settings.output_dir)
        changing = Changing(desk, catalogue, seeing)
        self._answerers: Mapping[str, Answerer] = {
            "session-get": session.get,
            "session-set": session.accepted,
            "session-stats": session.statistics,
            "torrent-get": Listing(desk, seeing).get,
            "torrent-add": Adding(desk, catalogue, seeing, settings.output_dir).add,
            "torrent-remove": changing.remove,
            "torrent-set": changing.set,
            "torrent-start": changing.again,
            "torrent-start-now": changing.again,
            "torrent-verify": changing.again,
            **dict.fromkeys(_ACCEPTED, changing.accepted),
        }

    def routes(self) -> list[Route]:
        """Return the addresses: for all categories, and for one."""
        # transmission-remote ends them with a slash, and follows no redirect.
        paths = (f"{base}/transmission/rpc{end}" for base in ("", "/c/{category:path}") for end in ("", "/"))
        return [Route(path, self._answer, methods=["GET", "POST"]) for path in paths]

    async def _answer(self, request: Request) -> Response:
        if refusal := await self._kept_out(request):
            return refusal
        word = request.headers.get(HEADER, "")
        session = self._sessions.get(word)
        if session is None:
            return _new_session(self._sessions.begin())
        if request.method != "POST":
            return _page(405)
        method, arguments, tag = read(await request.body())
        call = Call(request.path_params.get("category"), session, word, arguments)
        try:
            return _result("success", await self._carried_out(method, call), tag)
        except Refused as refused:
            return _result(str(refused), refused.arguments, tag)
        except OSError as error:
            # What was ordered could not be made durable: nothing is promised.
            log.log(logging.ERROR, "web: an order could not be written: %s", error.strerror)
            return _page(503)

    async def _carried_out(self, method: str, call: Call) -> Mapping[str, object]:
        if not method:
            raise Refused("no method name")
        answerer = self._answerers.get(method)
        if answerer is None:
            raise Refused("method name not recognized")
        return await answerer(call)

    async def _kept_out(self, request: Request) -> Response | None:
        """Return what is said to who may not come in, None to the others."""
        if await self._entrance.enter(request) is not None:
            return None
        password, shut_out = _password(request), self._entrance.shuts_out(request)
        if not password:
            return _page(401, _REALM)
        if await self._entrance.holds_key(request, password):
            return None
        return _page(403) if shut_out else _page(401, _REALM)


def _password(request: Request) -> str:
    """Return the password of a request, empty where there is none."""
    scheme, _, coded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(coded.strip()).decode("utf-8", "surrogateescape").partition(":")[2]
    except (binascii.Error, ValueError):
        return ""


def _result(result: str, arguments: Mapping[str, object], tag: object) -> Response:
    document = {"arguments": arguments, "result": result, **({} if tag is None else {"tag": tag})}
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Response(text.encode("utf-8", "replace"), media_type="application/json; charset=UTF-8")


def _page(status: int, headers: Mapping[str, str] | None = None) -> Response:
    reason, text = _REASONS[status]
    return _html(f"<h1>{status}: {reason}</h1>{text}", status, headers)


def _new_session(word: str) -> Response:
    # Scripts cut the header out of the page.
    text = f"<h1>409: Conflict</h1><p>Send this with every request:</p><p><code>{HEADER}: {word}</code></p>"
    return _html(text, 409, {HEADER: word})


def _html(text: str, status: int, headers: Mapping[str, str] | None) -> Response:
    return Response(text, status, headers, media_type="text/html; charset=ISO-8859-1")
