"""Polling in rounds: which jobs are asked about in one go, and what each answer means.

Rules of this file:

* A round asks about all its jobs at once where the service can tell them together. What was not told so is
  asked about alone, a few a round, the most overdue first; the rest stay due, and none is left behind. Where
  the list may just be late for very many, it is waited for: alone they would be asked about for hours.
* A list tells the word alone. Progress is asked for in turn: of a few one by one, of very many a batch in
  every second round where that is one question, and not at all where it is not: it would never come round.
* Polling takes a sixth of the budget at the most, whatever the number of jobs: the more calls a round took,
  the longer is the rest after it.
* Whether a request gets anywhere is judged by what changes, never by its age.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from offcloud_watchd.core.effects import Poll
from offcloud_watchd.core.events import CloudReady, Delivered, Event, Failed, Resumed, Stirred, Submitted
from offcloud_watchd.core.lifecycle import MAX_WAIT_S, Policy, bounded
from offcloud_watchd.core.model import Delivery, Job, Phase, RemoteTarget, Route, Sought, Submission

ALONE: Final = 4
"""So many requests are asked about one by one, which tells more. A round takes one call more at the most."""

BATCH: Final = 100
"""Requests in one question, where that is known. Source: public clients of the classic service."""

MANY: Final = 200
"""For more than this the account's history is read, and one batch is asked of those it does not show."""

SHARE: Final = 6
"""One call in so many is a poll."""

READY_WORDS: Final = frozenset({"downloaded", "finished", "completed"})
"""The service's words for a request whose files are there."""

STEPS: Final = 8
"""A change is recorded no oftener than so many times in the time after which a request is given up."""


Key = tuple[Route, str]
"""What names a request: its id, among those of its route."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How polling goes: no round begins before ``round_at`` (infinity: one is under way)."""

    policy: Policy
    round_at: float = 0.0


# --- Who is asked about, and when --------------------------------------------------------------------------


def interval_s(job: Job, now: float, policy: Policy) -> float:
    """Tell how long to wait before asking again: an eighth of the age of the state, within the bounds."""
    return min(max((now - job.changed_at) / 8, policy.poll_min_s), policy.poll_max_s)


def gather(
    line: Iterable[Job],
    closed: Collection[str],
    not_before: Mapping[str, float],
    now: float,
    policy: Policy,
) -> tuple[list[Job], float]:
    """Choose the jobs of a round, the most overdue first; return when the next of the others is due.

    ``line``: the jobs in the cloud. ``closed``: the ids of those that are not to be touched. The first
    question comes the shortest interval after the submission. Who is past half of its wait rides along where
    that costs no call of its own, so that jobs of one age come to share their rounds.
    """
    due: list[tuple[float, float, Job]] = []
    early: list[tuple[float, float, Job]] = []
    next_due_at = math.inf
    for job in line:
        if job.id in closed:
            continue
        retry_at = job.retry_at if job.retry_at - now <= MAX_WAIT_S else 0.0
        # After the clock was set back nobody knows how old it is: it is due.
        first_at = job.changed_at + policy.poll_min_s if job.changed_at <= now else now
        due_at = max(retry_at, not_before.get(job.id, first_at))
        if due_at <= now:
            due.append((due_at, job.changed_at, job))
            continue
        next_due_at = min(next_due_at, due_at)
        if retry_at <= now and due_at - interval_s(job, now, policy) / 2 <= now:
            early.append((due_at, job.changed_at, job))
    if due and len(due) + len(early) > ALONE:
        due += early
    return [job for _, _, job in sorted(due, key=_overdue)], next_due_at


def _overdue(entry: tuple[float, float, Job]) -> tuple[float, float, str]:
    due_at, changed_at, job = entry
    return due_at, changed_at, job.id


def rest_s(calls: int, failures: int, policy: Policy) -> float:
    """Tell how long no round begins after one that took ``calls``, and the ``failures``-th in vain.

    A service that answers nothing is asked less and less often; nobody is charged for that.
    """
    fair_s = calls * SHARE * 60.0 / policy.requests_per_minute
    doubled_s = min(policy.poll_min_s * 2.0 ** min(failures, 30), policy.poll_max_s)
    return max(policy.poll_min_s, fair_s, doubled_s if failures else 0.0)


def hush_s(unheard: Sequence[Job], now: float, policy: Policy) -> float:
    """Tell how long no round begins after one that left ``unheard`` what the list may not show yet.

    They stay due and would have the next round begin at once; it comes as for those that were heard of.
    """
    hidden = [job for job in unheard if _may_be_hidden(job, now, policy)]
    return min(interval_s(job, now, policy) for job in hidden) if len(hidden) > BATCH else 0.0


