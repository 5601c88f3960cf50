"""What one call sees, and which jobs it names: by numbers, which this process gives, or by hashes."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from offcloud_watchd.core.model import Job, LinkKind
from offcloud_watchd.core.picture import Overview
from offcloud_watchd.web.hashes import Ambiguous, named, named_surely
from offcloud_watchd.web.selection import at_address, oldest_first
from offcloud_watchd.web.transmission.call import Call, Refused

RECENT = "recently-active"


class Numbers:
    """A number for each job, from 1 on, as Transmission counts its torrents."""

    def __init__(self) -> None:
        self._by_id: dict[str, int] = {}
        self._next = 1

    def of(self, job_id: str) -> int:
        """Return the number of a job; it keeps it."""
        if job_id not in self._by_id:
            self._by_id[job_id] = self._next
            self._next += 1
        return self._by_id[job_id]

    def keep(self, jobs: Collection[Job]) -> None:
        """Forget the numbers of all but these jobs, once there are many of them."""
        if len(self._by_id) > 2 * len(jobs) + 1000:
            living = {job.id for job in jobs}
            self._by_id = {job_id: number for job_id, number in self._by_id.items() if job_id in living}


class Seeing:
    """The jobs of calls."""

    def __init__(self) -> None:
        self.numbers = Numbers()

    def seen(self, call: Call, overview: Overview) -> list[Job]:
        """Return the jobs that a call sees, by their numbers; an NZB is no torrent."""
        self.numbers.keep(overview.jobs)
        jobs = (job for job in at_address(overview, call.base) if job.link.kind is not LinkKind.NZB)
        return sorted(sorted(jobs, key=oldest_first), key=lambda job: self.numbers.of(job.id))

    def shown(self, call: Call, overview: Overview) -> list[Job]:
        """Return the jobs that a call wants to see."""
        jobs, wanted = self.seen(call, overview), call.ids()
        if wanted is None or RECENT in wanted[1]:
            return jobs
        return self._of(jobs, wanted[0], named(jobs, wanted[1], call.session.used))

    def meant(self, call: Call, overview: Overview) -> list[Job]:
        """Return the jobs that a call names; raise ``Refused`` for what could be another's."""
        jobs, wanted = self.seen(call, overview), call.ids()
        if wanted is None:
            return jobs
        try:
            by_hash = named_surely(jobs, wanted[1], call.session.used)
        except Ambiguous as error:
            raise Refused(str(error)) from error
        return self._of(jobs, wanted[0], by_hash)

    def _of(self, jobs: Iterable[Job], numbers: Collection[int], by_hash: Iterable[Job]) -> list[Job]:
        ids = {job.id for job in by_hash}
        return [job for job in jobs if job.id in ids or self.numbers.of(job.id) in numbers]
