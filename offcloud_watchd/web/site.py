"""What stands under which address, and who may see it."""

from __future__ import annotations

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
from offcloud_watchd.web.sabnzbd import Sabnzbd
from offcloud_watchd.web.settings import WebSettings
from offcloud_watchd.web.transmission import Transmission


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
        *(Transmission(settings, desk, entrance, catalogue).routes() if settings.transmission else ()),
        *(Sabnzbd(settings, desk, entrance, catalogue).routes() if settings.sabnzbd else ()),
        *OwnApi(clerk, entrance, desk, live).routes(),
        *Page(settings, clerk, entrance, desk, live).routes(),
    ]
    # No application around it: what goes wrong is to reach the guard, which is the one boundary.
    return Guard(Router(routes), settings.allowed_hosts)
