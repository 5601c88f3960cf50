"""What is owed now: from the jobs as they are to the effects that are due.

Rules of this file:

* ``plan`` looks at the state and never at how it came about, so starting, restarting, retrying and normal
  running are one code path.
* One request for one content: of the jobs that want the same, one submits and the others wait for it. One
  transfer for one request: of the jobs that fetch it one goes ahead, and the others are given its files.
* A plan names no job twice: whoever owes several things gets them one after the other, by turns.
* First come, first served, and before them what is cached where that was asked for (``cachelooks``); polls go
  together, in rounds. A line is read no further than there are places in its lane, so a hundred thousand jobs
  that wait cost nothing; see ``agenda``.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import filterfalse
from typing import Final

from offcloud_watchd.core import cachelooks, imports, rounds
from offcloud_watchd.core.agenda import Agenda, tells, withdraws
from offcloud_watchd.core.crowds import Crowds, FetchRank, shares_of
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
    Submit,
    Trace,
)
from offcloud_watchd.core.lifecycle import MAX_WAIT_S, Policy
from offcloud_watchd.core.model import Job, JobState, Lane
from offcloud_watchd.core.relatives import request_id_of

LEADER_TRIES: Final = 5
LEADER_WAIT_S: Final = 600.0
"""Who fetches ahead of others hands over after so many tries in vain, or for a wait longer than this.

Not at once: what it has so far is kept, and the next to try would begin with the first byte.
"""

ROOM_MIN_S: Final = 5.0
ROOM_MAX_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What is due now, and when the next thing will be (infinity: nothing waits for the clock).

    ``poll_due_at`` is the same for the polls alone.
    """

    effects: tuple[Effect, ...]
    next_due_at: float
    poll_due_at: float = math.inf


@dataclass(slots=True)
class _Gate:
    """Lets those jobs through that are due; remembers when the next of the others will be."""

    now: float
    busy: Collection[str]
    closed: set[str]
    not_before: Mapping[str, float]
    crowds: Crowds
    next_due_at: float = field(default=math.inf)

    def due_at(self, job: Job) -> float:
        """Return since when a job is due; infinity when it is not."""
        if job.id in self.busy or job.id in self.closed:
            return math.inf
        retry_at = job.retry_at if job.retry_at - self.now <= MAX_WAIT_S else 0.0
        due_at = max(retry_at, self.not_before.get(job.id, 0.0))
        if due_at <= self.now:
            return math.inf if self.crowds.follows(job) else due_at
        # Whom it follows is asked last: it costs more than all the rest.
        if due_at < self.next_due_at and not self.crowds.follows(job):
            self.next_due_at = due_at
        return math.inf

    def close(self, effects: Iterable[Effect]) -> None:
        """Let nobody through again who has an effect in this plan."""
        self.closed.update(effect.job.id for effect in effects)

    def shut_out(self) -> set[str]:
        """Return the ids of all that are not to be touched; for who must look at every job anyway."""
        return {*self.busy, *self.closed}

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
    resting: Container[str] = (),
    rested_at: float = math.inf,
) -> Plan:
    """Name the effects that are due, no more of a lane than it has ``free`` places.

    ``busy`` holds the ids of jobs with an effect in flight. ``not_before`` says when a job that was tried in
    vain, or polled, may be turned to again (a job that is not in it: now). ``vain`` counts how often a job
    was blocked in its present state, which charges nobody. Of those that fetch, who is ``resting`` is passed
    over; the first of them may be turned to at ``rested_at``. All polls of a plan are one round, which takes
    one place and goes first; the ``rhythm`` keeps rounds apart. So a burst of submissions does not keep
    finished items waiting, nor many polls a new drop. A look into the ``cache`` is one for all, too.
    ``tracing``: a round of looks at releases is due. The next due time is told only of lanes that have places
    left: the others are looked at again when an effect of theirs has ended.
    """
    shares = [share for crowd in agenda.sharing for share in shares_of(crowd) if share.job.id not in busy]
    crowds = Crowds(agenda.relatives, agenda.searched, lambda job: _fetch_rank(job, busy, vain, now))
    gate = _Gate(now, busy, _behind_clears(agenda, busy), not_before, crowds)
    leaves = [Leave(job) for job in agenda.leaving.values() if gate.is_over(job.leaves_at)]
    gate.close(leaves)
    places = {lane: max(0, free.get(lane, 0)) for lane in Lane}
    polls, poll_due_at = _round(agenda.lines[JobState.CLOUD], places[Lane.API], gate, rhythm)
    api_places = places[Lane.API] - bool(polls)
    consults, look_due_at = _look(agenda.choosy, api_places, gate, cache)
    api_places -= bool(consults)
    gate.close(consults)
    queue = cachelooks.in_order(agenda.lines[JobState.QUEUED], cache, now)
    submits = _first(queue, api_places, gate, _submission)
    line = agenda.lines[JobState.FETCHING]
    # They may be all but a few, and each that is tried in vain brings a plan: so this takes no step of ours.
    awake = map(line.__getitem__, filterfalse(resting.__contains__, line))
    fetches = _first(awake, places[Lane.FETCH], gate, Fetch)
    if len(fetches) < places[Lane.FETCH]:
        gate.next_due_at = min(gate.next_due_at, rested_at)
    inspects = _first(agenda.lines[JobState.CHECKING].values(), places[Lane.DISK], gate, Inspect)
    goes_first = withdraws if places[Lane.DISK] else _no_job
    discards = _first(agenda.to_discard.values(), places[Lane.DISK], gate, Discard)
    disk = [*inspects, *discards][: places[Lane.DISK]]
    told_first = tells if places[Lane.ARR] else _no_job
    unneeded = _unneeded(agenda, _but(agenda.to_clear, goes_first, told_first), api_places, gate, busy)
    searches = _first(_but(agenda.doubtful, goes_first, told_first), api_places, gate, Adopt)
    api = _in_turns(submits, _in_turns(unneeded, searches))[:api_places]
    gate.close(api)  # not whom there was no place for: the tools are told meanwhile
    reports = _first(_but(agenda.to_report, goes_first), places[Lane.ARR], gate, Report)
    lanes = {Lane.DISK: places[Lane.DISK] - len(disk), Lane.ARR: places[Lane.ARR] - len(reports)}
    traces = _traces(agenda, lanes, busy, gate, rhythm.policy) if tracing else []
    next_due_at = min(poll_due_at, look_due_at)
    return Plan(
        (*shares, *leaves, *polls, *consults, *api, *fetches, *disk, *reports, *traces),
        min(next_due_at, gate.next_due_at),
        poll_due_at,
    )


