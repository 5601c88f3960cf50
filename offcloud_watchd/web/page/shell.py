"""The frame around every page, and how a page is sent."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

from starlette.responses import HTMLResponse, Response

from offcloud_watchd.web.page.markup import Html, tag

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
ASSETS: Final = {
    "page.js": "text/javascript; charset=utf-8",
    "style.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


def page(
    title: str,
    main: Html,
    *,
    health: Html | None = None,
    beside: Html | None = None,
    live: str = "",
    status: int = 200,
) -> Response:
    """Send a page. ``live``: where its script hears of changes; ``beside`` stands at the end of its head."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("link", rel="stylesheet", href="/style.css"),
        tag("link", rel="icon", href="/icon.svg", type="image/svg+xml"),
        tag("script", src="/page.js", defer=True),
    )
    header = tag(
        "header",
        tag("a", "Skip to the content", href="#main", class_="skip"),
        tag("h1", tag("a", "offcloud-watchd", href="/")),
        health,
        tag("p", "Not connected", id="offline", role="status", hidden=True),
        beside,
    )
    body = tag("body", header, tag("main", main, id="main", tabindex="-1"), data_live=live or None)
    document = "<!doctype html>\n" + tag("html", head, body, lang="en")
    return HTMLResponse(document, status, headers={"content-security-policy": POLICY})


def asset(name: str) -> Response:
    """Send a file that belongs to the page."""
    data = (files(__package__) / "assets" / name).read_bytes()
    headers = {"content-type": ASSETS[name], "content-security-policy": POLICY}
    return Response(data, headers=headers)
