"""The calls of the API and the way to each: who may make it, and which it is.

Rules of this file:

* The key is the password of the web, as ``apikey`` or ``ma_password``; it is taken out of what was given
  before anything else sees that. ``version`` and ``auth`` want none, as with SABnzbd.
* Changing goes by GET as well, so no call may come from another site's page.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from offcloud_watchd.web.answers import text_answer, utf8_answer
from offcloud_watchd.web.catalogue import Catalogue
from offcloud_watchd.web.desk import Desk
from offcloud_watchd.web.entrance import Entrance
from offcloud_watchd.web.guard import is_foreign
from offcloud_watchd.web.parameters import BadForm, parameters
from offcloud_watchd.web.sabnzbd.adding import Adding
from offcloud_watchd.web.sabnzbd.application import Application
from offcloud_watchd.web.sabnzbd.call import NOT_IMPLEMENTED, Call, Refused, Unfit
from offcloud_watchd.web.sabnzbd.changing import Changing
from offcloud_watchd.web.sabnzbd.listing import Listing
from offcloud_watchd.web.settings import WebSettings

log = logging.getLogger(__name__)

FILES: Final = "nzbfile"
"""The field of a form in which a file comes that is not marked as one."""
MAX_STRANGE_BYTES: Final = 1024 * 1024
"""A larger form is read only where the key stands in the address, as it does with all that send files."""
_OPEN: Final = frozenset({"version", "auth"})
_SECRETS: Final = frozenset({"apikey", "ma_username", "ma_password", "key"})
_MISSING: Final = "API Key Required"
_WRONG: Final = "API Key Incorrect"
_SHUT_OUT: Final = "Too many wrong keys from this address: wait a minute"

Answerer = Callable[[Call], Awaitable[Response]]


class Sabnzbd:
    """The API. ``routes`` are what the site takes in."""

    def __init__(self, settings: WebSettings, desk: Desk, entrance: Entrance, catalogue: Catalogue) -> None:
        self._entrance = entrance
        application = Application(desk, catalogue, settings.output_dir)
        listing = Listing(desk, settings.destination_for(None).category)
        adding, changing = Adding(desk, catalogue), Changing(desk)
        self._answerers: Mapping[tuple[str, str], Answerer] = {
            **{(mode, ""): answerer for mode, answerer in application.answerers.items()},
            ("addfile", ""): adding.add_file,
            ("addurl", ""): adding.add_address,
            ("queue", ""): listing.queue,
            ("queue", "delete"): changing.delete_queued,
            ("queue", "pause"): changing.accepted,
            ("queue", "resume"): changing.accepted,
            ("queue", "priority"): changing.prioritized,
            ("history", ""): listing.history,
            ("history", "delete"): changing.delete_finished,
            ("retry", ""): changing.retry,
        }

    def routes(self) -> list[Route]:
        """Return the addresses: for all categories, and for one."""
        # With a slash, too: a redirect would repeat the key.
        paths = (f"{base}/sabnzbd/api{end}" for base in ("", "/c/{category:path}") for end in ("", "/"))
        return [Route(path, self._answer, methods=["GET", "POST"]) for path in paths]

    async def _answer(self, request: Request) -> Response:
        try:
            return await self._answered(request)
        except Refused as refused:
            return text_answer(str(refused), 403)
        except BadForm:
            return text_answer("the form cannot be read", 400)
        except Unfit as unfit:
            return utf8_answer({"status": False, "error": str(unfit)})
        except OSError as error:
            # What was ordered could not be made durable: nothing is promised.
            log.log(logging.ERROR, "web: an order could not be written: %s", error.strerror)
            return text_answer("the order could not be written; the daemon's log says more", 503)

    async def _answered(self, request: Request) -> Response:
        if is_foreign(request.headers):
            raise Refused("the request comes from another site's page")
        address = request.query_params
        # A wrong key in the address is not worth reading a file for, nor is a large form to look for one. But
        # what is asked only the form may say: an open mode in the address lets nothing in.
        is_in = (bool(_key(address)) and address.get("mode") not in _OPEN) or _is_large(request)
        if is_in:
            await self._let_in(request, address)
        given, uploads = await parameters(request, FILES)
        mode = given.get("mode", "")
        if not is_in and mode not in _OPEN:
            await self._let_in(request, given)
        if mode == "auth":
            return await self._which_key(request, given.get("key", ""))
        # `name` is what is done with a queue, and what is added by an address.
        act = given.get("name", "") if mode in ("queue", "history") else ""
        answerer = self._answerers.get((mode, act))
        if answerer is None:
            raise Unfit(NOT_IMPLEMENTED)
        harmless = {name: value for name, value in given.items() if name not in _SECRETS}
        return await answerer(Call(request.path_params.get("category"), harmless, uploads))

    async def _let_in(self, request: Request, given: Mapping[str, str]) -> None:
        """Raise ``Refused`` when the key is wrong, or one is missing."""
        if await self._entrance.enter(request) is not None:
            return
        if not (key := _key(given)):
            raise Refused(_MISSING)
        shut_out = self._entrance.shuts_out(request)
        if not await self._entrance.holds_key(request, key):
            raise Refused(_SHUT_OUT if shut_out else _WRONG)

    async def _which_key(self, request: Request, key: str) -> Response:
        is_good = not key or await self._entrance.holds_key(request, key)
        return utf8_answer({"auth": "apikey" if is_good else "badkey"})


def _is_large(request: Request) -> bool:
    """Tell whether a form is larger than strangers may have read, or may be: its length is not told."""
    told = request.headers.get("content-length", "")
    if "transfer-encoding" in request.headers:
        return True
    return told.isascii() and told.isdigit() and int(told) > MAX_STRANGE_BYTES


def _key(given: Mapping[str, str]) -> str:
    return given.get("apikey") or given.get("ma_password") or ""
