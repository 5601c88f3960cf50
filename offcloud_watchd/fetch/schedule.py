"""How fast all fetches together may be now, by the time of day. Pure but for the clock that is given.

Rules of this file:

* The first slot that holds counts; outside of all of them the ordinary limit does.
* A slot that ends before it begins goes over midnight; one that ends where it begins is the whole day.
* Times are the machine's local ones, so a slot moves with summer time as its operator does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Slot:
    """A time of day with a limit of its own: minutes after midnight; ``bytes_per_s`` None is no limit."""

    begin_minute: int
    end_minute: int
    bytes_per_s: float | None

    @classmethod
    def between(cls, begin: str, end: str, bytes_per_s: float | None) -> Slot:
        """Make a slot of two times such as ``01:00``; raise ``ValueError`` where one is none."""
        return cls(_minute(begin), _minute(end), bytes_per_s)

    def holds(self, minute: int) -> bool:
        """Tell whether a minute of the day lies in it; its last one does not."""
        if self.begin_minute < self.end_minute:
            return self.begin_minute <= minute < self.end_minute
        return minute >= self.begin_minute or minute < self.end_minute


def rate_now(schedule: Sequence[Slot], minute: int, otherwise: float | None) -> float | None:
    """Return how many bytes a second may be taken at a minute of the day; None is no limit."""
    return next((slot.bytes_per_s for slot in schedule if slot.holds(minute)), otherwise)


def _minute(clock: str) -> int:
    hours, minutes = map(int, clock.split(":"))
    return hours * 60 + minutes


@dataclass(frozen=True, slots=True)
class RateLimit:
    """What ``ShelfSettings.rate_limit`` wants: called again and again, from any thread.

    Can be sent to another process as long as ``local_time`` can; it takes no argument and gives the local
    time.
    """

    otherwise: float | None = None
    schedule: tuple[Slot, ...] = ()
    local_time: Callable[[], time.struct_time] = time.localtime

    def __call__(self) -> float | None:
        """Return how many bytes a second may be taken now; None is no limit."""
        now = self.local_time()
        return rate_now(self.schedule, now.tm_hour * 60 + now.tm_min, self.otherwise)
