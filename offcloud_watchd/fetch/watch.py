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
    requests: int
    waits: bool
    stalled: bool
    fast: bool

    def cut(self) -> None:
        """End whatever the line waits for."""
        ...


class Watch:
    """Cuts a line that stalls; ``look`` is called again and again by one thread.

    Only the time in which the line waits for the network counts, so that a slow disk is no stalled line; and
    only within one request: many small files are as slow, and nothing is wrong with them.
    """

    def __init__(self, line: Watched, settings: ShelfSettings, clock: Clock) -> None:
        self._line = line
        self._clock = clock
        self._window_s = settings.rate_window_s
        self._least_bytes = settings.min_rate_bytes_per_s * settings.rate_window_s
        self._looked_at = clock.monotonic()
        self._received_bytes = 0
        self._requests = line.requests
        self._waited_s = 0.0
        self._samples: deque[tuple[float, int]] = deque()

    def look(self) -> None:
        """Measure once, and cut the line if it must be."""
        now, received = self._clock.monotonic(), self._line.received_bytes
        since_s = now - self._looked_at
        self._line.fast = received - self._received_bytes > _FAST_BYTES_PER_S * since_s
        self._looked_at, self._received_bytes = now, received
        if self._is_too_slow(since_s, received):
            self._samples.clear()
            self._line.stalled = True
            self._line.cut()

    def _is_too_slow(self, since_s: float, received: int) -> bool:
        if self._line.requests != self._requests:
            self._requests = self._line.requests
            self._samples.clear()
        # Who drips is seen at work now and then: that must not make up for the rest.
        if not self._line.waits:
            return False
        self._waited_s += since_s
        self._samples.append((self._waited_s, received))
        while len(self._samples) > 1 and self._waited_s - self._samples[1][0] >= self._window_s:
            self._samples.popleft()
        since, before = self._samples[0]
        return self._waited_s - since >= self._window_s and received - before < self._least_bytes
