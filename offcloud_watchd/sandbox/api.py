"""The API: a table of routes, and what each does with the account.

Rules of this file:

* Adding an endpoint is adding a row to ``ROUTES`` and one small function. A row names the endpoint for the
  books and the fault table, and the generations that have it.
* A call is counted, then suffers the fault that is due, then is let in by its key, then takes effect.
* What the routes do not know is answered in HTML: 404 for a path, 405 for a verb.

Sources: the official API document for the classic paths; debrid-media-manager src/services/offcloud.ts and
stremthru store/offcloud for the current ones and for the texts of errors.

What the sources leave open is decided here: an unfinished item is explored with a text that holds
``downloaded yet`` (400 in the current service); the status of an unknown id is ``{}`` in the classic service
and 404 in the current one.
"""

from __future__ import annotations

import hmac
import json
import logging
import re
import secrets
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from http.cookies import CookieError, SimpleCookie
from typing import Final

from offcloud_watchd.sandbox import shapes
from offcloud_watchd.sandbox.account import Account, Item, TooManyItems
from offcloud_watchd.sandbox.books import Tally
from offcloud_watchd.sandbox.faults import Faults, suffer
from offcloud_watchd.sandbox.files import USER_ID, FileHost
from offcloud_watchd.sandbox.forms import Form, read_form, read_query
from offcloud_watchd.sandbox.server import Answer, Reply, Request, html_error, whole
from offcloud_watchd.sandbox.settings import SandboxSettings
from offcloud_watchd.sandbox.source import read_source

log = logging.getLogger(__name__)

YEAR_S: Final = 365 * 86400
MOST_SESSIONS: Final = 16
_ID: Final = re.compile("[A-Za-z0-9_-]{1,128}")


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a route: its parameters, the id in its path (or empty), and whether its key is good."""

    query: Form
    form: Form
    path_id: str
    known: bool = False

    @property
    def request_id(self) -> str:
        """The item the call is about, from the path or the form."""
        return self.path_id or self.form.one("requestId")


@dataclass(frozen=True, slots=True)
class Route:
    """One row of the table. ``open_`` routes need no key."""

    endpoint: str
    method: str
    path: str
    serve: Callable[[Api, Call], Answer]
    classic: bool = True
    current: bool = True
    open_: bool = False

    def match(self, path: str) -> str | None:
        """Return the id in the path (maybe empty) when the path is this route's, else None."""
        if self.path == path:
            return ""
        prefix = self.path.removesuffix("{id}")
        request_id = path.removeprefix(prefix)
        takes_id = prefix != self.path and request_id != path and _ID.fullmatch(request_id)
        return request_id if takes_id else None


class Api:
    """Answers the API's calls; ``respond`` may be called by any thread."""

    def __init__(
        self, settings: SandboxSettings, account: Account, files: FileHost, tally: Tally, faults: Faults
    ) -> None:
        self.settings = settings
        self.account = account
        self.files = files
        self.sessions: deque[str] = deque(maxlen=MOST_SESSIONS)
        self._tally = tally
        self._faults = faults
        manners = settings.manners
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
        form = read_form(request.headers.get("content-type", ""), request.body)
        return self._call(route, request, Call(read_query(query), form, route_id))

    def _call(self, route: Route, request: Request, call: Call) -> Reply:
        log.debug("call of %s", route.endpoint)
        self._tally.called(route.endpoint)
        if route.endpoint == "cloud" and call.form.one("url"):
            self._tally.posted(read_source(call.form.one("url")).key)
        return suffer(self._faults.take(route.endpoint), partial(self._admit, route, request, call))

    def _admit(self, route: Route, request: Request, call: Call) -> Answer:
        known = self._is_known(request, call)
        if route.open_ or known:
            return route.serve(self, replace(call, known=known))
        self._tally.refused()
        return as_json({"error": "NOAUTH"}, self.settings.manners.refusal_status)

    def _is_known(self, request: Request, call: Call) -> bool:
        manners = self.settings.manners
        offered = [call.query.one("key")]
        if manners.current:
            offered.append(request.headers.get("authorization", "").removeprefix("Bearer "))
        if manners.classic:
            offered += [call.query.one("apikey"), call.query.one("apiKey"), call.form.one("key")]
            if _session(request) in self.sessions:
                return True
        key = self.settings.key.encode()
        return any(hmac.compare_digest(one.encode("utf-8", "replace"), key) for one in offered)

    def view(self, item: Item) -> shapes.View:
        """Return an item as this call sees it."""
        stage = self.account.stage(item)
        return shapes.View(item, stage, self.settings.manners, self.files.classic_url(item))

    def error(self, status: int, text: str) -> Answer:
        """Return an error; where errors have no statuses of their own it comes with 200."""
        return as_json({"error": text}, status if self.settings.manners.error_statuses else 200)


