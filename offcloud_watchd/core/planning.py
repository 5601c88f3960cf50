"""What is owed now: from the jobs as they are to the effects that are due.

Rules of this file:

* ``plan`` looks at the state and never at how it came about, so starting, restarting, retrying and normal
  running are one code path.
* One request for one content: of the jobs that want the same, one submits and the others wait for it. One
  transfer for one request: of the jobs that fetch it one goes ahead, and the others are given its files.
* First come, first served, and before them what is cached where that was asked for (``cachelooks``); polls go
  together, in rounds. A line is read no further than there are places in its lane, so ten thousand jobs that
  wait cost nothing.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from offcloud_watchd.core import cachelooks, imports, rounds
from offcloud_watchd.core.effects import (
    Act,
    Adopt,
    Clear,
    Consult,
    Discard,
    Effect,
    Fetch,
    Inspect,
    Leave,
    Poll,
    Report,
    Share,
    Submit,
    Trace,
)
from offcloud_watchd.core.lifecycle import MAX_WAIT_S, OWES, Policy
from offcloud_watchd.core.model import Cached, Job, JobState, Lane, Route

LEADER_TRIES: Final = 5
LEADER_WAIT_S: Final = 600.0
"""Who fetches ahead of others hands over after so many tries in vain, or for a wait longer than this.

