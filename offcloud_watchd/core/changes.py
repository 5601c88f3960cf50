"""What each event changes of a job, once it is known to fit. Pure.

Rules of this file:

* Whether an event fits is not asked here: that is ``lifecycle``'s.
* An event that leads to another state clears the attempts, the wait and the reason of the one before, and
  what was seen of the request there.
* What a job keeps of its past is bounded, however often it is dropped again.
"""

from __future__ import annotations

import math
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
from offcloud_watchd.core.model import Destination, Drop, Job, JobState, Route

if TYPE_CHECKING:  # the type checker knows their arguments
    from dataclasses import replace
    from dataclasses import replace as _entered
    from dataclasses import replace as _posted
    from dataclasses import replace as _published_as
    from dataclasses import replace as _ready
    from dataclasses import replace as _taken

    _made = Job
else:
    _LEFT = {"attempts": 0, "retry_at": 0.0, "reason": "", "mark": "", "stirred_at": 0.0}
    replace = changer(Job)
    _entered = changer(Job, **_LEFT)
    # A start makes jobs, and changes them, almost only in these ways.
    _made = maker(Job, "id", "link", "drops", "destination", "release", "state", "queued_at", "changed_at")
    _posted = changer(Job, "posted_at", "unsure", "doubted_at")
    _taken = changer(
        Job,
        *("state", "changed_at", "submission", "posted_at", "unsure", "doubted_at", "failed_request", "sent"),
        **_LEFT,
    )
    _ready = changer(Job, "state", "changed_at", "submission", **_LEFT)
    _published_as = changer(
        Job, *("state", "changed_at", "publication", "published_at", "to_clear", "to_import"), **_LEFT
    )

MAX_DROPS: Final = 256
MAX_COMMANDS: Final = 32
MAX_SENT: Final = 64
MAX_SPENT: Final = 2 * MAX_SENT


def born(event: Queued) -> Job:
    """Return the job that an event makes."""
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


def discarded(job: Job) -> Job | None:
    """Return what stays of a job that leaves: who had something sent elsewhere is remembered."""
    return replace(job, remembered=True, retry_at=0.0, reason="") if job.sent else None


def changed(job: Job, event: Event, after: JobState) -> Job:  # noqa: C901, PLR0911, PLR0912 - flat
    """Return the job after an event that fits its state; ``after`` is the state that it leads to.

    One case an event, and not a table: so the type checker proves that none is left out.
    """
    # A start does this for every record: what a job that goes well meets stands first.
    match event:
        case Submitting(at=at):
            unsure = job.destination.route.makes_items
            posted_at = _later(at, job.posted_at)
            return _posted(job, posted_at=posted_at, unsure=unsure, doubted_at=at)
        case Submitted() | Granted():
            return _submitted(job, after, event)
        case CloudReady(submission=submission):
            return _ready(job, state=after, changed_at=event.at, submission=submission)
        case Published():
            return _published(job, after, event)
        case Imported(leaves_at=leaves_at):
            return replace(job, to_import=False, to_clear=_has_request(job), leaves_at=leaves_at)
        case Attached(drop=drop):
            return replace(job, drops=_with_drop(job, drop))
        case Recalled(at=at, posted_at=posted_at):
            return replace(job, posted_at=posted_at, unsure=True, doubted_at=at)
        case NotFound():
            return replace(job, unsure=False, retry_at=0.0)
        case Stirred(at=at, mark=mark):
            return replace(job, attempts=0, retry_at=0.0, reason="", mark=mark, stirred_at=at)
        case Answered():
            return _answered(job, event)
        case Vanished():
            return _vanished(job, after, event)
        case Cleared(reason=reason):
            return replace(job, attempts=0, retry_at=0.0, reason=reason, to_clear=False, to_import=False)
        case Delivered(delivery=delivery):
            return _entered(job, state=after, changed_at=event.at, delivery=delivery)
        case DroppedAgain():
            return _dropped_again(job, after, event)
        case Kept(command=command):
            commands = _with_command(job, command)
            return _entered(job, state=after, changed_at=event.at, commands=commands, moves_to=None)
        case Deferred():
            return _deferred(job, event)
        case Resumed(command=command):
            return replace(job, attempts=0, retry_at=0.0, reason="", commands=_with_command(job, command))
        case Failed():
            return _failed(job, after, event)
        case Reported():
            return replace(job, attempts=0, retry_at=0.0, to_report=False)
        case Requeued():
            return _requeued(job, after, event)
        case Recategorized(destination=destination, command=command):
            return replace(job, destination=destination, commands=_with_command(job, command))
        case Removed():
            return _removed(job, after, event)
        case Withdrawn():
            return replace(job, attempts=0, retry_at=0.0, reason="", remove_files=False)
        case Queued() | Discarded():  # pragma: no cover - evolve deals with both
            raise AssertionError(type(event).__name__)
        case _:  # pragma: no cover - the type checker proves it
            assert_never(event)


def _later(at: float, known: float | None) -> float:
    """Name a POST: by its time, or just after the one known when the clock was set back in between."""
    return at if known is None or at > known else math.nextafter(known, math.inf)


