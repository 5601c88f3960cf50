"""What is recorded when an effect begins, before the world hears of it; what needs no outside act at all."""

from __future__ import annotations

from typing import Final

from offcloud_watchd.core.effects import Act, Adopt, Clear, Effect, Fetch, Leave, Report, Share, Submit, Trace
from offcloud_watchd.core.events import Cleared, Failed, Removed, Reported, Submitted, Submitting
from offcloud_watchd.core.lifecycle import Policy
from offcloud_watchd.core.model import Job, LinkKind, Removal
from offcloud_watchd.core.relatives import (
    donors_of,
    held_by_others,
    namesake_of,
    needed_by,
    rivals_of,
    twin_of,
)
from offcloud_watchd.core.rounds import ready_at_once
from offcloud_watchd.core.verdicts import name_for_tools, recalled, shared, with_report
from offcloud_watchd.engine.ledger import Ledger

UNUSABLE: Final = "there was no link in the drop that could be used: failed/ in the drop folder says why"


class Beginning:
    """Decides in the ledger what an effect that is due begins with. The engine flushes, then dispatches."""

    def __init__(self, ledger: Ledger, policy: Policy) -> None:
        self._ledger = ledger
        self._policy = policy

    def begin(self, effect: Effect, now: float) -> Act | None:  # noqa: PLR0911 - flat, one case an effect
        """Decide that an effect begins; return what a lane is to do, None when no outside act is needed."""
        match effect:
            case Submit(job=job) if job.link.kind is LinkKind.FILE:
                # Of the records of a refused drop a torn journal kept the first alone.
                self._ledger.add(with_report(Failed(job.id, now, UNUSABLE), job, self._policy))
                return None
            case Submit(job=job):
                doubt = recalled(job, self._ledger.same_content(job.link), now)
                after = self._ledger.add(doubt or Submitting(job.id, now))
                return None if doubt or after is None else Submit(after)
            case Share():
                self._share(effect, now)
                return None
            case Adopt(job=job):
                relatives = self._ledger.same_content(job.link)
                return Adopt(job, held_by_others(job, relatives), rivals_of(job, relatives))
            case Clear(job=job):
                return self._begin_to_clear(effect, job, now)
            case Report(job=job):
                return self._begin_to_report(effect, job, now)
            case Trace(job=job) if self._policy.remove is not Removal.IMPORTED:
                self._ledger.add(Cleared(job.id, now, "`offcloud.remove` is not `imported` any more"))
                return None
            case Leave(job=job):
                self._ledger.add(Removed(job.id, now))
                return None
            case Fetch(job=job):
                return Fetch(job, donors_of(job, self._ledger.same_content(job.link)))
            case _:
                return effect

    def _share(self, effect: Share, now: float) -> None:
        event = shared(effect.job, effect.submission, effect.posted_at, now)
        self._ledger.add(event)
        ready = ready_at_once(effect.job, event) if isinstance(event, Submitted) else None
        if ready is not None:
            self._ledger.add(ready)

    def _begin_to_clear(self, effect: Clear, job: Job, now: float) -> Clear | None:
        holders = self._ledger.holding(job.submission.request_id) if job.submission is not None else []
        needing = needed_by(job, holders)
        if self._policy.remove is not Removal.NEVER and needing is None:
            return effect
        reason = "`offcloud.remove` is `never` now"
        if needing is not None:  # and when that one is done it owes the same
            reason = f"job {needing.id} ({needing.state}) may still need it"
        self._ledger.add(Cleared(job.id, now, reason))
        return None

    def _begin_to_report(self, effect: Report, job: Job, now: float) -> Report | None:
        if job.destination.category not in self._policy.reported:
            reason = f"no `arr` entry has the category {job.destination.category} any more"
        elif (twin := twin_of(job, self._ledger.same_content(job.link))) is not None:
            reason = f"it was wanted again since, by job {twin.id}"
        elif name_for_tools(job) and (namesake := namesake_of(job, self._ledger.namesakes(job))) is not None:
            reason = f"the tool may mean job {namesake.id} by this name"
        else:
            return effect
        self._ledger.add(Reported(job.id, now, reason))
        return None