Not at once: what it has so far is kept, and the next to try would begin with the first byte.
"""

MAX_DONORS: Final = 8

ROOM_MIN_S: Final = 5.0
ROOM_MAX_S: Final = 60.0

FetchRank = tuple[bool, bool, int, float, str]

Group = tuple[str, Route]
"""Key and route: jobs of which one may be found in place of another when the account is searched."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is due now, and when the next thing will be (infinity: nothing waits for the clock).

    ``poll_due_at`` is the same for the polls alone.
    """

    effects: tuple[Effect, ...]
    next_due_at: float
    poll_due_at: float = math.inf


class Agenda:
    """The jobs that owe something: a line for each state, in the order in which they came to it.

    ``crowds`` are the jobs that want or have the same request, where there are several. ``to_clear`` are the
    finished or removed ones whose request is still in the account, ``to_report`` the failed ones of which an
    *arr tool is still to be told, ``to_import`` the finished ones that it is to import, ``leaving`` those it
    has imported and whose entry is to go, ``doubtful`` those that have ended and of whose last POST nobody
    knows what came of it, ``choosy`` the queued ones for which it matters whether they are cached.
    """

    def __init__(self, jobs: Iterable[Job]) -> None:
        self.lines: dict[JobState, dict[str, Job]] = {state: {} for state in OWES}
        self.to_clear: dict[str, Job] = {}
        self.to_report: dict[str, Job] = {}
        self.to_import: dict[str, Job] = {}
        self.leaving: dict[str, Job] = {}
        self.doubtful: dict[str, Job] = {}
        self.choosy: dict[str, Job] = {}
        self._debts: Sequence[tuple[dict[str, Job], Callable[[Job], bool]]] = (
            (self.to_clear, _owes_clear),
            (self.to_report, _owes_report),
            (self.to_import, _owes_trace),
            (self.leaving, _owes_leave),
            (self.doubtful, _is_doubtful),
            (self.choosy, _is_choosy),
        )
        self._groups: dict[Group, dict[str, Job]] = {}
        self._crowded: set[Group] = set()
        for job in sorted(jobs, key=lambda job: (job.changed_at, job.id)):
            self.replace(None, job)

    @property
    def crowds(self) -> Iterable[Collection[Job]]:
        """Return the jobs of each group that has more than one."""
        return [self._groups[group].values() for group in self._crowded]

    def relatives(self, job: Job) -> Collection[Job]:
        """Return the jobs that want or have a request for the same content on the same route."""
        return self._groups.get((job.link.key, job.destination.route), {}).values()

    def __iter__(self) -> Iterator[Job]:
        return (job for line in self.lines.values() for job in line.values())

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
        self._regroup(job, present=after is not None and _wants_request(after))

    def _line_of(self, job: Job | None) -> dict[str, Job] | None:
        return None if job is None or job.remembered else self.lines.get(job.state)

    def _regroup(self, job: Job, *, present: bool) -> None:
        group = (job.link.key, job.destination.route)
        members = self._groups.setdefault(group, {})
        if present:
            members[job.id] = job
        else:
            members.pop(job.id, None)
        if len(members) > 1:
            self._crowded.add(group)
        else:
            self._crowded.discard(group)
        if not members:
            del self._groups[group]


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


def _wants_request(job: Job) -> bool:
    return job.state in (JobState.QUEUED, JobState.CLOUD, JobState.FETCHING)


@dataclass(slots=True)
class _Gate:
    """Lets those jobs through that are due; remembers when the next of the others will be."""

    now: float
    closed: set[str]
    not_before: Mapping[str, float]
    next_due_at: float = field(default=math.inf)

    def due_at(self, job: Job) -> float:
        """Return since when a job is due; infinity when it is not."""
        if job.id in self.closed:
            return math.inf
        retry_at = job.retry_at if job.retry_at - self.now <= MAX_WAIT_S else 0.0
        due_at = max(retry_at, self.not_before.get(job.id, 0.0))
        if due_at <= self.now:
            return due_at
        self.next_due_at = min(self.next_due_at, due_at)
        return math.inf

    def is_over(self, at: float) -> bool:
        """Tell whether a time has come."""
        if at <= self.now or at - self.now > MAX_WAIT_S:
            return True
        self.next_due_at = min(self.next_due_at, at)
        return False


def plan(  # noqa: PLR0913 - each is another thing that is looked at
    agenda: Agenda,
    now: float,
    *,
    busy: Collection[str],
    free: Mapping[Lane, int],
    not_before: Mapping[str, float],
    vain: Mapping[str, int],
    rhythm: rounds.Rhythm,
    cache: cachelooks.Knowledge,
    tracing: bool,
) -> Plan:
    """Name the effects that are due, no more of a lane than it has ``free`` places.

    ``busy`` holds the ids of jobs with an effect in flight. ``not_before`` says when a job that was tried in
    vain, or polled, may be turned to again (a job that is not in it: now). ``vain`` counts how often a job
    was blocked in its present state, which charges nobody. All polls of a plan are one round, which takes one
    place and goes first; the ``rhythm`` keeps rounds apart. So a burst of submissions does not keep finished
    items waiting, nor many polls a new drop. A look into the ``cache`` is one for all, too. ``tracing``: a
    round of looks at releases is due. The next due time is told only of lanes that have places left: the
    others are looked at again when an effect of theirs has ended.
    """
    shares, followers = _within_crowds(agenda.crowds, busy)
    followers |= _behind_leaders(agenda.crowds, lambda job: _fetch_rank(job, busy, vain, now))
    followers |= _behind_clears(agenda, busy)
    gate = _Gate(now, {*busy, *followers}, not_before)
    places = {lane: max(0, free.get(lane, 0)) for lane in Lane}
    polls, poll_due_at = _round(agenda.lines[JobState.CLOUD], places[Lane.API], gate, rhythm)
    api_places = places[Lane.API] - bool(polls)
    consults, look_due_at = _look(agenda.choosy, api_places, gate, cache)
    api_places -= bool(consults)
    gate.closed.update(consult.job.id for consult in consults)
    queue = cachelooks.in_order(agenda.lines[JobState.QUEUED], cache, now)
    submits = _first(queue, api_places, gate, _submission)
    fetches = _first(agenda.lines[JobState.FETCHING].values(), places[Lane.FETCH], gate, Fetch)
    inspects = _first(agenda.lines[JobState.CHECKING].values(), places[Lane.DISK], gate, Inspect)
    withdraws = _withdraws if places[Lane.DISK] else _no_job
    reports = _first(_but(agenda.to_report, withdraws), places[Lane.ARR], gate, Report)
    removed = (
        job
        for job in agenda.lines[JobState.REMOVED].values()
        if _withdraws(job) or not (job.to_report or job.to_clear or job.doubtful)
    )
    discards = _first(removed, places[Lane.DISK], gate, Discard)
    disk = [*inspects, *discards][: places[Lane.DISK]]
    unneeded = _unneeded(agenda, _but(agenda.to_clear, withdraws), api_places, gate, busy)
    searches = _first(_but(agenda.doubtful, withdraws), api_places, gate, Adopt)
    api = _in_turns(submits, _in_turns(unneeded, searches))[:api_places]
    lanes = {Lane.DISK: places[Lane.DISK] - len(disk), Lane.ARR: places[Lane.ARR] - len(reports)}
    traces = _traces(agenda, lanes, busy, gate, rhythm.policy) if tracing else []
    next_due_at = min(poll_due_at, look_due_at)
    leaves = [Leave(job) for job in agenda.leaving.values() if gate.is_over(job.leaves_at)]
    return Plan(
        (*shares, *leaves, *polls, *consults, *api, *fetches, *disk, *reports, *traces),
        min(next_due_at, gate.next_due_at),
        poll_due_at,
    )


def _within_crowds(crowds: Iterable[Collection[Job]], busy: Collection[str]) -> tuple[list[Share], set[str]]:
    """Find who can use the request of another job, and who must wait for the one that will submit."""
    shares: list[Share] = []
    followers: set[str] = set()
    for crowd in crowds:
        queued = [job for job in crowd if job.state is JobState.QUEUED]
        followers |= {job.id for job in queued}
        alone: list[Job] = []
        for job in queued:
            share = _share(job, crowd)
            if share is None:
                alone.append(job)
            elif job.id not in busy:
                shares.append(share)
        # One at a time, also for different accounts: the account's history does not tell who got what.
        if alone:
            followers.remove(min(alone, key=_rank).id)
    return shares, followers


def _share(job: Job, crowd: Iterable[Job]) -> Share | None:
    """Find a request a job can use; not the very one that vanished for it: its holder will learn of that."""
    for one in crowd:
        same_way = one.destination.way == job.destination.way
        if same_way and one.submission is not None and one.submission.request_id != job.vanished:
            return Share(job, one.submission, one.posted_at)
    return None


def _behind_leaders(crowds: Iterable[Collection[Job]], rank: Callable[[Job], FetchRank]) -> set[str]:
    """Find which fetches wait for another one of the same request, whose files they can use."""
    behind: set[str] = set()
    for crowd in crowds:
        fetching: dict[str, list[Job]] = {}
        for job in crowd:
            if job.state is JobState.FETCHING and job.submission is not None:
                fetching.setdefault(job.submission.request_id, []).append(job)
        for jobs in fetching.values():
            leader = min(jobs, key=rank)
            behind |= {job.id for job in jobs} - {leader.id}
    return behind


def _behind_clears(agenda: Agenda, busy: Collection[str]) -> set[str]:
    """Find which jobs wait until their content is out of the account, so that no search finds it going."""
    going = [agenda.to_clear[job_id] for job_id in busy if job_id in agenda.to_clear]
    return {job.id for one in going for job in agenda.relatives(one)}


def _withdraws(job: Job) -> bool:
    """Tell whether the files of a removed job are to go next, while somebody else is to be told as well.

    Whoever wants room does not wait for an account or a tool. In turns, so that what fails holds up nothing.
    """
    return job.state is JobState.REMOVED and job.remove_files and job.attempts % 2 == 0


def _no_job(_job: Job) -> bool:
    return False


def _but(line: Mapping[str, Job], left_out: Callable[[Job], bool]) -> Iterator[Job]:
    return (job for job in line.values() if not left_out(job))


def _unneeded(
    agenda: Agenda, line: Iterable[Job], places: int, gate: _Gate, busy: Collection[str]
) -> list[Act]:
    """Find what can be taken out of the account: no open job has it or is about to look for it."""
    taken: list[Act] = []
    going = {_request_id(agenda.to_clear[job_id]) for job_id in busy if job_id in agenda.to_clear}
    for job in line:
        if len(taken) >= places:
            break
        unneeded = not agenda.relatives(job) and _request_id(job) not in going
        if unneeded and gate.due_at(job) <= gate.now:
            taken.append(Clear(job))
            going.add(_request_id(job))
    return taken


def _traces(
    agenda: Agenda, places: Mapping[Lane, int], busy: Collection[str], gate: _Gate, policy: Policy
) -> list[Trace]:
    looking = {imports.lane_of(agenda.to_import[one], policy) for one in busy if one in agenda.to_import}
    lanes = [lane for lane, free in places.items() if free > 0 and lane not in looking]
    waiting = agenda.to_import.values()
    return imports.gather(waiting, lanes, gate.closed, gate.not_before, gate.now, policy)


def _request_id(job: Job) -> str:
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


def namesake_of(job: Job, jobs: Iterable[Job]) -> Job | None:
    """Return a job of the same category and release name that may still come to something."""
    wanted = (job.destination.category, job.release)
    ended = (JobState.FAILED, JobState.REMOVED)
    same = (one for one in jobs if (one.destination.category, one.release) == wanted and one.id != job.id)
    return next((one for one in same if one.state not in ended), None)


def _fetch_rank(job: Job, busy: Collection[str], vain: Mapping[str, int], now: float) -> FetchRank:
    far_off = job.retry_at - now > LEADER_WAIT_S
    tries = job.attempts + vain.get(job.id, 0)
    return (job.id not in busy, far_off, tries // LEADER_TRIES, job.changed_at, job.id)


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

    Nor are those of who was forgotten: what is dropped after that is sent anew. ``relatives`` are the jobs
    with the same key, in any state and category.
    """
    held: set[str] = set()
    for one in relatives:
        if one.id != job.id and _are_apart(one, job):
            held.update(one.sent, one.spent, [_request_id(one)])
    return frozenset(held - {""})