def _has_request(job: Job) -> bool:
    """Tell whether something of it is in the account; a repair may have lost what."""
    return job.destination.route is Route.CLOUD and job.submission is not None


def _with_drop(job: Job, drop: Drop) -> tuple[Drop, ...]:
    return (*job.drops[:1], *job.drops[1:][-(MAX_DROPS - 2) :], drop)


def _with_command(job: Job, command: str) -> tuple[str, ...]:
    return (*job.commands[-(MAX_COMMANDS - 1) :], command) if command else job.commands


def _submitted(job: Job, after: JobState, event: Submitted | Granted) -> Job:
    posted_at, told_at = job.posted_at, event.posted_at
    if posted_at is None or (told_at is not None and told_at > posted_at):
        posted_at = told_at
    # The POST had its effect by now: should the request be searched for later, its lag counts from here.
    return _taken(
        job,
        state=after,
        changed_at=event.at,
        submission=event.submission,
        posted_at=posted_at,
        unsure=False,
        doubted_at=event.at,
        failed_request="",
        sent=_with_sent(job, event.submission.request_id),
    )


def _published(job: Job, after: JobState, event: Published) -> Job:
    return _published_as(
        job,
        state=after,
        changed_at=event.at,
        publication=event.publication,
        published_at=event.at,
        to_clear=event.clear and _has_request(job),
        to_import=event.until_imported,
    )


def _answered(job: Job, event: Answered) -> Job:
    request_id = event.submission.request_id
    if job.state is JobState.QUEUED:
        # So in older journals: it went another way by then, on which that transfer was none of its own.
        sent = (*job.sent[-(MAX_SENT - 1) :], request_id)
        return replace(job, sent=sent, spent=_with_spent(job.spent, request_id))
    return replace(
        job,
        submission=event.submission,
        sent=_with_sent(job, request_id),
        unsure=False,
        doubted_at=event.at,
        attempts=0,
        retry_at=0.0,
    )


def _dropped_again(job: Job, after: JobState, event: DroppedAgain) -> Job:
    # Whoever drops it again is to have it: its entry stays until that was imported, too.
    to_import = job.to_import or job.leaves_at > 0
    return _entered(
        job,
        state=after,
        changed_at=event.at,
        drops=_with_drop(job, event.drop),
        to_import=to_import,
        to_clear=job.to_clear and not to_import,
        leaves_at=0.0,
        moves_to=event.destination,
    )


def _removed(job: Job, after: JobState, event: Removed) -> Job:
    return _entered(
        job,
        state=after,
        changed_at=event.at,
        remove_files=event.files,
        commands=_with_command(job, event.command),
        # A tool that imports has the entry removed, and that is all we may hear of it.
        to_clear=job.to_clear or (job.to_import and _has_request(job)),
        to_import=False,
    )


def _with_sent(job: Job, request_id: str) -> tuple[str, ...]:
    if job.destination.route is not Route.REMOTE or request_id in job.sent:
        return job.sent
    return (*job.sent[-(MAX_SENT - 1) :], request_id)


def _failed(job: Job, after: JobState, event: Failed) -> Job:
    given_up = event.request_failed and job.submission is not None
    return _entered(
        job,
        state=after,
        changed_at=event.at,
        reason=event.reason,
        commands=_with_command(job, event.command),
        to_report=event.report,
        unsure=job.unsure and not event.intent_closed,
        failed_request=job.submission.request_id if given_up and job.submission else job.failed_request,
    )


def _vanished(job: Job, after: JobState, event: Vanished) -> Job:
    return _entered(
        job,
        state=after,
        changed_at=event.at,
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


def _requeued(job: Job, after: JobState, event: Requeued) -> Job:
    goes_to = event.destination or job.destination
    # On another way nothing was posted yet.
    posted_at = job.posted_at if goes_to.way == job.destination.way else None
    return _entered(
        job,
        state=after,
        changed_at=event.at,
        drops=job.drops if event.drop is None else _with_drop(job, event.drop),
        destination=goes_to,
        moves_to=None,
        submission=None,
        publication=None,
        delivery=None,
        to_clear=False,
        to_report=False,
        to_import=False,
        leaves_at=0.0,
        spent=_spent_of(job, goes_to),
        # The service would go on the way that request was for.
        failed_request=job.failed_request if goes_to.way == job.destination.way else "",
        published_at=0.0,
        # The account may hold the content still: it is searched before anything is posted again. An answered
        # POST shows in the history since long; of one that was not, nobody knows when it had its effect.
        posted_at=posted_at,
        unsure=posted_at is not None and goes_to.route.makes_items,
        doubted_at=event.at if job.unsure else min(job.doubted_at, event.at),
        commands=_with_command(job, event.command),
        round=job.round + 1,
        vanished="",
    )


def _spent_of(job: Job, goes_to: Destination) -> tuple[str, ...]:
    """Return what is never taken for the next round's: what was delivered, and what went another way."""
    is_astray = goes_to.way != job.destination.way
    its = [job.submission.request_id] if job.submission is not None and (job.delivery or is_astray) else []
    return _with_spent(job.spent, *its, *(job.sent if is_astray else ()))


def _with_spent(spent: tuple[str, ...], *request_ids: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*spent, *request_ids)))[-MAX_SPENT:]
