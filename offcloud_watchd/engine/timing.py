"""When to look at the drop folders, and whether the clock can be believed."""

from __future__ import annotations

import logging
from typing import Final

from offcloud_watchd.core.ports import Clock, Look

log = logging.getLogger(__name__)

LOOK_SPACING_S: Final = 0.2  # a file that is being written tells of every write
CLOCK_STEP_S: Final = 2.0


class Looks:
    """One look at a time: at the rescan, when a file may have settled, soon after a hint."""

    def __init__(self, clock: Clock, rescan_s: float) -> None:
        self._clock = clock
        self._rescan_s = rescan_s
        self._ended_at = self._next_at = clock.monotonic()
        self._looking = False
        self._hinted = False

    def hint(self) -> None:
        """Something changed: look soon, and after the present look again."""
        self._hinted = True

    def begin(self) -> bool:
        """Tell whether a look is due; it has begun then."""
        if self._looking or self.wait_s() > 0:
            return False
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
        next_at = min(self._next_at, self._ended_at + LOOK_SPACING_S) if self._hinted else self._next_at
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
