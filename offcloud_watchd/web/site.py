"""What stands under which address, and who may see it."""

from __future__ import annotations

from collections.abc import Iterator

from starlette.routing import Route, Router
from starlette.types import ASGIApp

from offcloud_watchd.web.api import OwnApi
from offcloud_watchd.web.catalogue import Catalogue
from offcloud_watchd.web.clerk import Clerk
from offcloud_watchd.web.desk import Desk
from offcloud_watchd.web.entrance import Entrance
from offcloud_watchd.web.guard import Guard
from offcloud_watchd.web.health import Health
from offcloud_watchd.web.live import Live
from offcloud_watchd.web.metrics import MetricsPage
from offcloud_watchd.web.page import Page
from offcloud_watchd.web.qbittorrent import QBittorrent
from offcloud_watchd.web.settings import WebSettings


def site(settings: WebSettings, desk: Desk, live: Live) -> ASGIApp:
    """Build the whole site, guarded."""
    entrance = Entrance(settings.password_file, desk)
    clerk = Clerk(settings, desk)
    health = Health(desk)
    catalogue = Catalogue(settings, desk)
    qbittorrent = QBittorrent(settings, desk, entrance, catalogue)
    routes = [
        Route("/healthz", health.alive),
        Route("/readyz", health.ready),
        Route("/metrics", MetricsPage(desk, entrance).show),
        *qbittorrent.routes(),
        *_asked_for(settings, desk, entrance, catalogue),
        *OwnApi(clerk, entrance, desk, live).routes(),
        *Page(settings, clerk, entrance, desk, live).routes(),
    ]
    # No application around it: what goes wrong is to reach the guard, which is the one boundary.
    return Guard(Router(routes), settings.allowed_hosts)


def _asked_for(
    settings: WebSettings, desk: Desk, entrance: Entrance, catalogue: Catalogue
) -> Iterator[Route]:
    """Yield the routes of the APIs that few turn on: who has them off carries nothing of them."""
    if settings.sabnzbd:
        from offcloud_watchd.web.sabnzbd import Sabnzbd  # noqa: PLC0415 - see above

        yield from Sabnzbd(settings, desk, entrance, catalogue).routes()
    if settings.transmission:
        from offcloud_watchd.web.transmission import Transmission  # noqa: PLC0415 - see above

        yield from Transmission(settings, desk, entrance, catalogue).routes()
