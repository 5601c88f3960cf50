"""How each job stands beside what is recorded of it: how far it is, and when it may be turned to again.

All of it is this process's alone. After a restart a job is simply due, and its progress is heard of anew.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Final

from offcloud_watchd.core import imports
from offcloud_watchd.core.effects import Act, Poll, Trace
from offcloud_watchd.core.lifecycle import Policy
from offcloud_watchd.core.messages import Heard, Outcome
from offcloud_watchd.core.model import Progress
from offcloud_watchd.core.planning import room_delay_s
from offcloud_watchd.core.rounds import interval_s
from offcloud_watchd.engine.pauses import PROBE_MIN_S
from offcloud_watchd.errors import Blocked, Cancelled, Waits

UNRECORDABLE_MOST: Final = 3
"""How often in a row what came of a job may not be recordable before the job is given up."""

TRIES_A_S: Final = 4.0
"""So often, in the long run, a job is tried that waited for room or for its engine: there may be very many of
them, and each try is in vain until all can go again. It is oftener than anything else can be begun."""


class Standing:
    """What the engine keeps in mind of jobs; owned by its thread. Jobs are named by their ids."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._not_before: dict[str, float] = {}
        self._vain: Counter[str] = Counter()
        self._unrecordable: Counter[str] = Counter()
        self._progress: dict[str, Progress] = {}
        self._resting: set[str] = set()
        self._rests: list[tuple[float, str]] = []

    @property
    def not_before(self) -> Mapping[str, float]:
        """Until when a job is left alone, in seconds since the epoch; who is not in it may go now."""
        return self._not_before

    @property
    def resting(self) -> AbstractSet[str]:
        """Who waits for room or for its engine, and is not even to be looked at; see ``wake``."""
        return self._resting

    @property
    def vain(self) -> Mapping[str, int]:
        """How often a job was blocked in its present state."""
        return self._vain

    @property
    def progress(self) -> Mapping[str, Progress]:
        """How far a job is, as it was last heard."""
        return self._progress

    def advanced(self, job_id: str, progress: Progress) -> None:
        """Note how far a job is."""
        self._progress[job_id] = progress

    def tried(self, effect: Act, outcome: Outcome, now: float, *, is_paused: bool) -> None:
        """Note what came of an effect; ``is_paused`` tells whether its lane is paused by now."""
        job_id = effect.job.id
        self._resting.discard(job_id)
        if outcome.progress is not None:
            self._progress[job_id] = outcome.progress
        elif outcome.error is not None and job_id in self._progress:
            self._progress[job_id] = replace(self._progress[job_id], bytes_per_s=None)
        if isinstance(outcome.error, (Blocked, Waits)):
            self._vain[job_id] += 1
        if isinstance(outcome.error, Waits):
            self._rest(job_id, now + max(room_delay_s(effect.job, now), len(self._vain) / TRIES_A_S))
        elif isinstance(outcome.error, (Blocked, Cancelled)):
            if not is_paused:
                # Another lane blocks it: its own is free and would begin the same again at once.
                self._not_before[job_id] = now + PROBE_MIN_S
        elif isinstance(effect, Trace) and outcome.event is None:
            self._not_before[job_id] = now + imports.interval_s(effect.job, now)
        elif isinstance(effect, Poll) and outcome.heard is not Heard.NOT:
            self._not_before[job_id] = now + interval_s(effect.job, now, self._policy)

    def is_unrecordable(self, job_id: str, now: float) -> bool:
        """Note that what came of a job could not be recorded; tell whether that was once too often.

        Until then it is tried again later. It would go on like that for ever.
        """
        self._resting.discard(job_id)
        self._not_before[job_id] = now + PROBE_MIN_S
        self._unrecordable[job_id] += 1
        return self._unrecordable[job_id] >= UNRECORDABLE_MOST

    def let_go(self, job_id: str) -> None:
        """Let a job be turned to at once."""
        self._resting.discard(job_id)
        self._not_before.pop(job_id, None)

    def forget(self, job_id: str) -> None:
        """Drop what was known of a job: it has come to another state."""
        self._resting.discard(job_id)
        for known in (self._not_before, self._vain, self._unrecordable, self._progress):
            known.pop(job_id, None)

    def clock_was_set(self) -> None:
        """Leave nobody alone any longer: what was counted by the clock counts no more."""
        self._not_before.clear()
        self._resting.clear()

    def _rest(self, job_id: str, until: float) -> None:
        self._not_before[job_id] = until
        self._resting.add(job_id)
        heapq.heappush(self._rests, (until, job_id))

    def wake(self, now: float) -> float:
        """Take those whose rest is over out of who is resting; return when the next one's will be."""
        while self._rests:
            until, job_id = self._rests[0]
            is_this_rest = job_id in self._resting and self._not_before.get(job_id) == until
            if is_this_rest and until > now:
                return until
            heapq.heappop(self._rests)
            if is_this_rest:
                self._resting.discard(job_id)
        return math.inf