def _may_be_hidden(job: Job, now: float, policy: Policy) -> bool:
    return 0.0 <= now - job.changed_at < policy.history_lag_s


def calls_of_round(jobs: Iterable[Job]) -> int:
    """Count the calls it takes, at the most, to ask about jobs together, each route by itself."""
    return sum(calls_together(len({key_of(job) for job in same})) for same in by_route(jobs).values())


def calls_together(requests: int) -> int:
    """Count the calls it takes, at the most, to ask about so many requests together."""
    if requests <= ALONE:
        return 0
    return 1 if requests <= BATCH else 2


def by_route(jobs: Iterable[Job]) -> dict[Route, list[Job]]:
    """Part jobs by their route: the service is asked about each by itself."""
    parted: dict[Route, list[Job]] = {}
    for job in jobs:
        parted.setdefault(job.destination.route, []).append(job)
    return parted


def key_of(job: Job) -> Key:
    """Name the request of a job in the cloud."""
    return job.destination.route, request_of(job).request_id


def alone(polls: Sequence[Poll], told: Mapping[Key, Phase], now: float, policy: Policy) -> list[Poll]:
    """Choose who is asked about alone, after ``told`` was heard of some together; the most pressing first.

    Those of whom nothing was told, then those that may be stuck, unless a batch tells of them in turn. Of a
    few one more has its progress looked at where a place is left. One for each request.
    """
    each = {key_of(poll.job): poll for poll in reversed(polls)}
    in_order = [poll for poll in polls if each[key_of(poll.job)] is poll]
    crowded = {route for route, jobs in by_route(poll.job for poll in in_order).items() if len(jobs) > MANY}
    silent = [poll for poll in in_order if key_of(poll.job) not in told]
    hidden = _hidden(in_order, silent, now, policy)
    untold = [poll for poll in silent if key_of(poll.job) not in hidden]
    places = max(1, ALONE + 1 - calls_of_round([poll.job for poll in polls]))
    if not told:  # one, at least: to see whether the service answers
        return untold[:places] or silent[:1]
    told_of = crowded & {route for (route, _), phase in told.items() if phase.detailed}
    vague = in_turn(poll for poll in in_order if _is_vague(poll, told))
    stuck = [poll for poll in vague if _route(poll) not in told_of and may_be_stuck(poll, now, policy)]
    pressing = [*untold, *stuck][:places]
    if len(pressing) < places:
        pressing += [poll for poll in vague if _route(poll) not in crowded and poll not in stuck][:1]
    return pressing


def in_turn(polls: Iterable[Poll]) -> list[Poll]:
    """Put first whose progress was asked for the longest ago; else the order stays."""
    return sorted(polls, key=_detailed_at)


def closely(polls: Sequence[Poll], now: float, policy: Policy) -> bool:
    """Tell whether of very many a batch is to be asked for its progress as well.

    In every second round; in each where one may be stuck. Rounds are an interval apart.
    """
    if any(may_be_stuck(poll, now, policy) for poll in polls):
        return True
    last_at = max((poll.detailed_at for poll in polls), default=now)
    apart_s = min((interval_s(poll.job, now, policy) for poll in polls), default=0.0)
    return not 0.0 <= now - last_at < 1.5 * apart_s


def in_batches(
    wanted: Sequence[Submission], listed: Mapping[str, Phase], *, closely: bool
) -> Sequence[Submission]:
    """Choose what is asked for by the hundred: all; of very many one batch, beside what a list told by id.

    It is for those that are not listed, and filled up with the first that wait; ``closely``: for these alone.
    """
    if len(wanted) <= MANY:
        return wanted
    rest = [one for one in wanted if one.request_id not in listed]
    if not (rest or closely):
        return ()
    waiting = (one for one in wanted if (phase := listed.get(one.request_id)) and phase.outcome == "waiting")
    return [*rest, *waiting][:BATCH]


def _route(poll: Poll) -> Route:
    return poll.job.destination.route


def _hidden(asked: Sequence[Poll], silent: Sequence[Poll], now: float, policy: Policy) -> frozenset[Key]:
    """Find those whose silence means nothing: more than a batch tells of, and too new for a late history."""
    everybody, unheard = by_route(poll.job for poll in asked), by_route(poll.job for poll in silent)
    hidden: list[Key] = []
    for route, jobs in unheard.items():
        new = [key_of(job) for job in jobs if _may_be_hidden(job, now, policy)]
        if len(everybody[route]) > MANY and len(new) > BATCH:
            hidden += new
    return frozenset(hidden)


