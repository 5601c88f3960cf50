"""Who is let in: by a session's cookie, by a key, or because no password is set.

``Authorization: Basic`` is passed over: *arr tools send it with every request, also when it is empty, and
take an answer to it for a broken client. Source: Sonarr, ``NzbDrone.Common/Http``.

Rules of this file:

* Passwords are looked at one after the other, so that a thousand at once are five guesses and no more. The
  rest is refused at once: while it waited it would hold every connection there is.
* Who guesses shuts nobody else out: a session goes on, and so does a key that was good from the same address
  before (behind a proxy or a container's gateway all clients have one). Nothing else gets past a lockout.
"""

from __future__ import annotations

import asyncio
import ipaddress
from functools import partial
from pathlib import Path
from typing import Final

from starlette.requests import Request

from offcloud_watchd.web.desk import Desk
from offcloud_watchd.web.password import PasswordCheck
from offcloud_watchd.web.sessions import MAX_FAILURES, Doorkeeper, Session, Sessions

COOKIE: Final = "SID"
MAX_LOOKS: Final = 16
"""So many passwords wait to be looked at, of all addresses together."""


class Entrance:
    """The way in. ``password_file`` None: it is open."""

    def __init__(self, password_file: Path | None, desk: Desk) -> None:
        self._is_good = None if password_file is None else PasswordCheck(password_file)
        self._desk = desk
        self._sessions = Sessions(desk.clock)
        self._doorkeeper = Doorkeeper(desk.clock)
        self._looking = asyncio.Lock()
        self._looks: dict[tuple[str, str], asyncio.Task[bool]] = {}

    @property
    def has_password(self) -> bool:
        """Whether anything is asked of those who come in."""
        return self._is_good is not None

    async def enter(self, request: Request) -> Session | None:
        """Return who comes in; None when nobody may."""
        session = self._sessions.get(_word(request))
        if session is not None:
            return session
        if self._is_good is None:
            return self._sessions.of_client(_name(request))
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and await self.holds_key(request, key.strip()):
            return self._sessions.of_client(_name(request))
        return None

    def holds_session(self, request: Request) -> bool:
        """Tell whether a request carries the cookie of a session that lives."""
        return self._sessions.get(_word(request)) is not None

    def shuts_out(self, request: Request) -> bool:
        """Tell whether this address has guessed too often, or guesses too much just now."""
        address = _address(request)
        return self._doorkeeper.shuts_out(address) or self._is_crowded(address)

    async def knows(self, request: Request, password: str) -> bool:
        """Tell whether a password is good, and count it when it is not.

        The same one from the same address is looked at once, however many requests come with it.
        """
        if self._is_good is None:
            return True
        guess = (_address(request), password)
        look = self._looks.get(guess)
        if look is None:
            if self.shuts_out(request):
                return False
            look = self._looks[guess] = asyncio.create_task(self._look(self._is_good, *guess))
            look.add_done_callback(lambda _: self._looks.pop(guess))
        return await asyncio.shield(look)

    async def _look(self, is_good: PasswordCheck, address: str, password: str) -> bool:
        async with self._looking:
            if self._doorkeeper.shuts_out(address):
                return False
            if await self._desk.aside(partial(is_good, password)):
                return True
            self._doorkeeper.failed(address)
            return False

    def _is_crowded(self, address: str) -> bool:
        of_address = sum(1 for one, _ in self._looks if one == address)
        return of_address >= MAX_FAILURES or len(self._looks) >= MAX_LOOKS

    async def holds_key(self, request: Request, key: str) -> bool:
        """Tell whether a key that comes with every call is good, and count it when it is not.

        One that was good from this address before is let in while others guess from there.
        """
        address = _address(request)
        check = self._is_good
        if (
            check is not None
            and self._doorkeeper.trusts(address)
            and await self._desk.aside(partial(check.remembers, key))
        ):
            return True
        if not await self.knows(request, key):
            return False
        self._doorkeeper.trust(address)
        return True

    def begin(self) -> str:
        """Begin a session; return the cookie that is to be set."""
        return f"{COOKIE}={self._sessions.begin()}; HttpOnly; path=/; SameSite=Strict"

    def end(self, request: Request) -> str:
        """End the session of a request; return the cookie that takes the old one away."""
        self._sessions.end(_word(request))
        return f"{COOKIE}=; expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; path=/; SameSite=Strict"


def _word(request: Request) -> str:
    # cross-seed gives the whole Set-Cookie line back, attributes and all.
    for part in request.headers.get("cookie", "").split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE:
            return value
    return ""


def _name(request: Request) -> str:
    return f"{_address(request)} {request.headers.get('user-agent', '')[:200]}"


def _address(request: Request) -> str:
    """Name who may guess: an address; of IPv6 the network, in which one machine has as many as it likes."""
    host = request.client.host if request.client is not None else ""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    return str(address) if address.version == 4 else str(ipaddress.ip_network((int(address) >> 64 << 64, 64)))
