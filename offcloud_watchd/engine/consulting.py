"""Looks into the service's cache: which is in the air, when the next may begin, and what they told."""

from __future__ import annotations

import math
from collections.abc import Sequence

from offcloud_watchd.core import cachelooks
from offcloud_watchd.core.effects import Consult
from offcloud_watchd.core.lifecycle import Policy
from offcloud_watchd.core.messages import Heard, Outcome
from offcloud_watchd.core.model import Cached


class Consulting:
    """One look at a time; owned by the engine's thread."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._in_the_air: dict[str, Consult] = {}
        self._look_at = 0.0
        self._heard = False
        self._failures = 0
        self._findings: dict[str, cachelooks.Finding] = {}
        self._ahead: dict[str, None] = {}

    @property
    def knowledge(self) -> cachelooks.Knowledge:
        """Return what is known, and when the next look may begin; it follows what is learnt later."""
        look_at = math.inf if self._in_the_air else self._look_at
        return cachelooks.Knowledge(self._findings, self._ahead, look_at)

    def begin(self, consults: Sequence[Consult]) -> None:
        """Note that a look begins."""
        self._in_the_air = {consult.job.id: consult for consult in consults}
        self._heard = False

    def landed(self, outcome: Outcome, now: float) -> None:
        """Note that a job was answered for; what was taken in already, or is no look, is passed over."""
        job_id = outcome.effect.job.id
        if self._in_the_air.get(job_id) is not outcome.effect:
            return
        del self._in_the_air[job_id]
        self._heard |= outcome.heard is not Heard.NOT
        if not self._in_the_air:
            self._failures = 0 if self._heard else self._failures + 1
            self._look_at = now + cachelooks.rest_s(self._failures, self._policy)

    def learn(self, outcome: Outcome, now: float) -> None:
        """Keep what a look told of a job that still waits for it."""
        if outcome.cached is None:
            return
        job = outcome.effect.job
        self._findings[job.id] = cachelooks.Finding(outcome.cached, now)
        if outcome.cached and job.destination.cached is Cached.FIRST:
            self._ahead[job.id] = None
        else:
            self._ahead.pop(job.id, None)

    def hasten(self) -> None:
        """Let the next look begin when somebody wants one: the operator wishes it, or the clock was set."""
        self._look_at, self._failures = 0.0, 0

    def forget(self, job_id: str) -> None:
        """Drop what is known of a job: it does not wait any more, or is to be looked for anew."""
        self._findings.pop(job_id, None)
        self._ahead.pop(job_id, None)