def _is_vague(poll: Poll, told: Mapping[Key, Phase]) -> bool:
    phase = told.get(key_of(poll.job))
    return phase is not None and phase.outcome == "waiting" and not phase.detailed


def _detailed_at(poll: Poll) -> float:
    return poll.detailed_at


def may_be_stuck(poll: Poll, now: float, policy: Policy) -> bool:
    """Tell whether a request is to be looked at, because no change of it is known for some time."""
    step_s = policy.stall_s / STEPS
    return now - _stirred_at(poll.job) >= step_s and now - poll.detailed_at >= step_s


def request_of(job: Job) -> Submission:
    """Return the request of a job in the cloud."""
    if job.submission is None:  # pragma: no cover - the table gives every such state a submission
        raise TypeError(f"job {job.id} in state {job.state} has no request id")
    return job.submission


# --- What an answer means ----------------------------------------------------------------------------------


def answered(job: Job, phase: Phase, now: float, policy: Policy) -> Event | None:
    """Return what follows from how far a request is; None when there is nothing to record."""
    match phase.outcome:
        case "ready" if job.destination.remote is not None:
            return Delivered(job.id, now, _delivery(job, job.destination.remote, phase))
        case "ready":
            return CloudReady(job.id, now, _merged(request_of(job), phase.submission))
        case "failed":
            reason = f"the service reports {phase.word!r}: {phase.reason or 'no reason given'}"
            return Failed(job.id, now, bounded(reason), request_failed=True)
        case _:
            return _waited(job, phase, now, policy)


def _delivery(job: Job, target: RemoteTarget, phase: Phase) -> Delivery:
    told = _merged(request_of(job), phase.submission)
    return Delivery(target.account, target.folder, told.name or job.link.name, phase.progress.total_bytes)


def _waited(job: Job, phase: Phase, now: float, policy: Policy) -> Event | None:
    quiet_s = now - _stirred_at(job)
    mark = _mark(phase)
    if phase.detailed and mark == job.mark and quiet_s >= policy.stall_s:
        told = f"{phase.word!r} ({phase.progress.note})" if phase.progress.note else f"{phase.word!r}"
        reason = f"nothing has changed for {quiet_s / 3600:.0f} h, the service still reports {told}"
        advice = "try another source, or `offcloud-watchd retry`"
        return Failed(job.id, now, bounded(f"{reason}; {advice}"))
    if phase.detailed and mark != job.mark and quiet_s >= policy.stall_s / STEPS:
        return Stirred(job.id, now, mark)
    # Failures count in a row: a job that is in the cloud for weeks meets many, far apart.
    return Resumed(job.id, now) if job.attempts else None


def _stirred_at(job: Job) -> float:
    return max(job.stirred_at, job.changed_at)


def _mark(phase: Phase) -> str:
    """Name what a request has come to; notes and speeds do not count: they change in a dead one too."""
    progress = phase.progress
    came_to = (
        phase.word,
        phase.submission.name,
        progress.done_bytes,
        progress.total_bytes,
        progress.fraction,
    )
    return hashlib.sha256(repr(came_to).encode("utf-8", "surrogateescape")).hexdigest()[:8]


def ready_at_once(job: Job, event: Submitted) -> CloudReady | None:
    """Tell whether a request was ready when it was handed in or found: then there is nothing to ask.

    What is sent to a remote account is asked about: its size is told by its status alone.
    """
    if event.submission.status not in READY_WORDS or job.destination.remote is not None:
        return None
    return CloudReady(event.job_id, event.at, event.submission)


def is_missing(poll: Poll, found: Sequence[Sought], as_of: float, now: float, policy: Policy) -> bool:
    """Tell whether a request of which nothing is told is gone: the account does not list it, late enough.

    ``found`` are the live entries for the job's link in a listing that was taken at ``as_of``.
    """
    if any(one.request_id == request_of(poll.job).request_id for one in found):
        return False
    return (poll.there_at or recorded_at(poll.job)) + policy.history_lag_s <= as_of <= now


def recorded_at(job: Job) -> float:
    """Return since when a request is there, by the clock as it went then."""
    return max(job.changed_at, job.doubted_at)


def _merged(old: Submission, new: Submission) -> Submission:
    """Keep what an earlier answer told and a later one leaves out; the request id never changes."""
    return replace(
        old,
        status=new.status or old.status,
        name=new.name or old.name,
        url=new.url or old.url,
        server=new.server or old.server,
    )