def _are_apart(one: Job, other: Job) -> bool:
    forgotten = JobState.REMOVED in (one.state, other.state)
    return one.destination.way != other.destination.way or (
        forgotten and one.destination.route is Route.REMOTE
    )


def rivals_of(job: Job, relatives: Iterable[Job]) -> frozenset[float]:
    """Return when others had a job's content sent elsewhere that still wait for an answer, in any state.

    A cancelled job keeps its open intent, and one that was done may begin anew: so there can be several.
    """
    own = job.destination
    return frozenset(
        one.posted_at
        for one in relatives
        if one.destination.route is own.route and one.destination.way != own.way
        if one.unsure and one.posted_at is not None
    )


def _rank(job: Job) -> tuple[bool, bool, float, str]:
    # An unsure job leads: another must not post what may have been taken already. Who must hear first that it
    # is cached leads only its like: the others need not wait for that.
    return (not job.unsure, job.destination.cached is Cached.ONLY, job.queued_at, job.id)


def _submission(job: Job) -> Act:
    return Adopt(job) if job.unsure else Submit(job)


def _first(line: Iterable[Job], places: int, gate: _Gate, effect: Callable[[Job], Act]) -> list[Act]:
    taken: list[Act] = []
    for job in line:
        if len(taken) >= places:
            break
        if gate.due_at(job) <= gate.now:
            taken.append(effect(job))
    return taken