def as_json(value: object, status: int = 200, *headers: tuple[str, str]) -> Answer:
    """Return a JSON answer."""
    return whole(status, "application/json", json.dumps(value).encode(), *headers)


# --- submitting and following -------------------------------------------------------------------------------


def _submit(api: Api, call: Call) -> Answer:
    source = read_source(call.form.one("url"))
    if not source.link:
        current = api.settings.manners.current
        return api.error(400, "Missing required parameter: url" if current else "Incorrect url")
    if not api.settings.premium or "premium" in source.markers:
        return as_json({"not_available": "premium"})
    if source.kind == "bad":
        return _unreachable(api)
    try:
        item = api.account.submit(source)
    except TooManyItems:
        return api.error(400, f"You have more than {api.settings.max_items} downloads.")
    return as_json(shapes.submission(api.view(item)))


def _unreachable(api: Api) -> Answer:
    """Answer a link that cannot be read: a bare string with 500 in the current service."""
    if api.settings.manners.current:
        return as_json("Error parsing url - HTTP code: 404 ", 500)
    return as_json({"error": "The file is not available on the server."})


def _status(api: Api, call: Call) -> Answer:
    many = call.form.many("requestIds")
    if many and api.settings.manners.batch_status:
        items = [item for item in map(api.account.find, many) if item]
        return as_json({"requests": [_one_status(api, item) for item in items]})
    if not call.request_id:
        return api.error(400, "Missing required parameter: requestId")
    item = api.account.find(call.request_id)
    if item is None:
        return api.error(404, "Request not found.") if api.settings.manners.current else as_json({})
    return as_json({"status": _one_status(api, item)})


def _one_status(api: Api, item: Item) -> shapes.Json:
    view = api.view(item)
    if view.stage.finished:
        api.account.mint(item)
    return shapes.status(view)


def _history(api: Api, _call: Call) -> Answer:
    manners = api.settings.manners
    rows = [
        shapes.history_row(shapes.View(item, stage, manners, api.files.classic_url(item)))
        for item, stage in api.account.history()
    ]
    return as_json(rows)


# --- files --------------------------------------------------------------------------------------------------


def _ready(api: Api, call: Call) -> Item | Answer:
    item = api.account.find(call.request_id)
    if item is None:
        return api.error(404, "Request not found.")
    if not api.account.stage(item).finished:
        return api.error(400, "The file has not been downloaded yet.")
    return item


def _explore(api: Api, call: Call) -> Answer:
    item = _ready(api, call)
    if isinstance(item, Answer):
        return item
    manners = api.settings.manners
    if manners.detailed and call.query.one("format") == "detailed":
        return as_json({"files": _detailed(api, item)})
    if manners.bad_archive and not item.release.is_directory:
        return as_json({"error": "Bad archive"})
    return as_json(_plain(api, item))


def _detailed(api: Api, item: Item) -> Sequence[shapes.Json]:
    return [
        {
            "id": f"{item.id}-{number}",
            "name": file.path.rpartition("/")[2],
            "size": file.size_bytes,
            "path": file.path,
            "url": link,
        }
        for number, (file, link) in enumerate(zip(item.release.files, api.files.links(item), strict=True))
    ]


def _plain(api: Api, item: Item) -> Sequence[str]:
    links = list(api.files.links(item))
    if api.settings.manners.signed_links:
        return links[::-1]  # the order carries no meaning there, so no client may rely on it
    return [*links, *api.files.junk(item)]


def _list(api: Api, call: Call) -> Answer:
    item = _ready(api, call)
    if isinstance(item, Answer):
        return item
    return whole(
        200, "text/plain; charset=UTF-8", "".join(f"{link}\n" for link in _plain(api, item)).encode()
    )


