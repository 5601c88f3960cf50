"""What moves: samples of the traffic, and the pictures that viewers are shown as long as there are any.

Rules of this file:

* However many look on, the engine is asked twice a second at the most; with nobody there, every ten seconds.
* Nothing is kept for a viewer that is behind: it goes on with the latest picture there is.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Hashable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar, cast

from offcloud_watchd.core.picture import Disk, Overview
from offcloud_watchd.web.desk import Desk, Unanswered
from offcloud_watchd.web.disks import Disks
from offcloud_watchd.web.traffic import FINE_S, Traffic

TICK_S: Final = 0.5
MAX_VIEWERS: Final = 64  # half of the connections: the other half stays for requests

T = TypeVar("T")


class TooManyViewers(Exception):  # noqa: N818 - the state of the thing
    """As many look on as may."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One picture that all viewers are shown, and what was made of it for more than one of them."""

    overview: Overview
    disks: Sequence[Disk] | None
    _made: dict[Hashable, Any] = field(default_factory=dict)

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what was made for this key in this turn; make it when nobody has."""
        if key not in self._made:
            self._made[key] = make()
        return cast("T", self._made[key])


class Live:
    """The clockwork of the web; ``run`` it as long as the web is there."""

    def __init__(self, desk: Desk) -> None:
        self.traffic = Traffic()
        self.disks = Disks(desk)
        self._desk = desk
        self._viewers = 0
        self._turning: asyncio.Task[None] | None = None
        self._turn: Turn | None = None
        self._next = asyncio.Event()
        self._closed = False

    def close(self) -> None:
        """Let viewers go at once: they come again when the web is there again."""
        self._closed = True
        self._next.set()

    async def run(self) -> None:
        """Take samples until cancelled."""
        while True:
            with contextlib.suppress(Unanswered):
                self.traffic.note(await self._desk.overview(), self._desk.clock.monotonic())
            await asyncio.sleep(FINE_S)

    @asynccontextmanager
    async def viewing(self) -> AsyncIterator[AsyncIterator[Turn]]:
        """Look on: what is yielded gives each new turn. Raise ``TooManyViewers``."""
        if self._viewers >= MAX_VIEWERS:
            raise TooManyViewers
        self._viewers += 1
        if self._turning is None:
            self._turning = asyncio.create_task(self._keep_turning())
        try:
            yield self._turns()
        finally:
            self._viewers -= 1
            if not self._viewers:
                self._turning.cancel()
                self._turning = self._turn = None

    async def _turns(self) -> AsyncIterator[Turn]:
        # Not the last turn: whoever has seen the effect of an order must not be shown what was before it.
        while True:
            await self._next.wait()
            if self._closed:
                return
            if self._turn is not None:
                yield self._turn

    async def _keep_turning(self) -> None:
        while True:
            with contextlib.suppress(Unanswered):
                disks = await self.disks.look()
                self._turn = Turn(await self._desk.overview(), disks)
                awaited, self._next = self._next, asyncio.Event()
                awaited.set()
            await asyncio.sleep(TICK_S)
