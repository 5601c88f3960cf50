"""One budget for everything the program asks of the service.

Rules of this file:

* In any minute no more than ``per_minute`` calls: a quarter of them at once at the most, the rest evenly.
  Whoever asks on and on has all of them, minute for minute: what a rush took is missing once, a minute later.
* A fresh start has no credit but for one call, so that a daemon which restarts again and again stays within
  the budget as well.
* Waiting ends at once when the stop flag is raised. Nothing sleeps.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from offcloud_watchd.core.ports import Clock, Stop
from offcloud_watchd.errors import Cancelled

MINUTE_S: Final = 60.0
MAX_HOLD_S: Final = 30.0
_ROUNDING_S: Final = 1e-6


class Pace:
    """A token bucket on the monotonic clock, with a note of each call of the last minute. One thread only."""

    def __init__(self, per_minute: int, clock: Clock) -> None:
        self._clock = clock
        self._per_minute = per_minute
        self._every_s = MINUTE_S / per_minute
        self._credit_s = (max(1, per_minute // 4) - 1) * self._every_s
        self._made: deque[float] = deque()
        # When the next call would be due if all calls so far had been made evenly.
        self._due = clock.monotonic() + self._credit_s
        self._held_until = clock.monotonic()

    def take(self, stop: Stop) -> None:
        """Wait for the next call's turn and spend it; raise ``Cancelled`` when ``stop`` is raised."""
        while not stop.is_set():
            now = self._clock.monotonic()
            self._heed_the_minute(now)
            wait_s = max(self._due - self._credit_s, self._held_until) - now
            if wait_s <= _ROUNDING_S:
                self._due = max(self._due, now) + self._every_s
                self._made.append(now)
                return
            stop.wait(wait_s)
        raise Cancelled("stopped before the service was asked")

    def _heed_the_minute(self, now: float) -> None:
        """Let the next call wait until the minute has room for it; that waiting earns no credit."""
        while self._made and self._made[0] + MINUTE_S - now <= _ROUNDING_S:
            self._made.popleft()
        if len(self._made) >= self._per_minute:
            self._due = max(self._due, self._made[0] + MINUTE_S + self._credit_s)

    def hold(self, seconds: float) -> None:
        """Let nobody ask for a while, because the service wants it; no longer than ``MAX_HOLD_S``.

        What it asks of one job may be hours, and is kept with that job; here it only ends a rush.
        """
        until = self._clock.monotonic() + min(seconds, MAX_HOLD_S)
        self._held_until = max(self._held_until, until)
