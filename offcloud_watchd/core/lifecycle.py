"""A job's life: what can happen (``TRANSITIONS``), what it changes (``evolve``), what is owed (``plan``).

Rules of this file:

* All that can happen to a job is one line of ``TRANSITIONS``. Whatever is not there raises before the journal
  is touched, and nothing has changed.
* ``plan`` looks at the state and never at how it came about, so starting, restarting, retrying and normal
  running are one code path.
* ``judge`` is the only place where a failure becomes an event; retry-after, back-off and giving up live here.
* Everything is a function of its arguments. Even the jitter of a back-off is computed from the job's id.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, assert_never

from offcloud_watchd.core.model import (
    Adopt,
    Attached,
    CloudReady,
    Deferred,
    Discard,
    Discarded,
    Effect,
    Event,
    Failed,
    Fetch,
    Job,
    JobState,
    Lane,
    NotFound,
    Poll,
    Published,
    Queued,
    Recalled,
    Removed,
    Requeued,
    Share,
    Submission,
    Submit,
    Submitted,
    Submitting,
)
from offcloud_watchd.errors import Blocked, Cancelled, Gone, Permanent, Transient

TRANSITIONS: Final[Mapping[JobState, Mapping[type[Event], JobState]]] = {
    JobState.QUEUED: {
        Attached: JobState.QUEUED,
        Submitting: JobState.QUEUED,
        Recalled: JobState.QUEUED,
        NotFound: JobState.QUEUED,
        Deferred: JobState.QUEUED,
        Submitted: JobState.CLOUD,
        Failed: JobState.FAILED,
        Removed: JobState.REMOVED,
    },
    JobState.CLOUD: {
        Attached: JobState.CLOUD,
        Deferred: JobState.CLOUD,
        CloudReady: JobState.FETCHING,
        Failed: JobState.FAILED,
        Removed: JobState.REMOVED,
    },
    JobState.FETCHING: {
        Attached: JobState.FETCHING,
        Deferred: JobState.FETCHING,
        Published: JobState.DONE,
        Failed: JobState.FAILED,
        Removed: JobState.REMOVED,
    },
    JobState.DONE: {Requeued: JobState.QUEUED, Removed: JobState.REMOVED},
    JobState.FAILED: {Requeued: JobState.QUEUED, Removed: JobState.REMOVED},
    JobState.REMOVED: {Deferred: JobState.REMOVED},
}
"""State and event give the next state. Not in the table: ``Queued``, which makes a job where there is none,
and ``Discarded``, which takes a REMOVED job out of the fold."""

OWES: Final[Mapping[JobState, str]] = {
    JobState.QUEUED: "Submit",
    JobState.CLOUD: "Poll",
    JobState.FETCHING: "Fetch",
    JobState.REMOVED: "Discard",
}
"""The effect each open state owes; DONE and FAILED owe nothing."""

MAX_RETRY_AFTER_S: Final = 6 * 3600.0


class IllegalTransition(ValueError):  # noqa: N818 - the noun says it
    """An event does not fit the state of its job: a bug, never an answer of the outside world."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How patient we are. Times in seconds."""

    backoff_min_s: float = 5.0
    backoff_max_s: float = 3600.0
    max_attempts: int = 60
    poll_min_s: float = 5.0
    poll_max_s: float = 300.0
    history_lag_s: float = 150.0  # 120 s of lag, and the time a POST may take to have its effect


@dataclass(frozen=True, slots=True)
class Plan:
    """What is due now, and when the next thing will be (None: nothing waits for the clock)."""

    effects: tuple[Effect, ...]
    next_due_at: float | None


# --- The fold ----------------------------------------------------------------------------------------------


def evolve(job: Job | None, event: Event) -> Job | None:
    """Return the job after the event; None when it left the fold. Total over ``TRANSITIONS``.

    Raises ``IllegalTransition`` and changes nothing when the event does not fit.
    """
    if isinstance(event, Queued):
        if job is not None:
            raise IllegalTransition(f"Queued for job {job.id}, which exists already ({job.state})")
        return _born(event)
    if job is None:
        raise IllegalTransition(f"{type(event).__name__} for job {event.job_id}, which does not exist")
    if isinstance(event, Discarded):
        if job.state is not JobState.REMOVED:
            raise IllegalTransition(f"Discarded for job {job.id} in state {job.state}")
        return None
    after = TRANSITIONS[job.state].get(type(event))
    if after is None:
        raise IllegalTransition(f"{type(event).__name__} for job {job.id} in state {job.state}")
    return _applied(job, event, after)


def _born(event: Queued) -> Job:
    return Job(
        id=event.job_id,
        link=event.link,
        drops=(event.drop,),
        destination=event.destination,
        release=event.release,
        state=JobState.QUEUED,
        queued_at=event.at,
        changed_at=event.at,
    )


