"""What running fetches share: connections, and the bytes a second they may take together.

Rules of this file:

* Shared by the fetch threads without a lock: each sets its own entry and then looks at all of them. For a
  moment the sum may be more than it should; the next look, a blink later, mends it.
* Fair means: nobody gets less than an even share unless it wants less, and what one does not want is shared
  by the others.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from offcloud_watchd.fetch.meter import Meter
from offcloud_watchd.fetch.pool import Pool
from offcloud_watchd.fetch.settings import ShelfSettings

_HUNGRY: Final = 0.9  # whoever uses so much of what it may take, would take more
_SLACK: Final = 1.25
_LEAST_BYTES_PER_S: Final = 1024.0


@dataclass(frozen=True, slots=True)
class Use:
    """What a fetch took lately, in bytes a second, and whether it would have taken more."""

    bytes_per_s: float = 0.0
    hungry: bool = True


class Traffic:
    """The connections and the rate of all fetches. Any thread; a fetch joins by its name and leaves."""

    def __init__(self, settings: ShelfSettings) -> None:
        self.pool = Pool()
        self.meter = Meter()
        self._settings = settings
        self._uses: dict[str, Use] = {}

    def join(self, fetch: str) -> None:
        """Take part."""
        self._uses[fetch] = Use()

    def leave(self, fetch: str) -> None:
        """Take part no more; the last one closes the connections that wait. Repeating it is harmless."""
        self._uses.pop(fetch, None)
        if not self._uses:
            self.pool.close()

    def connections(self) -> int:
        """Return how many connections a fetch may use now: an even share, one at the least."""
        share = self._settings.connections // max(len(self._uses), 1)
        return max(1, min(share, self._settings.connections_per_job))

    def allowance(self, fetch: str, bytes_per_s: float, before: float | None) -> float | None:
        """Return how many bytes a second a fetch may take from now on, None for all there are.

        ``bytes_per_s`` is what it took lately, ``before`` what it was allowed then.
        """
        limit = self._settings.rate_limit()
        self._uses[fetch] = Use(bytes_per_s, hungry=before is None or bytes_per_s >= _HUNGRY * before)
        if limit is None:
            return None
        others = [use for name, use in list(self._uses.items()) if name != fetch]
        return max(even_share(limit, others), _LEAST_BYTES_PER_S)


def even_share(limit: float, others: Iterable[Use]) -> float:
    """Return what one more that wants all it can have gets beside the others."""
    uses = list(others)
    wants = sorted(use.bytes_per_s * _SLACK for use in uses if not use.hungry)
    left, sharing = limit, 1 + len(uses)
    for want in wants:
        if want > left / sharing:
            break
        left, sharing = left - want, sharing - 1
    return left / sharing
