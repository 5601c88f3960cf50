"""A job's life: what can happen (``TRANSITIONS``) and what it changes (``evolve``).

Rules of this file:

* All that can happen to a job is one line of ``TRANSITIONS``. Whatever is not there raises before the journal
  is touched, and nothing has changed.
* Everything is a function of its arguments. What is owed follows from the state alone (``planning``), what a
  failure means is decided in one place (``verdicts``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, assert_never

from offcloud_watchd.core.events import (
    Answered,
    Attached,
    Cleared,
    CloudReady,
    Deferred,
    Delivered,
    Discarded,
    DroppedAgain,
    Event,
    Failed,
    Granted,
    Imported,
    Kept,
    NotFound,
    Published,
    Queued,
    Recalled,
    Recategorized,
    Removed,
    Reported,
    Requeued,
    Resumed,
    Stirred,
    Submitted,
    Submitting,
    Vanished,
    Withdrawn,
)
from offcloud_watchd.core.frozen import changer, maker
from offcloud_watchd.core.model import Destination, Drop, Job, JobState, RemoteTarget, Removal, Route

if TYPE_CHECKING:  # the type checker knows their arguments
    from dataclasses import replace

    _made = Job
else:
    replace, _made = changer(Job), maker(Job)

TRANSITIONS: Final[Mapping[JobState, Mapping[type[Event], JobState]]] = {
    JobState.QUEUED: {
        Attached: JobState.QUEUED,
        Submitting: JobState.QUEUED,
        Recalled: JobState.QUEUED,
        NotFound: JobState.QUEUED,
        Deferred: JobState.QUEUED,
        Resumed: JobState.QUEUED,
        Submitted: JobState.CLOUD,
        Answered: JobState.QUEUED,
        Granted: JobState.FETCHING,
        Recategorized: JobState.QUEUED,
        Failed: JobState.FAILED,
        Removed: JobState.REMOVED,
    },
    JobState.CLOUD: {
        Attached: JobState.CLOUD,
        Deferred: JobState.CLOUD,
        Resumed: JobState.CLOUD,
        Stirred: JobState.CLOUD,
        Vanished: JobState.QUEUED,
        CloudReady: JobState.FETCHING,
        Delivered: JobState.DONE,
        Recategorized: JobState.CLOUD,
        Failed: JobState.FAILED,
        Removed: JobState.REMOVED,
    },
    JobState.FETCHING: {
        Attached: JobState.FETCHING,
        Deferred: JobState.FETCHING,
        Resumed: JobState.FETCHING,
        Vanished: JobState.QUEUED,
        Published: JobState.DONE,
        Recategorized: JobState.FETCHING,
        Failed: JobState.FAILED,
        Removed: JobState.REMOVED,
    },
    JobState.DONE: {
        Imported: JobState.DONE,
        Cleared: JobState.DONE,
        Deferred: JobState.DONE,
        DroppedAgain: JobState.CHECKING,
        Requeued: JobState.QUEUED,
        Recategorized: JobState.DONE,
        Removed: JobState.REMOVED,
    },
    JobState.CHECKING: {
        Attached: JobState.CHECKING,
        Deferred: JobState.CHECKING,
        Kept: JobState.DONE,
        Requeued: JobState.QUEUED,
        Recategorized: JobState.CHECKING,
        Failed: JobState.FAILED,
        Removed: JobState.REMOVED,
    },
    JobState.FAILED: {
        Recalled: JobState.FAILED,
        Answered: JobState.FAILED,
        NotFound: JobState.FAILED,
        Reported: JobState.FAILED,
        Deferred: JobState.FAILED,
        Requeued: JobState.QUEUED,
        Recategorized: JobState.FAILED,
        Removed: JobState.REMOVED,
    },
    JobState.REMOVED: {
        Recalled: JobState.REMOVED,
        Answered: JobState.REMOVED,
        NotFound: JobState.REMOVED,
        Reported: JobState.REMOVED,
        Cleared: JobState.REMOVED,
        Withdrawn: JobState.REMOVED,
        Deferred: JobState.REMOVED,
    },
}
"""State and event give the next state. Not in the table: ``Queued``, which makes a job where there is none,
and ``Discarded``, which takes a REMOVED job out of the fold, or out of sight: one that had something sent
elsewhere is remembered for good."""

OWES: Final[Mapping[JobState, str]] = {
    JobState.QUEUED: "Submit",
    JobState.CLOUD: "Poll",
    JobState.FETCHING: "Fetch",
    JobState.CHECKING: "Inspect",
    JobState.REMOVED: "Discard",
}
"""The effect each open state owes.

