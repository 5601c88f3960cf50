"""Who is looked at to see whether an *arr tool has imported it, and where; many are one round. Pure.

Rules of this file:

* What came through a drop folder is imported when its release is not there any more: such a tool tells
  nothing, and takes away what it has.
* What a client handed over is imported when the tool's history says so, or when the client has the entry
  removed, which is no look but an order.
* Looks are cheap and come to nothing mostly: the older a release is, the less often it is looked at.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from offcloud_watchd.core.effects import Trace
from offcloud_watchd.core.lifecycle import Policy
from offcloud_watchd.core.model import Job, Lane, Removal

BATCH: Final[Mapping[Lane, int]] = {Lane.DISK: 500, Lane.ARR: 50}
"""Releases in one round: on the disk each is one question to a file system, of a tool it is a call."""

LOOK_MAX_S: Final = 600.0
"""No release is looked at less often, as far as rounds have room for it."""

ENTRY_STAYS_S: Final = 900.0
"""How long the entry of what a tool has imported stays for the tool to remove it, with what is left of it."""


def lane_of(job: Job, policy: Policy) -> Lane | None:
    """Return where it can be seen that a release was imported; None where nowhere.

    A job that waits for it although nobody does any more counts as seen on the disk: whoever begins that look
    puts an end to it.
    """
    if policy.remove is not Removal.IMPORTED or any(drop.folder for drop in job.drops):
        return Lane.DISK
    return Lane.ARR if job.destination.category in policy.reported else None


def gather(
    waiting: Iterable[Job],
    lanes: Collection[Lane],
    closed: Collection[str],
    not_before: Mapping[str, float],
    now: float,
    policy: Policy,
) -> list[Trace]:
    """Return the looks of a round in some ``lanes``, those first that were made longest ago."""
    due: dict[Lane, list[tuple[float, str, Job]]] = {lane: [] for lane in lanes}
    for job in waiting:
        looked_at = not_before.get(job.id, 0.0)
        lane = lane_of(job, policy)
        if lane in due and looked_at <= now and job.id not in closed:
            due[lane].append((looked_at, job.id, job))
    chosen = ((lane, heapq.nsmallest(BATCH[lane], jobs)) for lane, jobs in due.items())
    return [Trace(job, lane) for lane, jobs in chosen for _, _, job in jobs]


def interval_s(job: Job, now: float) -> float:
    """Tell how long a release is not looked at after a look that came to nothing."""
    return min(max((now - job.changed_at) / 8, 0.0), LOOK_MAX_S)
