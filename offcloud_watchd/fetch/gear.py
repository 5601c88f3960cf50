"""How many connections a fetch uses, and how much it asks for with one request. Pure.

Rules of this file:

* One connection is enough where it gives what a disk takes. Where it does not, all that are allowed are used
  at once: a climb by single steps would take as long as many a file.
* Now and then fewer are tried; where they give as much, they stay. A host that refuses more is met with what
  it gives, and asked again much later.
* Large requests first, small ones at the end: so all lines end at about the same time, and none is cut for
  another one.
"""

from __future__ import annotations

from typing import Final

_MIB: Final = 1024**2
_ENOUGH_BYTES_PER_S: Final = 96 * _MIB
_TICK_S: Final = 0.05
_TRIAL_S: Final = 5.0
_AS_GOOD: Final = 0.9
_PATIENCE_S: Final = 60.0
FIRST_BYTES: Final = 4 * _MIB
LEAST_BYTES: Final = 2 * _MIB
_REQUEST_S: Final = 8.0


class Gear:
    """Decides on the number of connections; ``look`` is called again and again with what came in so far.

    Times are seconds of a clock that never goes back.
    """

    def __init__(self, now: float, start: int) -> None:
        self.number = start
        self._looked_at = now
        self._received_bytes = 0
        self._most = 0
        self._refused_until = now
        self._refused_number = 0
        self._grow_at = now
        self._trial = _Trial(now, 0)

    def look(self, now: float, received_bytes: int, *, most: int, wanting: bool) -> int:
        """Return how many connections to use. ``wanting``: all wait, and it is for the network."""
        passed_s = now - self._looked_at
        if passed_s < _TICK_S:
            return min(self.number, most)
        rate = (received_bytes - self._received_bytes) / passed_s
        self._looked_at, self._received_bytes = now, received_bytes
        ceiling = self.limit(now, most)
        slow = wanting and rate < _ENOUGH_BYTES_PER_S and now >= self._grow_at and not self._trial.before
        if self.number > ceiling or (slow and self.number < ceiling):
            self._shift(now, received_bytes, ceiling)
        else:
            self._try_fewer(now, received_bytes, wanting=wanting)
        return self.number

    def limit(self, now: float, most: int) -> int:
        """Return how many connections there may be, out of ``most``."""
        return min(most, self._refused_number) if now < self._refused_until else most

    def refused(self, now: float, working: int) -> None:
        """Take note that a host took no further request beside the ``working`` ones."""
        self._refused_number = max(1, working)
        self._refused_until = now + _PATIENCE_S
        self.number = min(self.number, self._refused_number)

    def _shift(self, now: float, received_bytes: int, number: int) -> None:
        self.number = number
        self._trial = _Trial(now, received_bytes)

    def _try_fewer(self, now: float, received_bytes: int, *, wanting: bool) -> None:
        trial = self._trial
        if not wanting or (self.number == 1 and not trial.before):
            self._trial = _Trial(now, received_bytes, trial.wait_s)
            return
        passed_s = now - trial.since
        if passed_s < (_TRIAL_S if trial.before else trial.wait_s):
            return
        rate = (received_bytes - trial.received_bytes) / passed_s
        if not trial.before:
            self._trial = _Trial(now, received_bytes, trial.wait_s, before=self.number, rate=rate)
            self.number //= 2
        elif rate >= _AS_GOOD * trial.rate:
            self._grow_at = now + _PATIENCE_S
            self._shift(now, received_bytes, self.number)
        else:
            self._shift(now, received_bytes, trial.before)
            self._trial = _Trial(now, received_bytes, trial.wait_s * 4)


class _Trial:
    """Since when the present number is measured; in a trial of fewer, how many there were and their rate."""

    def __init__(
        self,
        since: float,
        received_bytes: int,
        wait_s: float = _TRIAL_S,
        *,
        before: int = 0,
        rate: float = 0.0,
    ) -> None:
        self.since = since
        self.received_bytes = received_bytes
        self.wait_s = wait_s
        self.before = before
        self.rate = rate


def request_bytes(left_bytes: int, number: int, bytes_per_s: float) -> int:
    """Return how much of ``left_bytes`` one of ``number`` connections asks for.

    ``bytes_per_s`` is what a connection gave lately, 0 where that is not known.
    """
    by_time = int(bytes_per_s * _REQUEST_S) or FIRST_BYTES
    by_share = left_bytes if number == 1 else left_bytes // (2 * number)
    return min(left_bytes, max(min(by_time, by_share), LEAST_BYTES))
