"""The API: a table of routes, and how a call comes to its route.

Rules of this file:

* Adding an endpoint is adding a row to ``ROUTES`` and one small function in the file of its kind. A row names
  the endpoint for the books and the fault table, and the generations that have it.
* A call is counted, then suffers the fault that is due, then is let in by its key, then takes effect.
* What the routes do not know is answered in HTML: 404 for a path, 405 for a verb.

Which generation has what: the official API document for the classic one; the public clients of the current
one. Where no client of the current service uses a call (retry, remote, upload, proxies), it is left out
there: a client must find its way without.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial
from typing import Final

from offcloud_watchd.sandbox import cached, cloud, entry, transfers
from offcloud_watchd.sandbox.account import Way, book_key
from offcloud_watchd.sandbox.books import Tally
from offcloud_watchd.sandbox.calls import Call, Route, Site, as_json
from offcloud_watchd.sandbox.faults import Faults, suffer
from offcloud_watchd.sandbox.forms import read_files, read_form, read_query
from offcloud_watchd.sandbox.server import Answer, Reply, Request, html_error

log = logging.getLogger(__name__)


class Api:
    """Answers the API's calls; ``respond`` may be called by any thread."""

    def __init__(self, site: Site, tally: Tally, faults: Faults) -> None:
        self._site = site
        self._tally = tally
        self._faults = faults
        manners = site.manners
        self._routes = [
            route
            for route in ROUTES
            if (manners.classic and route.classic) or (manners.current and route.current)
        ]

    def respond(self, request: Request) -> Reply:
        """Answer one request."""
        path, _, query = request.target.partition("?")
        found = [(route, route_id) for route in self._routes if (route_id := route.match(path)) is not None]
        if not found:
            return html_error(404)
        chosen = next((pair for pair in found if pair[0].method == request.method), None)
        if chosen is None:
            return html_error(405)
        route, route_id = chosen
        content_type = request.headers.get("content-type", "")
        form = read_form(content_type, request.body)
        if route.endpoint == "torrent/upload":
            files = read_files(content_type, request.body)
            return self._call(route, request, Call(read_query(query), form, route_id, files=files))
        return self._call(route, request, Call(read_query(query), form, route_id))

    def _call(self, route: Route, request: Request, call: Call) -> Reply:
        log.debug("call of %s", route.endpoint)
        self._tally.called(route.endpoint)
        way = _SUBMITS.get(route.endpoint)
        if way is not None and call.form.one("url"):
            self._tally.posted(book_key(way, self._site.source(call).key))
        return suffer(self._faults.take(route.endpoint), partial(self._admit, route, request, call))

    def _admit(self, route: Route, request: Request, call: Call) -> Answer:
        known = self._site.doors.lets_in(request, call.query, call.form)
        if route.open_ or known:
            return route.serve(self._site, replace(call, known=known))
        self._tally.refused()
        return as_json({"error": "NOAUTH"}, self._site.manners.refusal_status)


def _upload(site: Site, call: Call) -> Answer:
    """Take a torrent or an NZB and give it an address."""
    uploaded = [one for name, data in call.files if (one := site.uploads.add(name, data))]
    if not uploaded:
        return as_json({"success": False})
    return as_json({"success": True, "url": uploaded[0].url, "fileName": uploaded[0].name})


_SUBMITS: Final[dict[str, Way]] = {"cloud": "cloud", "instant": "instant", "remote": "remote"}

ROUTES: Final = (
    Route("cloud", "POST", "/api/cloud", cloud.submit),
    Route("cloud", "POST", "/api/cloud/download", cloud.submit, current=False),
    Route("cloud/status", "POST", "/api/cloud/status", cloud.status),
    Route("cloud/explore", "GET", "/api/cloud/explore/{id}", cloud.explore),
    Route("cloud/explore", "POST", "/api/cloud/explore", cloud.explore, current=False),
    Route("cloud/list", "GET", "/api/cloud/list/{id}", cloud.list_links),
    Route("cloud/history", "GET", "/api/cloud/history", cloud.history),
    Route("cloud/remove", "GET", "/api/cloud/remove/{id}", cloud.remove, classic=False),
    Route("cloud/remove", "POST", "/api/cloud/remove", cloud.remove, classic=False),
    Route("cloud/remove", "GET", "/cloud/remove/{id}", cloud.remove),
    Route("cloud/retry", "GET", "/api/cloud/retry/{id}", cloud.retry, current=False),
    Route("cache", "POST", "/api/cache", cached.cache),
    Route("cache", "POST", "/api/torrent/check", cached.cache, current=False),
    Route("cache/info", "POST", "/api/cache/info", cached.cache_info, classic=False),
    Route("cache/download", "POST", "/api/cache/download", cached.cache_download, classic=False),
    Route("instant", "POST", "/api/instant", transfers.instant),
    Route("instant", "POST", "/api/instant/download", transfers.instant, current=False),
    Route("instant/history", "GET", "/api/instant/history", transfers.instant_history, current=False),
    Route("proxy", "POST", "/api/proxy", transfers.proxies, current=False),
    Route("proxy", "POST", "/api/proxy/list", transfers.proxies, current=False),
    Route("remote", "POST", "/api/remote", transfers.remote, current=False),
    Route("remote", "POST", "/api/remote/download", transfers.remote, current=False),
    Route("remote/status", "POST", "/api/remote/status", transfers.remote_status, current=False),
    Route("remote/history", "GET", "/api/remote/history", transfers.remote_history, current=False),
    Route("remote/retry", "GET", "/api/remote/retry/{id}", transfers.remote_retry, current=False),
    Route("remote/accounts", "POST", "/api/remote/accounts", transfers.accounts, current=False),
    Route("remote/accounts", "POST", "/api/remote-account/list", transfers.accounts, current=False),
    Route("torrent/upload", "POST", "/torrent/upload", _upload, current=False),
    Route("account/info", "GET", "/api/account/info", entry.account_info, classic=False),
    Route("account/stats", "GET", "/api/account/stats", entry.account_stats, current=False),
    Route("sites", "GET", "/api/sites", entry.sites),
    Route("login", "POST", "/api/login", entry.login, current=False, open_=True),
    Route("login", "POST", "/api/login/classic", entry.login, current=False, open_=True),
    Route("check", "GET", "/api/check", entry.check, current=False, open_=True),
    Route("check", "GET", "/api/login/check", entry.check, current=False, open_=True),
    Route("key", "POST", "/api/key", entry.key, current=False),
    Route("oauth/device/code", "POST", "/oauth/device/code", entry.device_code, classic=False, open_=True),
    Route("oauth/token", "POST", "/oauth/token", entry.device_token, classic=False, open_=True),
    Route("activate", "GET", "/activate", entry.activate_page, classic=False, open_=True),
    Route("activate", "POST", "/activate", entry.activate, classic=False, open_=True),
)
