"""The calls of the API and the way to each: who may make it, by which method, with what.

Rules of this file:

* Nobody is told anything before he is let in, not even whether a call exists: 403, never 401, because *arr
  tools take a 401 for something that is no qBittorrent. Source: Sonarr, ``QBittorrentProxySelector``.
* Reading goes by GET and by POST, as the clients have it; changing by POST alone.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from offcloud_watchd.web.answers import text_answer as text
from offcloud_watchd.web.catalogue import Catalogue
from offcloud_watchd.web.desk import Desk
from offcloud_watchd.web.entrance import Entrance
from offcloud_watchd.web.parameters import BadForm, parameters
from offcloud_watchd.web.qbittorrent.adding import Adding
from offcloud_watchd.web.qbittorrent.application import Application
from offcloud_watchd.web.qbittorrent.call import Call, Refused
from offcloud_watchd.web.qbittorrent.categories import Categories
from offcloud_watchd.web.qbittorrent.changing import Changing
from offcloud_watchd.web.qbittorrent.listing import Listing
from offcloud_watchd.web.settings import WebSettings

log = logging.getLogger(__name__)

FILES: Final = "torrents"
"""The field of a form in which files come."""
_BANNED: Final = "Your IP address has been banned after too many failed authentication attempts."

Answerer = Callable[[Call], Awaitable[Response]]


class QBittorrent:
    """The API. ``routes`` are what the site takes in."""

    def __init__(self, settings: WebSettings, desk: Desk, entrance: Entrance, catalogue: Catalogue) -> None:
        self._entrance = entrance
        application = Application(settings)
        categories = Categories(catalogue, desk)
        self._reads: Mapping[str, Answerer] = {
            **application.reads,
            **categories.reads,
            **Listing(desk, categories).reads,
        }
        self._writes: Mapping[str, Answerer] = {
            **application.writes,
            **categories.writes,
            **Adding(desk, catalogue).writes,
            **Changing(desk, categories).writes,
        }

    def routes(self) -> list[Route]:
        """Return the addresses: for all categories, and for one."""
        methods = ["GET", "POST"]
        return [
            Route("/api/v2/{call:path}", self._answer, methods=methods),
            Route("/c/{category:path}/api/v2/{call:path}", self._answer, methods=methods),
        ]

    async def _answer(self, request: Request) -> Response:
        try:
            return await self._answered(request)
        except Refused as refused:
            return text(refused.text, refused.status)
        except BadForm:
            return text("Bad Request", 400)
        except OSError as error:
            # What was ordered could not be made durable: nothing is promised.
            log.log(logging.ERROR, "web: an order could not be written: %s", error.strerror)
            return text("the order could not be written; the daemon's log says more", 503)

    async def _answered(self, request: Request) -> Response:
        name = request.path_params["call"]
        if name == "auth/login":
            return await self._login(request)
        session = await self._entrance.enter(request)
        if session is None:
            raise Refused(403, "Forbidden")
        if name == "auth/logout":
            return self._logout(request)
        answerer = self._reads.get(name) or self._writes.get(name)
        if answerer is None:
            raise Refused(404, "Not Found")
        if request.method != "POST" and name in self._writes:
            raise Refused(405, "Method Not Allowed")
        given, uploads = await parameters(request, FILES)
        return await answerer(Call(request, session, request.path_params.get("category"), given, uploads))

    async def _login(self, request: Request) -> Response:
        if request.method != "POST":
            raise Refused(405, "Method Not Allowed")
        given, _ = await parameters(request, FILES)
        if self._entrance.holds_session(request):
            return text("Ok.")
        if self._entrance.shuts_out(request):
            raise Refused(403, _BANNED)
        if not await self._entrance.knows(request, given.get("password", "")):
            return text("Fails.")
        answer = text("Ok.")
        answer.headers["set-cookie"] = self._entrance.begin()
        return answer

    def _logout(self, request: Request) -> Response:
        answer = text("")
        answer.headers["set-cookie"] = self._entrance.end(request)
        return answer
