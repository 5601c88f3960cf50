"""When to look at the drop folders, and whether the clock can be believed."""

from __future__ import annotations

import logging
from typing import Final

from offcloud_watchd.core.ports import Clock, Look

log = logging.getLogger(__name__)

LOOK_LEAST_S: Final = 0.002
LOOK_EVERY_S: Final = 0.2
LOOK_BURST: Final = 20
"""Looks by a hint: some at once, because a drop should not wait for the one before it; in the long run few,
because a folder that is busy hints all the time."""
CLOCK_STEP_S: Final = 2.0


class Looks:
    """One look at a time: at the rescan, when a file may have settled, at once after a hint.

    Hinted looks are a token bucket, kept as the moment at which it is full again.
    """

    def __init__(self, clock: Clock, rescan_s: float) -> None:
        self._clock = clock
        self._rescan_s = rescan_s
        self._ended_at = self._next_at = clock.monotonic()
        self._looking = False
        self._hinted = False
        self._full_at = clock.monotonic()

    def hint(self) -> None:
        """Something changed: look soon, and after the present look again."""
        self._hinted = True

    def begin(self) -> bool:
        """Tell whether a look is due; it has begun then."""
        if self._looking or self.wait_s() > 0:
            return False
        now = self._clock.monotonic()
        if now < self._next_at:  # only the hint brought it on
            self._full_at = max(self._full_at, now) + LOOK_EVERY_S
        self._looking, self._hinted = True, False
        return True

    def ended(self, look: Look | None) -> None:
        """Note what a look said about the next one; None when it went wrong."""
        self._looking = False
        self._ended_at = self._clock.monotonic()
        wait_s = self._rescan_s
        if look is not None and look.next_look_s is not None:
            wait_s = min(wait_s, look.next_look_s)
        if look is not None and look.more:
            wait_s = 0.0
        self._next_at = self._ended_at + wait_s

    def wait_s(self) -> float:
        """Return how long it is until the next look; the rescan while one is under way."""
        if self._looking:
            return self._rescan_s
        next_at = self._next_at
        if self._hinted:
            by_hint_at = max(self._ended_at + LOOK_LEAST_S, self._full_at - (LOOK_BURST - 1) * LOOK_EVERY_S)
            next_at = min(next_at, by_hint_at)
        return max(0.0, next_at - self._clock.monotonic())


class ClockWatch:
    """Notices that the time of day was set, by the clock that is never set.

    A program that has just started knows nothing of the time before: for it the clock was set at its start.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset_s = clock.now() - clock.monotonic()
        self._set_at = clock.monotonic()

    def was_set(self) -> bool:
        """Tell whether the clock was set since the last call."""
        offset_s = self._clock.now() - self._clock.monotonic()
        step_s = offset_s - self._offset_s
        self._offset_s = offset_s
        if abs(step_s) <= CLOCK_STEP_S:
            return False
        log.warning("the clock was set by %+.0f s", step_s)
        self._set_at = self._clock.monotonic()
        return True

    def measures(self, seconds: float) -> bool:
        """Tell whether the time of day tells truly what lies less than this long ago."""
        return self._clock.monotonic() - self._set_at >= seconds
