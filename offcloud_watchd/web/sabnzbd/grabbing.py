"""The NZB behind an address, fetched here as SABnzbd does: the service would bring that file home instead.

Rules of this file:

* An address is a secret, it holds the key of an indexer: it is in no text, no log, and nothing keeps it.
* http and https alone, at every redirect; bounded in size, in time, and in how many are fetched at once.
* What comes back is an NZB or nothing. Who asked learns no more of it than that.
* The other side may hang, so each fetch has a thread of its own, which nobody waits for at the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from email.message import Message
from functools import partial
from typing import Final
from urllib.parse import unquote, urljoin, urlsplit

import requests

from offcloud_watchd import __version__
from offcloud_watchd.core.links import MAX_DROP_BYTES, parse_link
from offcloud_watchd.core.model import LinkKind
from offcloud_watchd.core.ports import Clock
from offcloud_watchd.errors import NO_THREAD, BadDrop
from offcloud_watchd.web.parameters import Upload

MAX_AT_ONCE: Final = 4
MAX_REDIRECTS: Final = 5
WITHIN_S: Final = 20.0
_CONNECT_S: Final = 5.0
_CHUNK_BYTES: Final = 64 * 1024


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
            return await asyncio.wait_for(grabbed, WITHIN_S + _CONNECT_S)
        except TimeoutError:
            raise NotGrabbed(_LATE) from None


_LATE: Final = f"the address gave no whole answer within {WITHIN_S:.0f} s"


def _fetched(address: str, clock: Clock, until_s: float) -> Upload:
    """Follow an address to its end and take what is there."""
    with requests.Session() as session:
        session.trust_env = False  # what proxies the environment names is for others
        session.headers["user-agent"] = f"offcloud-watchd/{__version__}"
        try:
            for _ in range(MAX_REDIRECTS + 1):
                url = _checked(address)
                with session.get(
                    url, stream=True, allow_redirects=False, timeout=(_CONNECT_S, WITHIN_S)
                ) as answer:
                    if not answer.is_redirect:
                        return _taken(answer, clock, until_s)
                    address = urljoin(url, answer.headers["location"])
        except (requests.RequestException, UnicodeError, ValueError) as error:
            # The text of a foreign exception may hold the address.
            raise NotGrabbed(f"the address could not be fetched ({type(error).__name__})") from None
    raise NotGrabbed("the address leads from one to another and to no end")


def _checked(address: str) -> str:
    try:
        link = parse_link(address)
    except BadDrop as error:
        raise NotGrabbed(f"the address cannot be fetched: {error}") from None
    if link.kind is not LinkKind.URL:
        raise NotGrabbed("the address is no http or https link")
    return link.url


def _taken(answer: requests.Response, clock: Clock, until_s: float) -> Upload:
    if answer.status_code != requests.codes.ok:
        raise NotGrabbed(f"the address answered with status {answer.status_code}")
    parts: list[bytes] = []
    taken_bytes = 0
    for part in answer.iter_content(_CHUNK_BYTES):
        taken_bytes += len(part)
        if taken_bytes > MAX_DROP_BYTES:
            raise NotGrabbed(f"what the address gives is larger than {MAX_DROP_BYTES // 2**20}MiB")
        if clock.monotonic() > until_s:
            raise NotGrabbed(_LATE)
        parts.append(part)
    return Upload(_name(answer), b"".join(parts))


def _name(answer: requests.Response) -> str:
    """Return what the other side calls the file: in a header, else at the end of the address's path."""
    told = Message()
    told["content-disposition"] = answer.headers.get("content-disposition", "").replace("\n", "")
    name = told.get_filename() or unquote(urlsplit(answer.url).path.rpartition("/")[2], errors="replace")
    with contextlib.suppress(UnicodeError):  # headers are read as Latin-1, and written as UTF-8
        name = name.encode("latin-1").decode("utf-8")
    return name
