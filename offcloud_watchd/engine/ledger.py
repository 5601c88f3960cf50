"""The jobs and the one way to change them: an event is checked, appended, synced, and only then applied."""

from __future__ import annotations

from collections import Counter

from offcloud_watchd.core.lifecycle import OWES, evolve
from offcloud_watchd.core.model import Event, Job, Link
from offcloud_watchd.core.ports import Journal


class Ledger:
    """The jobs, with the events that are decided but not yet durable laid over them.

    ``get`` and ``same_content`` see the decided events, ``jobs`` and what derives from it only recorded ones.
    """

    def __init__(self, jobs: dict[str, Job], journal: Journal) -> None:
        self.jobs = jobs
        self.owing = {job_id: job for job_id, job in jobs.items() if job.state in OWES}
        self.counts = Counter(job.state for job in jobs.values())
        self._by_key: dict[str, set[str]] = {}
        for job in jobs.values():
            self._by_key.setdefault(job.link.key, set()).add(job.id)
        self._journal = journal
        self._events: list[Event] = []
        self._changed: dict[str, Job | None] = {}

    def get(self, job_id: str) -> Job | None:
        """Return a job as it will be when everything decided so far is recorded."""
        if job_id in self._changed:
            return self._changed[job_id]
        return self.jobs.get(job_id)

    def add(self, event: Event) -> Job | None:
        """Decide an event; raise ``IllegalTransition``, and change nothing, when it does not fit."""
        after = evolve(self.get(event.job_id), event)
        self._events.append(event)
        self._changed[event.job_id] = after
        return after

    def same_content(self, link: Link) -> list[Job]:
        """Return the jobs of any category that have the link's key."""
        ids = set(self._by_key.get(link.key, ()))
        ids |= {job.id for job in self._changed.values() if job is not None and job.link.key == link.key}
        return [job for job_id in sorted(ids) if (job := self.get(job_id)) is not None]

    def flush(self) -> list[tuple[Job, Job | None]]:
        """Make all decided events durable with one sync, then apply them; on an error forget them.

        Return each job that was there before, as it was and as it is.
        """
        events, changed = self._events, self._changed
        self._events, self._changed = [], {}
        if events:
            self._journal.append(events)
        known = [(self.jobs[job_id], job) for job_id, job in changed.items() if job_id in self.jobs]
        for job_id, job in changed.items():
            self._apply(job_id, job)
        return known

    def _apply(self, job_id: str, job: Job | None) -> None:
        before = self.jobs.pop(job_id, None)
        self.owing.pop(job_id, None)
        if before is not None:
            self.counts[before.state] -= 1
            if job is None:
                self._by_key[before.link.key].discard(job_id)
        if job is not None:
            self.jobs[job_id] = job
            self.counts[job.state] += 1
            self._by_key.setdefault(job.link.key, set()).add(job_id)
            if job.state in OWES:
                self.owing[job_id] = job
