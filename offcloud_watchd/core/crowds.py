"""Jobs that want the same content: who goes ahead, who waits, who can use what another one has. Pure.

Rules of this file:

* One request for one content: one of a crowd submits, and the others wait for it.
* One transfer for one request: of those that fetch it one goes ahead, and the others are given its files.
* Of what is sent to remote accounts one answer is open at a time: the history does not tell where it sends a
  request, and by the clocks alone one that shows late could be anybody's.
* A crowd is looked at when a plan comes to one of its jobs, and once in a plan: there may be as many crowds
  as jobs, and most plans come to none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from offcloud_watchd.core.effects import Share
from offcloud_watchd.core.model import Cached, Job, JobState, Route

FetchRank = tuple[bool, bool, int, float, str]


class Crowds:
    """What one plan has to know of crowds; made for it and thrown away with it.

    ``relatives`` gives the open jobs for the content of a job, itself among them, ``searched`` the ended ones
    of which nobody knows yet whether their POST was taken. The smallest ``rank`` fetches first.
    """

    def __init__(
        self,
        relatives: Callable[[Job], Collection[Job]],
        searched: Callable[[Job], Collection[Job]],
        rank: Callable[[Job], FetchRank],
    ) -> None:
        self._relatives = relatives
        self._searched = searched
        self._rank = rank
        self._ahead: dict[tuple[str, Route], set[str]] = {}

    def follows(self, job: Job) -> bool:
        """Tell whether a job must wait for another of its crowd, or for the search for what one left."""
        if job.state not in (JobState.QUEUED, JobState.FETCHING):
            return False
        if self._waits_for_search(job):
            return True
        crowd = self._relatives(job)
        if len(crowd) < 2:
            return False
        group = (job.link.key, job.destination.route)
        if group not in self._ahead:
            self._ahead[group] = {*_submitting(crowd), *self._fetching(crowd)}
        return job.id not in self._ahead[group]

    def _waits_for_search(self, job: Job) -> bool:
        sends_next = job.state is JobState.QUEUED and not job.unsure
        return sends_next and any(one.destination.way != job.destination.way for one in self._searched(job))

    def _fetching(self, crowd: Collection[Job]) -> Iterator[str]:
        """Find who fetches ahead of the others that have the same request."""
        same: dict[str, list[Job]] = {}
        for job in crowd:
            if job.state is JobState.FETCHING and job.submission is not None:
                same.setdefault(job.submission.request_id, []).append(job)
        return (min(jobs, key=self._rank).id for jobs in same.values())


def shares_of(crowd: Collection[Job]) -> Iterator[Share]:
    """Return who of a crowd can use the request of another job."""
    holders = [job for job in crowd if job.submission is not None]
    queued = (job for job in crowd if job.state is JobState.QUEUED)
    return (share for job in queued if (share := _share(job, holders)) is not None)


def _submitting(crowd: Collection[Job]) -> Iterator[str]:
    """Find who submits, of those that can use nobody's request.

    One at a time, also for different accounts: the account's history does not tell who got what.
    """
    sharing = {share.job.id for share in shares_of(crowd)}
    alone = [job for job in crowd if job.state is JobState.QUEUED and job.id not in sharing]
    return iter([min(alone, key=_rank).id] if alone else [])


def _share(job: Job, holders: Collection[Job]) -> Share | None:
    """Find a request a job can use; not the very one that vanished for it: its holder will learn of that."""
    for one in holders:
        same_way = one.destination.way == job.destination.way
        if same_way and one.submission is not None and one.submission.request_id != job.vanished:
            return Share(job, one.submission, one.posted_at)
    return None


def _rank(job: Job) -> tuple[bool, bool, float, str]:
    # An unsure job leads: another must not post what may have been taken already. Who must hear first that it
    # is cached leads only its like: the others need not wait for that.
    return (not job.unsure, job.destination.cached is Cached.ONLY, job.queued_at, job.id)