def _behind_clears(agenda: Agenda, busy: Collection[str]) -> set[str]:
    """Find which jobs wait until their content is out of the account, so that no search finds it going."""
    clearing = _among(agenda.to_clear, busy)
    return {job.id for one in clearing for job in (*agenda.relatives(one), *agenda.searched(one))}


def _among(debtors: Mapping[str, Job], busy: Collection[str]) -> list[Job]:
    """Return who of the debtors is busy, in a time that goes by the smaller number of the two."""
    if len(debtors) < len(busy):
        return [job for job_id, job in debtors.items() if job_id in busy]
    return [debtors[job_id] for job_id in busy if job_id in debtors]


def _no_job(_job: Job) -> bool:
    return False


def _but(line: Mapping[str, Job], *left_out: Callable[[Job], bool]) -> Iterator[Job]:
    return (job for job in line.values() if not any(is_left_out(job) for is_left_out in left_out))


def _unneeded(
    agenda: Agenda, line: Iterable[Job], places: int, gate: _Gate, busy: Collection[str]
) -> list[Act]:
    """Find what can be taken out of the account: no other job has it or is about to look for it."""
    taken: list[Act] = []
    going = {request_id_of(job) for job in _among(agenda.to_clear, busy)}
    for job in line:
        if len(taken) >= places:
            break
        sought = any(one.id != job.id for one in agenda.searched(job))
        unneeded = not sought and not agenda.relatives(job) and request_id_of(job) not in going
        if unneeded and gate.due_at(job) <= gate.now:
            taken.append(Clear(job))
            going.add(request_id_of(job))
    return taken


def _traces(
    agenda: Agenda, places: Mapping[Lane, int], busy: Collection[str], gate: _Gate, policy: Policy
) -> list[Trace]:
    looking = {imports.lane_of(job, policy) for job in _among(agenda.to_import, busy)}
    lanes = [lane for lane, free in places.items() if free > 0 and lane not in looking]
    waiting = agenda.to_import.values()
    return imports.gather(waiting, lanes, gate.shut_out(), gate.not_before, gate.now, policy)


def _fetch_rank(job: Job, busy: Collection[str], vain: Mapping[str, int], now: float) -> FetchRank:
    far_off = job.retry_at - now > LEADER_WAIT_S
    tries = job.attempts + vain.get(job.id, 0)
    return (job.id not in busy, far_off, tries // LEADER_TRIES, job.changed_at, job.id)


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
    shut_out = gate.shut_out()
    jobs, next_due_at = rounds.gather(line.values(), shut_out, gate.not_before, gate.now, rhythm.policy)
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
