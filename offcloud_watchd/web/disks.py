"""The room on the disks, measured when somebody looks; a disk that hangs holds no page up.

Rules of this file:

* What is known is shown for a few seconds; nobody looking costs nothing.
* Whoever looks waits a moment at the most, and only for a measurement that was just begun.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Final

from offcloud_watchd.core.picture import Disk
from offcloud_watchd.web.desk import Desk

EVERY_S: Final = 5.0
PATIENCE_S: Final = 1.0


class Disks:
    """The disks as they were measured last. Belongs to the event loop."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._known: Sequence[Disk] = ()
        self._began_s = float("-inf")
        self._measuring: asyncio.Task[None] | None = None

    async def look(self) -> Sequence[Disk] | None:
        """Return each disk that answers; None while the measuring itself is held up."""
        now_s = self._desk.clock.monotonic()
        if self._measuring is None and now_s >= self._began_s + EVERY_S:
            self._began_s = now_s
            self._measuring = asyncio.create_task(self._measure())
        if self._measuring is not None:
            await asyncio.wait({self._measuring}, timeout=max(0.0, self._began_s + PATIENCE_S - now_s))
        return None if self._measuring is not None else self._known

    async def _measure(self) -> None:
        try:
            with contextlib.suppress(RuntimeError):  # the web has ended meanwhile
                self._known = await self._desk.aside(self._desk.disks)
        finally:
            self._measuring = None
