"""What other jobs mean for one: those for the same content, with the same request, or of the same name.

Rules of this file:

* Whoever asks says which jobs there are; nothing here goes through all of them.
* Of what is sent to a remote account the history does not tell where it went: what others had sent is never
  taken for a job's own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from offcloud_watchd.core.model import Job, JobState, Route

MAX_DONORS: Final = 8


def request_id_of(job: Job) -> str:
    """Return the id of a job's request; empty where it has none."""
    return job.submission.request_id if job.submission is not None else ""


def needed_by(job: Job, holders: Iterable[Job]) -> Job | None:
    """Return another job that still needs the request of a finished one: one that is not done with it.

    A failed one does: it may be tried again. So does one that is to be imported yet. ``holders`` are the jobs
    that have the request.
    """
    finished = (JobState.DONE, JobState.CHECKING, JobState.REMOVED)
    others = (one for one in holders if one.id != job.id)
    return next((one for one in others if one.state not in finished or one.to_import), None)


def twin_of(job: Job, relatives: Iterable[Job]) -> Job | None:
    """Return another job for the same content and category that was not removed; a tool cannot tell the two.

    ``relatives`` are the jobs with the same key, in any state and category.
    """
    category = job.destination.category
    others = (one for one in relatives if one.id != job.id and one.destination.category == category)
    return next((one for one in others if one.state is not JobState.REMOVED), None)


def namesake_of(job: Job, namesakes: Iterable[Job]) -> Job | None:
    """Return another job of the same category and release name that may still come to something.

    ``namesakes`` are the jobs of that category and name, in any state.
    """
    ended = (JobState.FAILED, JobState.REMOVED)
    return next((one for one in namesakes if one.id != job.id and one.state not in ended), None)


def donors_of(job: Job, relatives: Iterable[Job]) -> tuple[Job, ...]:
    """Return who has published a job's request already, the newest first.

    ``relatives`` are the jobs with the same key, in any state and category.
    """
    if job.submission is None:
        return ()
    request_id = job.submission.request_id
    donors = [
        one
        for one in relatives
        if one.id != job.id
        and one.state in (JobState.DONE, JobState.CHECKING)
        and one.publication is not None
        and one.submission is not None
        and one.submission.request_id == request_id
    ]
    return tuple(sorted(donors, key=lambda one: (-one.changed_at, one.id))[:MAX_DONORS])


def held_by_others(job: Job, relatives: Iterable[Job]) -> frozenset[str]:
    """Return the requests by which others had a job's content sent elsewhere: they are not the job's own.

    Nor are those of who was forgotten: what is dropped after that is sent anew. Nor what another one has done
    with, though it goes the same way now. ``relatives`` are the jobs with the same key, in any state and
    category.
    """
    held: set[str] = set()
    for one in relatives:
        if one.id != job.id:
            held.update(one.spent)
            if _are_apart(one, job):
                held.update(one.sent, [request_id_of(one)])
    return frozenset(held - {""})


def _are_apart(one: Job, job: Job) -> bool:
    """Tell whether what one had sent is none of a job's."""
    forgotten = JobState.REMOVED in (one.state, job.state)
    is_elsewhere = one.destination.way != job.destination.way
    return is_elsewhere or (forgotten and one.destination.route is Route.REMOTE)


def rivals_of(job: Job, relatives: Iterable[Job]) -> frozenset[float]:
    """Return when others had a job's content sent elsewhere that still wait for an answer, in any state.

    A cancelled job keeps its open intent, and one that was done may begin anew: so there can be several.
    """
    return frozenset(
        one.posted_at
        for one in relatives
        if one.destination.route is job.destination.route and one.destination.way != job.destination.way
        if one.unsure and one.posted_at is not None
    )
