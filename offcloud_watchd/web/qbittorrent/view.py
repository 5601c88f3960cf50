"""What one call sees: the jobs of its address's category, and which of them it means."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from offcloud_watchd.core.model import Job, Lane, LinkKind
from offcloud_watchd.core.picture import Overview
from offcloud_watchd.web.hashes import Ambiguous, named, named_surely
from offcloud_watchd.web.measures import speed_of
from offcloud_watchd.web.qbittorrent import rows
from offcloud_watchd.web.qbittorrent.call import Call, Refused
from offcloud_watchd.web.qbittorrent.rows import Row
from offcloud_watchd.web.selection import at_address

ALL: Final = "all"


class View:
    """The overview, as one call may see it."""

    def __init__(self, overview: Overview, call: Call, now: float) -> None:
        self._overview = overview
        self._call = call
        self._now = now
        self._paused: Collection[Lane] = overview.picture.pauses

    def jobs(self) -> Iterator[Job]:
        """Return the jobs that are there: of the address's category, and not being removed."""
        # An NZB is no torrent: whoever follows it does so by another API.
        jobs = at_address(self._overview, self._call.base)
        return (job for job in jobs if job.link.kind is not LinkKind.NZB)

    def row(self, job: Job) -> Row:
        """Return a job as it stands in a list."""
        return rows.row(job, self._overview.progress.get(job.id), self._paused, self._now)

    def properties(self, job: Job) -> Row:
        """Return a job's own page."""
        return rows.properties(job, self._overview.progress.get(job.id), self._now)

    def speed(self) -> int:
        """Return how many bytes a second come in for all jobs that are seen."""
        moving = self._overview.progress
        return sum(speed_of(job, moving[job.id]) for job in self.jobs() if job.id in moving)

    def one(self) -> Job:
        """Return the job whose ``hash`` the call gives; of several the one it most likely means."""
        wanted = self._call.needs("hash").strip().lower()
        found = named(self.jobs(), {wanted}, self._call.session.used)
        if not found:
            raise Refused(404, "Not Found")
        return max(found, key=lambda job: job.changed_at)

    def many(self) -> list[Job]:
        """Return the jobs whose ``hashes`` the call gives; refuse what could be another client's."""
        wanted = {name.lower() for name in self._call.many("hashes")}
        if ALL in wanted:
            return list(self.jobs())
        try:
            return named_surely(self.jobs(), wanted, self._call.session.used)
        except Ambiguous as error:
            raise Refused(409, str(error)) from error
