"""Handing a link in while other hosts with the same account could do the same.

Rules of this file:

* The account's history is looked at first; what is there is adopted, whoever has posted it.
* A POST begins in this host's turn or not at all: the flag that stops it is raised when the turn is over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from offcloud_watchd.core.lifecycle import Policy
from offcloud_watchd.core.model import Job, Submission
from offcloud_watchd.core.ports import Clock, Cloud, Stop, Turn
from offcloud_watchd.errors import Held

LOOK_MIN_S: Final = 1.0
LOOK_MAX_S: Final = 15.0


def no_turn(_job: Job) -> Turn | None:
    """Say that there is no other host."""
    return None


def posted_elsewhere(
    job: Job, turn: Turn, cloud: Cloud, clock: Clock, policy: Policy, stop: Stop
) -> Submission | None:
    """Return the request that the account has for a job's content; None when this host may post.

    Raises ``Held`` while it is another one's turn, or a POST of a dead one may still show.
    """
    look_s = min(max(policy.history_lag_s / 10, LOOK_MIN_S), LOOK_MAX_S)
    entries, as_of = cloud.find(job.link, min(turn.counts_from, clock.now() - look_s), stop)
    found = next((one for one in entries if one.request_id not in job.spent), None)
    if found is not None:
        return Submission(found.request_id, found.status, found.name, found.url, found.server)
    if turn.holder:
        raise Held(f"{turn.holder} hands this link in; its request is not in the history yet", look_s)
    if as_of < turn.counts_from:
        raise Held("another host may have handed this link in; looking for it", look_s)
    return None


@dataclass(frozen=True, slots=True)
class Fenced:
    """A stop flag that is raised, too, when a turn is over. Implements ``core.ports.Stop``."""

    flag: Stop
    clock: Clock
    until_s: float

    def is_set(self) -> bool:
        """Tell whether the work should end."""
        return self.flag.is_set() or self.clock.monotonic() >= self.until_s

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the flag is raised, the turn is over, or the time; return whether it is to end."""
        left_s = max(0.0, self.until_s - self.clock.monotonic())
        self.flag.wait(left_s if timeout is None else min(timeout, left_s))
        return self.is_set()
