"""The jobs that owe something, kept in lines as they change: what a plan is made from.

Rules of this file:

* What must be seen of all jobs is kept here, never found out by going through them: a plan is made for every
  answer that comes. To follow one job costs the same however many there are.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

from offcloud_watchd.core.lifecycle import OWES
from offcloud_watchd.core.model import Cached, Job, JobState, Route

NEAREST_FIRST: Final = (
    JobState.FETCHING,
    JobState.CLOUD,
    JobState.QUEUED,
    JobState.REMOVED,
    JobState.CHECKING,
)
"""The states that owe something, in the order in which a reader is shown jobs who cannot be shown all."""

Group = tuple[str, Route]
"""Key and route: jobs of which one may be found in place of another when the account is searched."""


class Agenda:
    """The jobs that owe something: a line for each state, in the order in which they came to it.

    ``sharing`` are the jobs that want the same content, where some have a request and others do not.
    ``to_clear`` are the finished or removed ones whose request is still in the account, ``to_report`` the
    failed ones of which an *arr tool is still to be told, ``to_import`` the finished ones that it is to
    import, ``leaving`` those it has imported and whose entry is to go, ``doubtful`` those that have ended and
    of whose last POST nobody knows what came of it, ``choosy`` the queued ones for which it matters whether
    they are cached, ``to_discard`` the removed ones that owe nothing else first.
    """

    def __init__(self, jobs: Iterable[Job]) -> None:
        self.lines: dict[JobState, dict[str, Job]] = {state: {} for state in OWES}
        self.to_clear: dict[str, Job] = {}
        self.to_report: dict[str, Job] = {}
        self.to_import: dict[str, Job] = {}
        self.leaving: dict[str, Job] = {}
        self.doubtful: dict[str, Job] = {}
        self.choosy: dict[str, Job] = {}
        self.to_discard: dict[str, Job] = {}
        self._debts: Sequence[tuple[dict[str, Job], Callable[[Job], bool]]] = (
            (self.to_clear, _owes_clear),
            (self.to_report, _owes_report),
            (self.to_import, _owes_trace),
            (self.leaving, _owes_leave),
            (self.doubtful, _is_doubtful),
            (self.choosy, _is_choosy),
            (self.to_discard, _owes_discard),
        )
        self._groups: dict[Group, dict[str, Job]] = {}
        self._searched: dict[Group, dict[str, Job]] = {}
        self._sharing: dict[Group, None] = {}
        for job in sorted(jobs, key=lambda job: (job.changed_at, job.id)):
            self.replace(None, job)

    @property
    def sharing(self) -> Iterable[Collection[Job]]:
        """Return the jobs of each group in which some wait and others have a request."""
        return [self._groups[group].values() for group in self._sharing]

    def relatives(self, job: Job) -> Collection[Job]:
        """Return the jobs that want or have a request for the same content on the same route."""
        return self._groups.get(_group_of(job), {}).values()

    def searched(self, job: Job) -> Collection[Job]:
        """Return the ``doubtful`` jobs whose search of the account may find the request of this one."""
        return self._searched.get(_group_of(job), {}).values()

    def __iter__(self) -> Iterator[Job]:
        return (job for line in self.lines.values() for job in line.values())

    def first(self, most: int) -> tuple[list[Job], int]:
        """Return so many jobs that owe something, the nearest to their end first; count the others."""
        jobs = (job for state in NEAREST_FIRST for job in self.lines[state].values())
        chosen = list(islice(jobs, most))
        return chosen, sum(map(len, self.lines.values())) - len(chosen)

    def replace(self, before: Job | None, after: Job | None) -> None:
        """Follow a job: where its state stays it keeps its place, else it goes to the end of another line."""
        line_before, line_after = self._line_of(before), self._line_of(after)
        if before is not None and line_before is not None and line_before is not line_after:
            del line_before[before.id]
        if after is not None and line_after is not None:
            line_after[after.id] = after
        job = after or before
        if job is None:
            return
        for debtors, owes in self._debts:
            if after is not None and owes(after):
                debtors[job.id] = after
            else:
                debtors.pop(job.id, None)
        if before is not None and _group_of(before) != _group_of(job):  # it goes another way now
            self._regroup(before, present=False, searched=False)
        wants_request = after is not None and _wants_request(after)
        self._regroup(job, present=wants_request, searched=after is not None and _is_doubtful(after))

    def _line_of(self, job: Job | None) -> dict[str, Job] | None:
        return None if job is None or job.remembered else self.lines.get(job.state)

    def _regroup(self, job: Job, *, present: bool, searched: bool) -> None:
        group = _group_of(job)
        _moved(self._searched, group, job, present=searched)
        members = _moved(self._groups, group, job, present=present)
        if len(members) > 1 and _may_share(members.values()):
            self._sharing[group] = None
        else:
            self._sharing.pop(group, None)


def _group_of(job: Job) -> Group:
    return job.link.key, job.destination.route


def _moved(
    groups: dict[Group, dict[str, Job]], group: Group, job: Job, *, present: bool
) -> Mapping[str, Job]:
    """Put a job into a group or out of it; return who is in it now."""
    members = groups.setdefault(group, {})
    if present:
        members[job.id] = job
    else:
        members.pop(job.id, None)
    if not members:
        del groups[group]
    return members


def _owes_clear(job: Job) -> bool:
    return job.to_clear and job.state in (JobState.DONE, JobState.REMOVED)


def _owes_report(job: Job) -> bool:
    return job.to_report and job.state in (JobState.FAILED, JobState.REMOVED)


def _owes_trace(job: Job) -> bool:
    return job.to_import and job.state is JobState.DONE


def _owes_leave(job: Job) -> bool:
    return job.leaves_at > 0 and job.state is JobState.DONE


def _is_doubtful(job: Job) -> bool:
    return job.doubtful


def _is_choosy(job: Job) -> bool:
    return job.state is JobState.QUEUED and job.destination.cached is not Cached.ANY


def _owes_discard(job: Job) -> bool:
    owes_first = (job.to_report or job.to_clear or job.doubtful) and not withdraws(job)
    return job.state is JobState.REMOVED and not owes_first and not job.remembered


def _wants_request(job: Job) -> bool:
    return job.state in (JobState.QUEUED, JobState.CLOUD, JobState.FETCHING)


def _may_share(crowd: Collection[Job]) -> bool:
    return any(job.state is JobState.QUEUED for job in crowd) and any(job.submission for job in crowd)


def withdraws(job: Job) -> bool:
    """Tell whether the files of a removed job are to go next, while somebody else is to be told as well.

    Whoever wants room does not wait for an account or a tool. In turns, so that what fails holds up nothing.
    """
    return job.state is JobState.REMOVED and job.remove_files and job.attempts % 2 == 0


def tells(job: Job) -> bool:
    """Tell whether an *arr tool is to be told of a job before its account is turned to.

    In turns as well, and in step with ``withdraws``: a tool or an account that is down holds up nothing.
    """
    return _owes_report(job) and job.attempts % 4 < 2
