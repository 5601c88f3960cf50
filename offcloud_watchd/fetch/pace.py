"""When a fetch is to report, and how fast it goes."""

from __future__ import annotations

from typing import Final

from offcloud_watchd.core.ports import Clock

_REPORT_EVERY_S: Final = 0.25
_SMOOTHING_S: Final = 5.0


class Pace:
    """The rate of one fetch, in bytes a second; it forgets what is more than some seconds old. One thread."""

    def __init__(self, clock: Clock) -> None:
        self.rate = 0.0
        self._clock = clock
        self._at = clock.monotonic()
        self._received_bytes = 0

    def is_due(self) -> bool:
        """Tell whether the last report is old enough."""
        return self._clock.monotonic() - self._at >= _REPORT_EVERY_S

    def bytes_per_s(self, received_bytes: int) -> float:
        """Return the rate, now that so much has come in all."""
        now = self._clock.monotonic()
        passed_s = now - self._at
        if passed_s > 0:
            weight = min(passed_s / _SMOOTHING_S, 1.0) if self.rate else 1.0
            self.rate += weight * ((received_bytes - self._received_bytes) / passed_s - self.rate)
            self._at, self._received_bytes = now, received_bytes
        return self.rate