DONE owes at the most a Trace (``Job.to_import``), a Clear (``Job.to_clear``) and a Leave (``Job.leaves_at``),
FAILED a Report (``Job.to_report``) and an Adopt (``Job.doubtful``); REMOVED owes Clear, Report and Adopt
first.
"""

MAX_WAIT_S: Final = 6 * 3600.0
"""Nothing waits longer; what seems to was recorded before the clock was set back, and is due."""

MAX_REASON_CHARS: Final = 2000
"""A reason is kept in the journal; whatever a server says is cut to this."""

MAX_DROPS: Final = 256
MAX_COMMANDS: Final = 32
MAX_SENT: Final = 64
MAX_SPENT: Final = 2 * MAX_SENT
"""What a job keeps of its past is bounded, however often it is dropped again."""


class IllegalTransition(ValueError):  # noqa: N818 - the noun says it
    """An event does not fit the state of its job: a bug, never an answer of the outside world."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How patient we are (times in seconds), and what is done about what has come to its end.

    ``max_contradictions``: after so many attempts a size that is still told in two ways is a failure.
    ``stall_s``: a request in which nothing changes for so long is given up (infinity: never).
    ``remove``: when the account is to be rid of it. ``reported``: the categories of the *arr tools that
    are told of a failure.
    """

    backoff_min_s: float = 5.0
    backoff_max_s: float = 3600.0
    max_attempts: int = 60
    max_contradictions: int = 6  # two minutes or so: a copy that is being made has its size by then
    poll_min_s: float = 5.0
    poll_max_s: float = 300.0
    history_lag_s: float = 150.0  # 120 s of lag, and the time a POST may take to have its effect
    stall_s: float = 24 * 3600.0
    requests_per_minute: int = 120
    remove: Removal = Removal.NEVER
    reported: frozenset[str] = frozenset()


def bounded(reason: str) -> str:
    """Cut a text that came from outside to what a record should hold."""
    return reason if len(reason) <= MAX_REASON_CHARS else f"{reason[: MAX_REASON_CHARS - 1]}…"


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
        if job.state is not JobState.REMOVED or job.remembered:
            raise IllegalTransition(f"Discarded for job {job.id} in state {job.state}")
        return replace(job, remembered=True, retry_at=0.0, reason="") if job.sent else None
    after = TRANSITIONS[job.state].get(type(event))
    if after is None:
        raise IllegalTransition(f"{type(event).__name__} for job {job.id} in state {job.state}")
    return _applied(job, event, after)


def _born(event: Queued) -> Job:
    return _made(
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
    # A start does this for every record: what a job that goes well meets stands first.
    entered = partial(replace, job, state=after, changed_at=event.at, attempts=0, retry_at=0.0, reason="")
    match event:
        case Submitting(at=at):
            unsure = job.destination.route.makes_items
            posted_at = _later(at, job.posted_at)
            return replace(job, posted_at=posted_at, unsure=unsure, doubted_at=at, posted_to=None)
        case Answered():
            return _answered(job, event)
        case Submitted() | Granted():
            return _submitted(job, entered, event)
        case CloudReady(submission=submission):
            return entered(submission=submission)
        case Published(at=at, publication=publication, clear=clear, until_imported=later):
            return entered(publication=publication, published_at=at, to_clear=clear, to_import=later)
        case Imported(leaves_at=leaves_at):
            return replace(job, to_import=False, to_clear=_has_request(job), leaves_at=leaves_at)
        case Attached(drop=drop):
            return replace(job, drops=_with_drop(job, drop))
        case Recalled(at=at, posted_at=posted_at):
            return replace(job, posted_at=posted_at, unsure=True, doubted_at=at)
        case NotFound():
            return replace(job, unsure=False, retry_at=0.0, posted_to=None)
        case Stirred(at=at, mark=mark):
            return replace(job, attempts=0, retry_at=0.0, reason="", mark=mark, stirred_at=at)
        case Vanished():
            return _vanished(job, entered, event)
        case Cleared(reason=reason):
            cleared = replace(job, attempts=0, retry_at=0.0, reason=reason)
            return replace(cleared, to_clear=False, to_import=False)
        case Delivered(delivery=delivery):
            return entered(delivery=delivery)
        case DroppedAgain(drop=drop):
            # Whoever drops it again is to have it: its entry stays until that was imported, too.
            to_import = job.to_import or job.leaves_at > 0
            to_clear = job.to_clear and not to_import
            drops = _with_drop(job, drop)
            return entered(drops=drops, to_import=to_import, to_clear=to_clear, leaves_at=0.0)
        case Kept(command=command):
            return entered(commands=_with_command(job, command))
        case Deferred():
            return _deferred(job, event)
        case Resumed(command=command):
            return replace(job, attempts=0, retry_at=0.0, reason="", commands=_with_command(job, command))
        case Failed():
            return _failed(job, entered, event)
        case Reported():
            return replace(job, attempts=0, retry_at=0.0, to_report=False)
        case Requeued():
            return _requeued(job, entered, event)
        case Recategorized(destination=destination, command=command):
            return replace(job, destination=destination, commands=_with_command(job, command))
        case Removed(files=files, command=command):
            # A tool that imports has the entry removed, and that is all we may hear of it.
            to_clear = job.to_clear or (job.to_import and _has_request(job))
            commands = _with_command(job, command)
            return entered(remove_files=files, commands=commands, to_clear=to_clear, to_import=False)
        case Withdrawn():
            return replace(job, attempts=0, retry_at=0.0, reason="", remove_files=False)
        case Queued() | Discarded():  # pragma: no cover - evolve deals with both
            raise IllegalTransition(type(event).__name__)
        case _:  # pragma: no cover - the type checker proves it
            assert_never(event)


def _later(at: float, known: float | None) -> float:
    """Name a POST: by its time, or just after the one known when the clock was set back in between."""
    return at if known is None or at > known else math.nextafter(known, math.inf)


def _has_request(job: Job) -> bool:
    return job.destination.route is Route.CLOUD


def _with_drop(job: Job, drop: Drop) -> tuple[Drop, ...]:
    return (*job.drops[:1], *job.drops[1:][-(MAX_DROPS - 2) :], drop)


def _with_command(job: Job, command: str) -> tuple[str, ...]:
    return (*job.commands[-(MAX_COMMANDS - 1) :], command) if command else job.commands


def _submitted(job: Job, entered: Callable[..., Job], event: Submitted | Granted) -> Job:
    posted_at, told_at = job.posted_at, event.posted_at
    if posted_at is None or (told_at is not None and told_at > posted_at):
        posted_at = told_at
    # The POST had its effect by now: should the request be searched for later, its lag counts from here.
    return entered(
        submission=event.submission,
        posted_at=posted_at,
        unsure=False,
        posted_to=None,
        doubted_at=event.at,
        failed_request="",
        mark="",
        stirred_at=0.0,
        sent=_with_sent(job, event.submission.request_id),
    )


def _answered(job: Job, event: Answered) -> Job:
    request_id = event.submission.request_id
    if job.state is JobState.QUEUED or job.posted_to is not None:
        # It goes another way by now, on which that transfer is none of its own.
        sent = (*job.sent[-(MAX_SENT - 1) :], request_id)
        unsure = job.unsure and job.posted_to is None  # else this was the answer to the open intent
        return replace(
            job, sent=sent, spent=_with_spent(job.spent, request_id), unsure=unsure, posted_to=None
        )
    return replace(
        job,
        submission=event.submission,
        sent=_with_sent(job, request_id),
        unsure=False,
        doubted_at=event.at,
        attempts=0,
        retry_at=0.0,
    )


def _with_sent(job: Job, request_id: str) -> tuple[str, ...]:
    if job.destination.route is not Route.REMOTE or request_id in job.sent:
        return job.sent
    return (*job.sent[-(MAX_SENT - 1) :], request_id)


def _failed(job: Job, entered: Callable[..., Job], event: Failed) -> Job:
    given_up = event.request_failed and job.submission is not None
    return entered(
        reason=event.reason,
        commands=_with_command(job, event.command),
        to_report=event.report,
        unsure=job.unsure and not event.intent_closed,
        failed_request=job.submission.request_id if given_up and job.submission else job.failed_request,
    )


def _vanished(job: Job, entered: Callable[..., Job], event: Vanished) -> Job:
    return entered(
        submission=None,
        # What was lost may only be hidden: the account is searched before anything is posted again.
        unsure=job.posted_at is not None and job.destination.route.makes_items,
        # The clock may have been set back since: a search would wait until it is that late again.
        doubted_at=min(job.doubted_at, event.at),
        round=job.round + 1,
        vanished=job.submission.request_id if job.submission is not None else job.vanished,
    )


def _deferred(job: Job, event: Deferred) -> Job:
    return replace(
        job,
        attempts=job.attempts + event.charged,
        retry_at=event.retry_at,
        # Why a failure could not be told yet is nothing beside why it failed.
        reason=job.reason if job.state is JobState.FAILED else event.reason,
        unsure=job.unsure and not event.intent_closed,
        doubted_at=event.at if event.maybe_sent else job.doubted_at,
    )


def _requeued(job: Job, entered: Callable[..., Job], event: Requeued) -> Job:
    return entered(
        drops=job.drops if event.drop is None else _with_drop(job, event.drop),
        destination=event.destination or job.destination,
        submission=None,
        publication=None,
        delivery=None,
        to_clear=False,
        to_report=False,
        to_import=False,
        leaves_at=0.0,
        spent=_spent_of(job, event.destination or job.destination),
        published_at=0.0,
        # The account may hold the content still: it is searched before anything is posted again. An answered
        # POST shows in the history since long; of one that was not, nobody knows when it had its effect.
        unsure=job.posted_at is not None and job.destination.route.makes_items,
        posted_to=_posted_to(job, event.destination or job.destination),
        doubted_at=event.at if job.unsure else min(job.doubted_at, event.at),
        commands=_with_command(job, event.command),
        round=job.round + 1,
        vanished="",
    )


def _spent_of(job: Job, goes_to: Destination) -> tuple[str, ...]:
    """Return what is never taken for the next round's: what was delivered, and what went another way."""
    done = [job.submission.request_id] if job.delivery is not None and job.submission is not None else []
    astray = [] if goes_to.way == job.destination.way else job.sent
    return _with_spent(job.spent, *done, *astray)


def _posted_to(job: Job, goes_to: Destination) -> RemoteTarget | None:
    """Return the remote account for which an open intent was, where the next round goes to another one.

    What a search finds then is not the next round's.
    """
    meant = job.posted_to or job.destination.remote
    return meant if job.unsure and goes_to.remote not in (None, meant) else None


def _with_spent(spent: tuple[str, ...], *request_ids: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*spent, *request_ids)))[-MAX_SPENT:]


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