def _applied(job: Job, event: Event, after: JobState) -> Job:  # noqa: C901, PLR0911, PLR0912 - flat
    entered = replace(job, state=after, changed_at=event.at, attempts=0, retry_at=0.0, reason="")
    match event:
        case Attached(drop=drop):
            return replace(job, drops=(*job.drops, drop))
        case Submitting(at=at):
            return replace(job, posted_at=at, unsure=True)
        case Recalled(posted_at=posted_at):
            return replace(job, posted_at=posted_at, unsure=True)
        case NotFound():
            return replace(job, unsure=False, retry_at=0.0)
        case Submitted(submission=submission):
            return replace(entered, submission=submission, unsure=False)
        case CloudReady(submission=submission):
            return replace(entered, submission=submission)
        case Published(publication=publication):
            return replace(entered, publication=publication)
        case Deferred():
            return _deferred(job, event)
        case Failed(reason=reason, command=command):
            return replace(entered, reason=reason, last_command=command or job.last_command)
        case Requeued():
            return _requeued(job, entered, event)
        case Removed(files=files, command=command):
            return replace(entered, remove_files=files, last_command=command or job.last_command)
        case Queued() | Discarded():  # pragma: no cover - evolve deals with both
            raise IllegalTransition(type(event).__name__)
        case _:  # pragma: no cover - the type checker proves it
            assert_never(event)


def _deferred(job: Job, event: Deferred) -> Job:
    return replace(
        job,
        attempts=job.attempts + event.charged,
        retry_at=event.retry_at,
        reason=event.reason,
        unsure=job.unsure and not event.intent_closed,
    )


def _requeued(job: Job, entered: Job, event: Requeued) -> Job:
    return replace(
        entered,
        drops=job.drops if event.drop is None else (*job.drops, event.drop),
        submission=None,
        publication=None,
        # The account may hold the content still: it is searched before anything is posted again.
        unsure=job.posted_at is not None,
        last_command=event.command or job.last_command,
        round=job.round + 1,
    )


def fold(events: Iterable[Event]) -> dict[str, Job]:
    """Return the jobs that a sequence of events leaves, by id."""
    jobs: dict[str, Job] = {}
    for event in events:
        apply(jobs, event)
    return jobs


def apply(jobs: dict[str, Job], event: Event) -> Job | None:
    """Let one event change the jobs in place; return the job after it, None when it left."""
    after = evolve(jobs.get(event.job_id), event)
    if after is None:
        del jobs[event.job_id]
    else:
        jobs[after.id] = after
    return after


# --- The plan ----------------------------------------------------------------------------------------------


def plan(
    open_jobs: Iterable[Job],
    now: float,
    *,
    busy: Collection[str],
    free: Mapping[Lane, int],
    poll_at: Mapping[str, float],
) -> Plan:
    """Name the effects that are due, oldest first, no more of a lane than it has ``free`` places.

    ``busy`` holds the ids of jobs with an effect in flight. ``poll_at`` says when a CLOUD job is next asked
    for (a job that is not in it: now). Jobs that owe nothing are passed over.
    """
    jobs = list(open_jobs)
    leaders, held = _groups(jobs)
    waiting: dict[Lane, list[tuple[float, str, Effect]]] = {Lane.API: [], Lane.FETCH: [], Lane.DISK: []}
    shares: list[Effect] = []
    next_due_at: float | None = None
    for job in jobs:
        if job.id in busy:
            continue
        effect = _owed(job, leaders, held)
        if effect is None:
            continue
        due_at = max(job.retry_at, poll_at.get(job.id, 0.0) if isinstance(effect, Poll) else 0.0)
        if due_at > now:
            next_due_at = due_at if next_due_at is None else min(next_due_at, due_at)
        elif isinstance(effect, Share):
            shares.append(effect)
        else:
            waiting[effect.lane].append((max(due_at, job.changed_at), job.id, effect))
    chosen = [entry for lane, row in waiting.items() for entry in heapq.nsmallest(free.get(lane, 0), row)]
    return Plan((*shares, *(effect for _, _, effect in chosen)), next_due_at)


def _groups(jobs: Iterable[Job]) -> tuple[dict[tuple[str, str], Job], dict[tuple[str, str], Submission]]:
    """Find, for each content and route, the job that may submit it and the request that is held already."""
    leaders: dict[tuple[str, str], Job] = {}
    held: dict[tuple[str, str], Submission] = {}
    for job in jobs:
        group = (job.link.key, job.destination.route)
        if job.state is JobState.QUEUED:
            leader = leaders.get(group)
            # An unsure job leads: another must not post what may have been taken already.
            if leader is None or _rank(job) < _rank(leader):
                leaders[group] = job
        elif job.state in (JobState.CLOUD, JobState.FETCHING) and job.submission is not None:
            held[group] = job.submission
    return leaders, held


def _rank(job: Job) -> tuple[bool, float, str]:
    return (not job.unsure, job.queued_at, job.id)


def _owed(  # noqa: PLR0911 - flat, one case a state
    job: Job, leaders: Mapping[tuple[str, str], Job], held: Mapping[tuple[str, str], Submission]
) -> Effect | None:
    match job.state:
        case JobState.QUEUED:
            group = (job.link.key, job.destination.route)
            if group in held:
                return Share(job, held[group])
            if leaders[group] is not job:
                return None
            return Adopt(job) if job.unsure else Submit(job)
        case JobState.CLOUD:
            return Poll(job)
        case JobState.FETCHING:
            return Fetch(job)
        case JobState.REMOVED:
            return Discard(job)
        case JobState.DONE | JobState.FAILED:
            return None
        case _:  # pragma: no cover - the type checker proves it
            assert_never(job.state)


