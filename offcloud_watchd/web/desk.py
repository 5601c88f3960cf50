"""What the web and the rest of the program have to do with each other: it asks how things are, and orders.

Rules of this file:

* Nothing is shared: the engine answers on its own thread with something immutable, which is carried over.
* An order is durable when ``order`` returns; that it was obeyed shows in a later overview.
* What blocks (a sync, a directory on a slow disk) runs on one thread beside the loop.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol, TypeVar

from offcloud_watchd.core.orders import Order
from offcloud_watchd.core.picture import Disk, Overview
from offcloud_watchd.core.ports import Clock

ANSWER_WITHIN_S: Final = 5.0
LOOK_FIRST_S: Final = 0.02
LOOK_MAX_S: Final = 0.2
"""How soon it is looked whether an order shows: at first at once nearly, then less and less often, because an
overview of very many jobs costs the engine something."""
OBEYED_WITHIN_S: Final = 3.0
"""How long an answer waits to show what was ordered; the order stands also when it takes longer."""

T = TypeVar("T")


class Unanswered(Exception):  # noqa: N818 - the state of the thing
    """The engine did not say in time how things are."""


class Happening(Protocol):
    """One thing that happened to a job: when, the kind of the event, and its members, links among them."""

    @property
    def at(self) -> float:
        """When it was recorded."""
        ...

    @property
    def event(self) -> str:
        """The kind, as in the journal: ``queued``."""
        ...

    @property
    def data(self) -> Mapping[str, object]:
        """The members of the record."""
        ...

    @property
    def text(self) -> str:
        """What happened, in words and without any link; empty where the log is silent."""
        ...


@dataclass(frozen=True, slots=True)
class Ports:
    """The rest of the program as the web sees it.

    ``ask`` has the engine call back, on its own thread, with an overview. ``hand_over`` makes an order
    durable and returns the id of the command; it may block and raises ``OSError``. ``figures`` makes the
    page of metrics out of an overview; it may block, and is for one thread. ``history`` reads what is
    recorded of a job; it may block and raises ``OSError`` or ``JournalDamaged``. ``disks`` measures the room
    on them; it may block for half a second, and is for the thread of ``figures``.
    """

    ask: Callable[[Callable[[Overview], None]], None]
    hand_over: Callable[[Order], str]
    figures: Callable[[Overview], bytes]
    clock: Clock
    history: Callable[[str], Sequence[Happening]]
    disks: Callable[[], Sequence[Disk]]


class Desk:
    """The ports for use on the event loop. Belongs to it; ``close`` when it ends."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._beside = ThreadPoolExecutor(1, thread_name_prefix="web-disk")

    @property
    def clock(self) -> Clock:
        """The machine's clocks."""
        return self._ports.clock

    def figures(self, overview: Overview) -> bytes:
        """Make the page of metrics; for ``aside``."""
        return self._ports.figures(overview)

    def disks(self) -> Sequence[Disk]:
        """Measure the room on the disks; for ``aside``."""
        return self._ports.disks()

    async def overview(self) -> Overview:
        """Return how things are now; raise ``Unanswered``."""
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[Overview] = loop.create_future()

        def take(overview: Overview) -> None:
            if not answered.done():
                answered.set_result(overview)

        def answer(overview: Overview) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(take, overview)

        self._ports.ask(answer)
        try:
            return await asyncio.wait_for(answered, ANSWER_WITHIN_S)
        except TimeoutError:
            raise Unanswered from None

    async def order(self, order: Order) -> str:
        """Make an order durable and return the id of its command; raise ``OSError``."""
        return await self.aside(partial(self._ports.hand_over, order))

    async def history(self, job_id: str) -> Sequence[Happening]:
        """Read what is recorded of a job, oldest first; raise ``OSError`` or ``JournalDamaged``."""
        return await self.aside(partial(self._ports.history, job_id))

    async def shows(self, obeyed: Callable[[Overview], bool]) -> bool:
        """Wait a little until an order shows; return whether it does."""
        until_s, wait_s = self.clock.monotonic() + OBEYED_WITHIN_S, LOOK_FIRST_S
        while not obeyed(await self.overview()):
            if self.clock.monotonic() >= until_s:
                return False
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, LOOK_MAX_S)
        return True

    async def aside(self, work: Callable[[], T]) -> T:
        """Do what may block on the thread beside the loop."""
        return await asyncio.get_running_loop().run_in_executor(self._beside, work)

    def close(self) -> None:
        """Let go of the thread; what it still does is not waited for."""
        self._beside.shutdown(wait=False, cancel_futures=True)