# --- removing and retrying ----------------------------------------------------------------------------------


def _remove(api: Api, call: Call) -> Answer:
    ids = (call.path_id,) if call.path_id else call.form.many("requests")
    if not ids:
        return api.error(400, "Missing required parameter: requests")
    if not api.account.remove(ids):
        return api.error(404, "Request not found.")
    return as_json({"success": True})


def _retry(api: Api, call: Call) -> Answer:
    item = api.account.retry(call.request_id)
    if item is None:
        return api.error(404, "Request not found.")
    return as_json({"status": {"status": api.account.stage(item).word}})


# --- the account --------------------------------------------------------------------------------------------


def _cache(api: Api, call: Call) -> Answer:
    hits = [text for text in call.form.many("hashes") if api.account.is_cached(f"btih:{text.lower()}")]
    upper = api.settings.manners.current  # letters come back in any case
    return as_json({"cachedItems": [text.upper() if upper else text for text in hits]})


def _account_info(api: Api, _call: Call) -> Answer:
    premium = api.settings.premium
    told: dict[str, object] = {"user_id": USER_ID, "email": api.settings.username}
    told |= {"is_premium": premium, "can_download": premium}
    return as_json({**told, "expiration_date": f"{_expiry(api):%Y-%m-%d}"} if premium else told)


def _account_stats(api: Api, _call: Call) -> Answer:
    names = ("links", "premium", "torrent", "streaming", "cloud", "proxy")
    return as_json(
        {
            "userId": USER_ID,
            "email": api.settings.username,
            "isPremium": api.settings.premium,
            "expirationDate": f"{_expiry(api):%d-%m-%Y}",
            "limits": dict.fromkeys(names, 1_000_000 if api.settings.premium else 0),
        }
    )


def _expiry(api: Api) -> datetime:
    now = api.settings.clock.now()
    return datetime.fromtimestamp(now + YEAR_S if api.settings.premium else now - YEAR_S, UTC)


def _login(api: Api, call: Call) -> Answer:
    username, password = call.form.one("username"), call.form.one("password")
    if "@" not in username:
        return as_json({"error": "Please enter a valid email address."})
    if (username, password) != (api.settings.username, api.settings.password):
        return as_json({"error": "The credentials entered are wrong."})
    session = secrets.token_hex(16)
    api.sessions.append(session)
    cookie = ("Set-Cookie", f"connect.sid={session}; Path=/; HttpOnly")
    return as_json({"email": username, "userId": USER_ID}, 200, cookie)


def _check(_api: Api, call: Call) -> Answer:
    return as_json({"loggedIn": int(call.known)})


def _key(api: Api, _call: Call) -> Answer:
    return as_json({"email": api.settings.username, "apiKey": api.settings.key})


def _session(request: Request) -> str:
    try:
        cookie = SimpleCookie(request.headers.get("cookie", ""))
    except CookieError:
        return ""
    return cookie["connect.sid"].value if "connect.sid" in cookie else ""


ROUTES: Final = (
    Route("cloud", "POST", "/api/cloud", _submit),
    Route("cloud", "POST", "/api/cloud/download", _submit, current=False),
    Route("cloud/status", "POST", "/api/cloud/status", _status),
    Route("cloud/explore", "GET", "/api/cloud/explore/{id}", _explore),
    Route("cloud/explore", "POST", "/api/cloud/explore", _explore, current=False),
    Route("cloud/list", "GET", "/api/cloud/list/{id}", _list),
    Route("cloud/history", "GET", "/api/cloud/history", _history),
    Route("cloud/remove", "GET", "/api/cloud/remove/{id}", _remove),
    Route("cloud/remove", "GET", "/cloud/remove/{id}", _remove, current=False),
    Route("cloud/remove", "POST", "/api/cloud/remove", _remove),
    Route("cloud/retry", "GET", "/api/cloud/retry/{id}", _retry),
    Route("cache", "POST", "/api/cache", _cache),
    Route("account/info", "GET", "/api/account/info", _account_info, classic=False),
    Route("account/stats", "GET", "/api/account/stats", _account_stats, current=False),
    Route("login", "POST", "/api/login", _login, current=False, open_=True),
    Route("check", "GET", "/api/check", _check, current=False, open_=True),
    Route("key", "POST", "/api/key", _key, current=False),
)