def poll_delay_s(job: Job, now: float, policy: Policy) -> float:
    """Tell how long to wait before asking again: an eighth of the age of the state, within the bounds."""
    return min(max((now - job.changed_at) / 8, policy.poll_min_s), policy.poll_max_s)


# --- Verdicts on failures ----------------------------------------------------------------------------------


def judge(effect: Effect, error: BaseException, now: float, policy: Policy) -> Event | None:
    """Turn a failed effect into the event to record; None when there is nothing to record.

    ``Blocked`` and ``Cancelled`` charge nobody; of a submission they mean that nothing was taken, so its
    intent is closed. An exception of no class of ours is a bug: it is charged like a transient failure, so
    that one item which always raises ends as FAILED and the others go on.
    """
    job = effect.job
    if isinstance(error, (Blocked, Cancelled)):
        if not isinstance(effect, Submit):
            return None
        return Deferred(job.id, now, str(error), retry_at=0.0, charged=False, intent_closed=True)
    if isinstance(error, Gone):
        advice = "it was deleted in the account; `offcloud-watchd retry` submits it again"
        return _given_up(effect, now, f"{error} ({advice})")
    if isinstance(error, Permanent):
        return _given_up(effect, now, str(error))
    transient = isinstance(error, Transient)
    reason = str(error) if transient else f"internal error {type(error).__name__}: {error}"
    if job.attempts + 1 >= policy.max_attempts:
        return _given_up(effect, now, f"given up after {policy.max_attempts} attempts, the last: {reason}")
    asked_s = error.retry_after_s if isinstance(error, Transient) else None
    return Deferred(
        job.id,
        now,
        reason,
        retry_at=now + _delay_s(job, asked_s, policy),
        # A bug may strike after the request went out, so its intent stays open.
        intent_closed=isinstance(effect, Submit) and isinstance(error, Transient) and not error.maybe_sent,
    )


def _given_up(effect: Effect, now: float, reason: str) -> Event:
    if effect.job.state is JobState.REMOVED:  # it cannot fail, only wait: what it left must not be forgotten
        return Deferred(effect.job.id, now, reason, retry_at=now + MAX_RETRY_AFTER_S)
    return Failed(effect.job.id, now, reason)


def _delay_s(job: Job, asked_s: float | None, policy: Policy) -> float:
    """Compute the back-off: doubling, capped, jitter down to a half; never sooner than was asked."""
    doubled = policy.backoff_min_s * 2.0 ** min(job.attempts, 30)
    digest = hashlib.sha256(f"{job.id}/{job.attempts}".encode()).digest()
    jitter = 0.5 + int.from_bytes(digest[:4], "big") / 2**33
    own = min(doubled, policy.backoff_max_s) * jitter
    if asked_s is None:
        return own
    return max(own, min(max(asked_s, 1.0), MAX_RETRY_AFTER_S))


def recalled(job: Job, relatives: Iterable[Job], now: float) -> Event | None:
    """Tell whether another job's POST for the same content must be searched for before this job's own.

    ``relatives`` are the jobs with the same key, in any state and category. The job remembers the latest POST
    it has searched for, so each is searched for once.
    """
    posted = [one.posted_at for one in relatives if one.id != job.id and one.posted_at is not None]
    if posted and (job.posted_at is None or max(posted) > job.posted_at):
        return Recalled(job.id, now, max(posted))
    return None


def searched(job: Job, found: Submission | None, as_of: float, now: float, policy: Policy) -> Event:
    """Judge a search of the account for an open intent; ``as_of`` is when the listing was taken.

    The history may lag behind, so an entry that is missing too early proves nothing: the job waits.
    """
    if found is not None:
        return Submitted(job.id, now, found, adopted=True)
    if as_of - (job.posted_at or 0.0) >= policy.history_lag_s:
        return NotFound(job.id, now)
    wait_s = min(max(policy.history_lag_s / 4, 1.0), 30.0)
    reason = "the submission was not answered and is not in the account's history yet; looking again"
    return Deferred(job.id, now, reason, retry_at=now + wait_s, charged=False)


# --- The picture -------------------------------------------------------------------------------------------


def life_diagram() -> str:
    """Draw ``TRANSITIONS`` as a Mermaid state diagram; ARCHITECTURE.md holds it and a test compares."""
    lines = ["stateDiagram-v2", "    [*] --> QUEUED: Queued"]
    for state, row in TRANSITIONS.items():
        arrows: dict[JobState, list[str]] = {}
        for event, after in row.items():
            arrows.setdefault(after, []).append(event.__name__)
        lines += [f"    {state.name} --> {after.name}: {', '.join(names)}" for after, names in arrows.items()]
    lines.append("    REMOVED --> [*]: Discarded")
    lines += [f"    note right of {state.name}: owes {effect}" for state, effect in OWES.items()]
    return "\n".join(lines) + "\n"
