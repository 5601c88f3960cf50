"""The NZB behind an address, fetched here as SABnzbd does: the service would bring that file home instead.

Rules of this file:

* An address is a secret, it holds the key of an indexer: it is in no text, no log, and nothing keeps it.
* http and https alone, at every redirect; bounded in size, in time, and in how many are fetched at once.
* What comes back is an NZB or nothing. Who asked learns no more of it than that, and of a refusal its status.
* The other side may be slow, so each fetch has a thread of its own, which nobody waits for at the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from email.message import Message
from functools import partial
from http import HTTPStatus
from typing import Final
from urllib.parse import unquote, urljoin, urlsplit

from offcloud_watchd import __version__
from offcloud_watchd.core.links import parse_link
from offcloud_watchd.core.model import LinkKind
from offcloud_watchd.core.ports import Clock
from offcloud_watchd.errors import NO_THREAD, BadDrop, Transient
from offcloud_watchd.inquiry import CONNECT_S, Answer, ask
from offcloud_watchd.web.parameters import Upload

MAX_AT_ONCE: Final = 4
MAX_REDIRECTS: Final = 5
WITHIN_S: Final = 20.0
_HEADERS: Final = {"user-agent": f"offcloud-watchd/{__version__}", "accept": "*/*", "connection": "close"}
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})

_LATE: Final = f"the address gave no whole answer within {WITHIN_S:.0f} s"


class NotGrabbed(Exception):  # noqa: N818 - the state of the thing
    """Nothing came of it; the text says why, for a person, and holds no address."""


class Grabber:
    """Fetches. Belongs to the event loop."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._at_work = 0

    async def grab(self, address: str) -> Upload:
        """Return what lies behind an address, and what it is called there; raise ``NotGrabbed``."""
        if self._at_work >= MAX_AT_ONCE:
            raise NotGrabbed("too many addresses are being fetched; try again")
        loop = asyncio.get_running_loop()
        grabbed: asyncio.Future[Upload] = loop.create_future()
        fetch = partial(_fetched, address, self._clock, self._clock.monotonic() + WITHIN_S)

        def settle(result: Upload | NotGrabbed) -> None:
            self._at_work -= 1
            if grabbed.done():
                return
            if isinstance(result, NotGrabbed):
                grabbed.set_exception(result)
            else:
                grabbed.set_result(result)

        def work() -> None:
            result: Upload | NotGrabbed = NotGrabbed("it went wrong; the log says more")
            try:
                result = fetch()
            except NotGrabbed as error:
                result = error
            finally:
                with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                    loop.call_soon_threadsafe(settle, result)

        try:
            threading.Thread(target=work, name="web-grab", daemon=True).start()
        except RuntimeError as error:
            raise NotGrabbed(NO_THREAD) from error
        self._at_work += 1
        try:
            return await asyncio.wait_for(grabbed, WITHIN_S + CONNECT_S)
        except TimeoutError:
            raise NotGrabbed(_LATE) from None


def _fetched(address: str, clock: Clock, until_s: float) -> Upload:
    """Follow an address to its end and take what is there."""
    for _ in range(MAX_REDIRECTS + 1):
        url = _checked(address)
        parts, left_s = urlsplit(url), until_s - clock.monotonic()
        if left_s <= 0:
            raise NotGrabbed(_LATE)
        target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        try:
            answer = ask(parts, "GET", target, headers=_HEADERS, body=None, total_timeout_s=left_s)
        except Transient as error:
            raise NotGrabbed(f"the address {error}") from None
        location = answer.headers.get("location")
        if answer.status not in _REDIRECTS or location is None:
            return _taken(answer, parts.path)
        address = _joined(url, location)
    raise NotGrabbed("the address leads from one to another and to no end")


def _joined(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError:
        raise NotGrabbed("the address leads to what is none") from None


def _checked(address: str) -> str:
    try:
        link = parse_link(address)
    except BadDrop as error:
        raise NotGrabbed(f"the address cannot be fetched: {error}") from None
    if link.kind is not LinkKind.URL:
        raise NotGrabbed("the address is no http or https link")
    return link.url


def _taken(answer: Answer, path: str) -> Upload:
    if answer.status != HTTPStatus.OK:
        raise NotGrabbed(f"the address answered with status {answer.status}")
    return Upload(_name(answer.headers.get("content-disposition", ""), path), answer.body)


def _name(header: str, path: str) -> str:
    """Return what the other side calls the file: in a header, else at the end of the address's path."""
    told = Message()
    told["content-disposition"] = header.replace("\r", "").replace("\n", "")
    name = told.get_filename() or unquote(path.rpartition("/")[2], errors="replace")
    with contextlib.suppress(UnicodeError):  # headers are read as Latin-1, and written as UTF-8
        name = name.encode("latin-1").decode("utf-8")
    return name
