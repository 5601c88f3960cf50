"""The jobs and the one way to change them: an event is checked, appended, synced, and only then applied.

After a failed append nobody knows what the disk holds. Only a new generation, written from memory, can be
trusted again; until then nothing is recorded.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from offcloud_watchd.core.agenda import Agenda
from offcloud_watchd.core.events import CategoryEvent, Deferred, Event, Failed, Submitted
from offcloud_watchd.core.lifecycle import evolve
from offcloud_watchd.core.model import Job, JobState, Lane, Link
from offcloud_watchd.core.ports import Clock, Journal, Subscriber
from offcloud_watchd.core.story import about, display_name, told
from offcloud_watchd.errors import JournalUnwritable

log = logging.getLogger(__name__)

RENEW_EVERY_S: Final = 5.0
COMPACT_EVERY_S: Final = 600.0


class Ledger:
    """The jobs, with the events that are decided but not yet durable laid over them.

    ``get``, ``same_content`` and ``agenda`` see the decided events, ``jobs`` and ``counts`` only recorded
    ones. So a turn can decide what follows from what it decided, and one sync makes all of it durable.
    """

    def __init__(self, jobs: dict[str, Job], journal: Journal, clock: Clock) -> None:
        self._jobs = jobs
        self._agenda = Agenda(jobs.values())
        self._counts = Counter(job.state for job in jobs.values() if not job.remembered)
        self._by_key = _ids_by_key(jobs.values())
        self._by_request: dict[str, tuple[str, ...]] = {}
        self._by_name: dict[tuple[str, str | None], tuple[str, ...]] | None = None
        for job in jobs.values():
            self._note_request(None, job)
        self._journal = journal
        self._clock = clock
        self._subscribers: list[Subscriber] = []
        self._problem = ""
        self._strain = ""
        self._renew_at = 0.0
        self._compact_at = float("-inf")
        self._events: list[Event] = []
        self._changed: dict[str, Job | None] = {}
        self._named: list[CategoryEvent] = []
        self._all: tuple[Job, ...] | None = None

    @property
    def jobs(self) -> Mapping[str, Job]:
        """All jobs, as recorded."""
        return self._jobs

    @property
    def all_jobs(self) -> tuple[Job, ...]:
        """All jobs there are for readers, on other threads, as recorded; made anew when one has changed."""
        if self._all is None:
            self._all = tuple(job for job in self._jobs.values() if not job.remembered)
        return self._all

    @property
    def categories(self) -> frozenset[str]:
        """The categories that were named, as recorded."""
        return self._journal.categories

    @property
    def problem(self) -> str:
        """Why nothing can be recorded; empty when it can."""
        return self._problem

    @property
    def strain(self) -> str:
        """Why nothing new should be begun although what is under way is recorded; empty when all is well."""
        return self._strain

    @property
    def agenda(self) -> Agenda:
        """The jobs that owe something when everything decided so far is recorded."""
        return self._agenda

    @property
    def counts(self) -> Mapping[JobState, int]:
        """How many jobs are in each state, as recorded; who is only remembered is not."""
        return {state: self._counts[state] for state in JobState}

    def subscribe(self, subscriber: Subscriber) -> None:
        """Let a subscriber hear of every event from now on."""
        self._subscribers.append(subscriber)

    def get(self, job_id: str) -> Job | None:
        """Return a job as it will be when everything decided so far is recorded."""
        if job_id in self._changed:
            return self._changed[job_id]
        return self._jobs.get(job_id)

    def add(self, event: Event) -> Job | None:
        """Decide an event; raise, and change nothing, when it cannot be recorded.

        ``IllegalTransition``: it does not fit the job. ``ValueError``: it fits no record. Both are bugs.
        """
        before = self.get(event.job_id)
        after = evolve(before, event)
        self._journal.check(event)
        self._events.append(event)
        self._changed[event.job_id] = after
        self._agenda.replace(before, after)
        if after is not None:
            self._note_key(after)
        return after

    def name(self, event: CategoryEvent) -> None:
        """Decide that a category is known, or known no more."""
        self._named.append(event)

    def same_content(self, link: Link) -> list[Job]:
        """Return the jobs of any category that have the link's key."""
        ids = self._by_key.get(link.key, ())
        return [job for job_id in sorted(ids) if (job := self.get(job_id)) is not None]

    def holding(self, request_id: str) -> list[Job]:
        """Return the jobs of any content that have a request."""
        ids = dict.fromkeys((*self._by_request.get(request_id, ()), *self._changed))
        jobs = (job for job_id in ids if (job := self.get(job_id)) is not None)
        return [job for job in jobs if request_id and _request_id(job) == request_id]

    def namesakes(self, job: Job) -> list[Job]:
        """Return the jobs of a job's category and release name, itself among them, as recorded.

        What is needed for that is kept from the first such question on: most daemons never ask.
        """
        if self._by_name is None:
            self._by_name = {}
            for one in self._jobs.values():
                self._note_name(one)
        same = (self._jobs[job_id] for job_id in self._by_name.get(_named(job), ()))
        return [one for one in same if not one.remembered]

    def flush(self) -> list[tuple[Job, Job | None]] | None:
        """Make all decided events durable with one sync, then apply them.

        Return each job that was there before, as it was and as it is. None when nothing could be recorded:
        what was decided is forgotten then, and ``problem`` says why.
        """
        events, changed, named = self._events, self._changed, self._named
        self._events, self._changed, self._named = [], {}, []
        try:
            if events or named:
                self._journal.append([*named, *events])
        except JournalUnwritable as error:
            self._agenda = Agenda(self._jobs.values())
            self._failed(error)
            return None
        self._note_strain()
        self._tell(events, changed)
        known = [(self._jobs[job_id], job) for job_id, job in changed.items() if job_id in self._jobs]
        for job_id, job in changed.items():
            self._apply(job_id, job)
        return known

    def mend(self) -> bool:
        """Try, now and then, to get over what is wrong; tell whether it is over. For every turn."""
        if not (self._problem or self._strain) or self._clock.monotonic() < self._renew_at:
            return False
        if not self._problem:
            self._note_strain()
            return not self._strain
        try:
            self._journal.renew(self._jobs)
        except JournalUnwritable as error:
            self._failed(error)
            return False
        log.warning("the journal takes records again")
        self._problem = ""
        self._note_strain()
        return True

    def compact(self) -> None:
        """Begin a new generation when that would be much smaller; if it fails, the old one stays in use."""
        if not self._journal.wants_compaction or self._clock.monotonic() < self._compact_at:
            return
        try:
            self._journal.renew(self._jobs)
        except JournalUnwritable as error:
            log.warning("the journal could not be made smaller: %s", error)
            self._compact_at = self._clock.monotonic() + COMPACT_EVERY_S
        self._note_strain()

    def wait_s(self) -> float:
        """Return how long it is until the next try to get over what is wrong."""
        return max(0.0, self._renew_at - self._clock.monotonic())

    def _tell(self, events: Sequence[Event], changed: Mapping[str, Job | None]) -> None:
        """Tell the subscribers, and log one line for each event that means something to an operator."""
        for event in events:
            line = told(event)
            before = self._jobs.get(event.job_id)
            job = changed[event.job_id] or before
            if job is None:
                continue
            self._publish(event, job)
            if line:
                bad = _is_bad(event)
                level = logging.WARNING if bad else logging.INFO
                fields = about(job) | {"lane": about(before)["lane"] if before is not None else Lane.DISK}
                log.log(level, "%s %s: %s", job.id, display_name(job), line, extra=fields)

    def _publish(self, event: Event, job: Job) -> None:
        for subscriber in self._subscribers:
            try:
                subscriber.recorded(event, job)
            except Exception:  # the boundary of subscribers: what they do is never in the way
                log.exception("job %s: a subscriber failed", job.id, extra=about(job))

    def _failed(self, error: JournalUnwritable) -> None:
        if not self._problem:
            log.error("nothing new is begun: %s", error)
        self._problem = str(error)
        self._renew_at = self._clock.monotonic() + RENEW_EVERY_S

    def _note_strain(self) -> None:
        before, self._strain = self._strain, self._journal.strain()
        if self._strain:
            self._renew_at = self._clock.monotonic() + RENEW_EVERY_S
        if self._strain and not before:
            log.error("%s", self._strain)
        elif before and not self._strain:
            log.warning("there is room for the journal again")

    def _apply(self, job_id: str, job: Job | None) -> None:
        before = self._jobs.pop(job_id, None)
        self._all = None
        self._note_request(before, job)
        if before is None or job is None or _named(before) != _named(job):
            self._rename(before, job)
        if before is not None:
            self._counts[before.state] -= not before.remembered
        if job is not None:
            self._jobs[job_id] = job
            self._counts[job.state] += not job.remembered
        elif before is not None:
            self._forget_key(before)

    def _note_request(self, before: Job | None, after: Job | None) -> None:
        old, new = _request_id(before), _request_id(after)
        if old == new:
            return
        if before is not None and old:
            others = tuple(job_id for job_id in self._by_request[old] if job_id != before.id)
            if others:
                self._by_request[old] = others
            else:
                del self._by_request[old]
        if after is not None and new:
            self._by_request[new] = (*self._by_request.get(new, ()), after.id)

    def _rename(self, before: Job | None, after: Job | None) -> None:
        if before is not None:
            self._forget_name(before)
        if after is not None:
            self._note_name(after)

    def _note_name(self, job: Job) -> None:
        if self._by_name is not None:
            name = _named(job)
            self._by_name[name] = (*self._by_name.get(name, ()), job.id)

    def _forget_name(self, gone: Job) -> None:
        if self._by_name is None:
            return
        name = _named(gone)
        others = tuple(job_id for job_id in self._by_name.pop(name) if job_id != gone.id)
        if others:
            self._by_name[name] = others

    def _note_key(self, job: Job) -> None:
        ids = self._by_key.get(job.link.key, ())
        if job.id not in ids:
            self._by_key[job.link.key] = (*ids, job.id)

    def _forget_key(self, gone: Job) -> None:
        others = tuple(job_id for job_id in self._by_key.pop(gone.link.key) if job_id != gone.id)
        if others:
            self._by_key[gone.link.key] = others


def _ids_by_key(jobs: Iterable[Job]) -> dict[str, tuple[str, ...]]:
    """Return the jobs of each content: in tuples, as most have one, and a set of it takes 168 bytes more."""
    ids: dict[str, list[str]] = {}
    for job in jobs:
        ids.setdefault(job.link.key, []).append(job.id)
    return {key: tuple(same) for key, same in ids.items()}


def _named(job: Job) -> tuple[str, str | None]:
    """Return what an *arr tool may know a job by that is no key: several may have it."""
    return job.destination.category, job.release


def _request_id(job: Job | None) -> str:
    return job.submission.request_id if job is not None and job.submission is not None else ""


def _is_bad(event: Event) -> bool:
    match event:
        case Failed():
            return True
        case Deferred(charged=charged):
            return charged
        case Submitted(also_for=also_for):
            return also_for != ""
        case _:
            return False
