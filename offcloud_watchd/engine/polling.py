"""Rounds of polls: which is in the air, when the next may begin, and whose progress was asked for when."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from offcloud_watchd.core import rounds
from offcloud_watchd.core.effects import Poll
from offcloud_watchd.core.lifecycle import Policy
from offcloud_watchd.core.messages import Heard, Outcome
from offcloud_watchd.core.model import Job
from offcloud_watchd.errors import Transient


class Polling:
    """One round at a time; owned by the engine's thread."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._in_the_air: dict[str, Poll] = {}
        self._round_at = 0.0
        self._calls = 0
        self._heard = False
        self._failures = 0
        self._detailed_at: dict[str, float] = {}
        self._there_at: dict[str, float] = {}
        self._unheard: list[Job] = []

    @property
    def rhythm(self) -> rounds.Rhythm:
        """Return when the next round may begin."""
        return rounds.Rhythm(self._policy, math.inf if self._in_the_air else self._round_at)

    def begin(self, polls: Sequence[Poll]) -> Sequence[Poll]:
        """Begin a round; return its polls, which tell what is known besides of their jobs."""
        told = [
            replace(
                poll,
                detailed_at=self._detailed_at.get(poll.job.id, 0.0),
                there_at=self._there_at.get(poll.job.id, 0.0),
            )
            for poll in polls
        ]
        if told:
            self._in_the_air = {poll.job.id: poll for poll in told}
            self._calls = rounds.calls_of_round([poll.job for poll in told])
            self._heard, self._unheard = False, []
        return told

    def nobody_due(self, next_due_at: float, now: float) -> None:
        """Take it that a plan found nobody due: a long line is not gone through anew for every message.

        Nor before that time: who comes to the cloud from now on is not due before the shortest interval is
        over, and whoever has to be asked about sooner brings that about by ``hasten``.
        """
        if not self._in_the_air and self._round_at <= now < next_due_at < math.inf:
            self._round_at = min(next_due_at, now + self._policy.poll_min_s)

    def landed(self, outcome: Outcome, now: float) -> None:
        """Take the answer to a poll; one that was taken in already is passed over."""
        job_id = outcome.effect.job.id
        if self._in_the_air.get(job_id) is not outcome.effect:
            return
        del self._in_the_air[job_id]
        if outcome.heard is Heard.ALONE:
            self._calls += 1
        if outcome.heard is Heard.ALONE or outcome.progress is not None:
            self._detailed_at[job_id] = now
        if outcome.heard is Heard.NOT and outcome.error is None:
            self._unheard.append(outcome.effect.job)
        self._heard |= outcome.heard is not Heard.NOT and not isinstance(outcome.error, Transient)
        if not self._in_the_air:
            self._failures = 0 if self._heard else self._failures + 1
            rest_s = rounds.rest_s(self._calls, self._failures, self._policy)
            self._round_at = now + max(rest_s, rounds.hush_s(self._unheard, now, self._policy))

    def started(self, jobs: Iterable[Job], now: float) -> None:
        """Take over the jobs in the cloud; what seems to be from the future was recorded by another clock."""
        self._there_at = {job.id: now for job in jobs if rounds.recorded_at(job) > now}

    def clock_was_set(self, jobs: Iterable[Job], now: float) -> None:
        """Note which jobs are in the cloud: of how long, their own times tell nothing any more."""
        self._there_at = {job.id: now for job in jobs}

    def hasten(self) -> None:
        """Let the next round begin when somebody is due: the operator wishes it, or the clock was set."""
        self._round_at, self._failures = 0.0, 0

    def forget(self, job_id: str) -> None:
        """Drop what is known of a job: it is not in the cloud any more."""
        self._detailed_at.pop(job_id, None)
        self._there_at.pop(job_id, None)
