"""``/metrics``, for whoever may come in: Prometheus shows the password as a bearer token."""

from __future__ import annotations

from functools import partial
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from offcloud_watchd.web.desk import Desk
from offcloud_watchd.web.entrance import Entrance

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class MetricsPage:
    """The figures, made anew for every answer."""

    def __init__(self, desk: Desk, entrance: Entrance) -> None:
        self._desk = desk
        self._entrance = entrance

    async def show(self, request: Request) -> Response:
        """Answer with the page."""
        if await self._entrance.enter(request) is None:
            reason = "give the web password as a bearer token: authorization.credentials_file in Prometheus\n"
            return PlainTextResponse(reason, 401, headers={"www-authenticate": "Bearer"})
        overview = await self._desk.overview()
        page = await self._desk.aside(partial(self._desk.figures, overview))
        return Response(page, headers={"content-type": CONTENT_TYPE})
