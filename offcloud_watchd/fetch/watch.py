"""The watch over a line: when it is too slow to be left alone, and when it is fast."""

from __future__ import annotations

from collections import deque
from typing import Final, Protocol

from offcloud_watchd.core.ports import Clock
from offcloud_watchd.fetch.settings import ShelfSettings

_FAST_BYTES_PER_S: Final = 4 * 1024**2  # at this rate a buffer fills in 32 ms


class Watched(Protocol):
    """What the watch needs of a line, and what it sets."""

    received_bytes: int
    waits: bool
    stalled: bool
    fast: bool

    def cut(self) -> None:
        """End whatever the line waits for."""
        ...


class Watch:
    """Cuts a line that stalls; ``look`` is called again and again by one thread.

    Only the time in which the line waits for the network counts, so that a slow disk is no stalled line.
    """

    def __init__(self, line: Watched, settings: ShelfSettings, clock: Clock) -> None:
        self._line = line
        self._clock = clock
        self._window_s = settings.rate_window_s
        self._least_bytes = settings.min_rate_bytes_per_s * settings.rate_window_s
        self._looked_at = clock.monotonic()
        self._received_bytes = 0
        self._samples: deque[tuple[float, int]] = deque()

    def look(self) -> None:
        """Measure once, and cut the line if it must be."""
        now, received = self._clock.monotonic(), self._line.received_bytes
        since_s = now - self._looked_at
        self._line.fast = received - self._received_bytes > _FAST_BYTES_PER_S * since_s
        self._looked_at, self._received_bytes = now, received
        if self._is_too_slow(now, received):
            self._samples.clear()
            self._line.stalled = True
            self._line.cut()

    def _is_too_slow(self, now: float, received: int) -> bool:
        if not self._line.waits:
            self._samples.clear()
            return False
        self._samples.append((now, received))
        while len(self._samples) > 1 and now - self._samples[1][0] >= self._window_s:
            self._samples.popleft()
        since, before = self._samples[0]
        return now - since >= self._window_s and received - before < self._least_bytes