def _in_turns(first: Sequence[Act], second: Sequence[Act]) -> list[Act]:
    """Take from both alternately, and the rest of one when the other ends."""
    shorter = min(len(first), len(second))
    both = [act for pair in zip(first, second, strict=False) for act in pair]
    return [*both, *first[shorter:], *second[shorter:]]


def room_delay_s(job: Job, now: float) -> float:
    """Tell how long a job waits until it looks for room again: longer the longer it waits, within bounds.

    Each waits a time of its own: those that are in each other's way would else meet again and again.
    """
    longer = 1 + zlib.crc32(job.id.encode()) / 2**34
    return min(max((now - job.changed_at) / 8, ROOM_MIN_S), ROOM_MAX_S) * longer


def _round(
    line: Mapping[str, Job], places: int, gate: _Gate, rhythm: rounds.Rhythm
) -> tuple[list[Act], float]:
    if not places or not line:
        return [], math.inf
    if gate.now < rhythm.round_at:
        return [], rhythm.round_at
    jobs, next_due_at = rounds.gather(line.values(), gate.closed, gate.not_before, gate.now, rhythm.policy)
    return [Poll(job) for job in jobs], next_due_at


def _look(
    choosy: Mapping[str, Job], places: int, gate: _Gate, cache: cachelooks.Knowledge
) -> tuple[list[Act], float]:
    if places <= 0 or not choosy:
        return [], math.inf
    if gate.now < cache.look_at:
        return [], cache.look_at
    jobs = cachelooks.wanting(choosy.values(), cache, gate.now)
    return _first(jobs, cachelooks.BATCH, gate, Consult), math.inf
