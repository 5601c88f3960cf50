"""Which lanes cannot work, why, and when each is tried next.

Rules of this file:

* A pause ends by a probe that succeeds and by nothing else. A probe may succeed although the work does not
  (an account answers while its quota is used up), so a lane that falls back without having done anything is
  probed less and less often.
* Every answer to a probe sets the next one, whatever it says: no lane is ever probed in a loop.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from offcloud_watchd.core.model import Lane
from offcloud_watchd.core.picture import LanePause
from offcloud_watchd.core.verdicts import in_words
from offcloud_watchd.errors import Blocked

log = logging.getLogger(__name__)

PROBE_MIN_S: Final = 30.0
PROBE_MAX_S: Final = 480.0
PROBE_NEAR_MAX_S: Final = 60.0
"""What lies on this machine, a disk, costs nothing to try, and whoever made room there waits for it."""


class Pauses:
    """The lanes that pause; owned by the engine's thread."""

    def __init__(self) -> None:
        self._paused: dict[Lane, LanePause] = {}
        self._probing: set[Lane] = set()
        self._every_s: dict[Lane, float] = {}

    def __contains__(self, lane: Lane) -> bool:
        return lane in self._paused

    @property
    def view(self) -> Mapping[Lane, LanePause]:
        """A copy for readers."""
        return dict(self._paused)

    def block(self, lane: Lane, error: Blocked, now: float) -> None:
        """Let a lane pause, or go on pausing."""
        known = self._paused.get(lane)
        reason = in_words(error)
        # A refused key is one trouble, whichever call it was that met it.
        if known is None or not (known.reason == reason or (known.key_refused and error.key_refused)):
            log.error("lane %s paused: %s", lane, reason, extra={"lane": lane})
        every_s = self._every_s.setdefault(lane, PROBE_MIN_S)
        since = now if known is None else known.since
        self._paused[lane] = LanePause(reason, since, now + every_s, error.key_refused)

    def probe(self, lane: Lane) -> None:
        """Note that a probe of a lane, paused or not, is under way."""
        self._probing.add(lane)

    def answered(self, lane: Lane, error: BaseException | None, now: float) -> None:
        """Take the answer to a probe."""
        self._probing.discard(lane)
        if isinstance(error, Blocked):
            self.block(lane_of(error, lane), error, now)
        elif error is not None:
            log.warning("lane %s: %s", lane, in_words(error), extra={"lane": lane})
        pause = self._paused.get(lane)
        if pause is None:
            return
        if error is None:
            log.warning("lane %s works again", lane, extra={"lane": lane})
            del self._paused[lane]
            most_s = PROBE_NEAR_MAX_S if lane in (Lane.FETCH, Lane.DISK) else PROBE_MAX_S
            self._every_s[lane] = min(self._every_s[lane] * 2, most_s)
        else:
            self._paused[lane] = replace(pause, probe_at=now + self._every_s[lane])

    def worked(self, lane: Lane) -> None:
        """Note that a lane did what it is for: what it met before is over."""
        if lane not in self._paused:
            self._every_s.pop(lane, None)

    def try_at(self, now: float) -> None:
        """Let every paused lane be tried now: the operator has mended something, or the clock was set."""
        self._every_s = dict.fromkeys(self._paused, PROBE_MIN_S)
        for lane, pause in self._paused.items():
            self._paused[lane] = replace(pause, probe_at=now)

    def due(self, now: float) -> list[Lane]:
        """Return the lanes to be probed now."""
        return [lane for lane, pause in self._waiting() if pause.probe_at <= now]

    def next_probe_at(self) -> float:
        """Return when the next probe is due; infinity when none is."""
        return min((pause.probe_at for _, pause in self._waiting()), default=math.inf)

    def _waiting(self) -> Iterator[tuple[Lane, LanePause]]:
        return ((lane, pause) for lane, pause in self._paused.items() if lane not in self._probing)


def lane_of(error: Blocked, otherwise: Lane) -> Lane:
    """Return the lane an error names; ``otherwise`` when there is none of that name."""
    return next((lane for lane in Lane if lane.value == error.lane), otherwise)
