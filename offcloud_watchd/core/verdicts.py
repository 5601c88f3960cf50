"""What an answer means: failures become events, a search of the account becomes a proof or a wait.

Rules of this file:

* ``judge`` is the only place where a failure becomes an event; retry-after, back-off and giving up live here.
* Whether a POST may be made is decided here alone: ``recalled``, ``doubted_anew`` and ``searched``.
* Even the jitter of a back-off is computed from the job's id.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from offcloud_watchd.core.effects import Act, Adopt, Clear, Report, Submit, Trace
from offcloud_watchd.core.events import (
    Answered,
    Cleared,
    Deferred,
    Event,
    Failed,
    Granted,
    NotFound,
    Recalled,
    Reported,
    Submitted,
    Vanished,
)
from offcloud_watchd.core.lifecycle import MAX_WAIT_S, TRANSITIONS, Policy, bounded
from offcloud_watchd.core.messages import Outcome
from offcloud_watchd.core.model import Job, JobState, LinkKind, Route, Submission
from offcloud_watchd.errors import (
    Blocked,
    Cancelled,
    Contradicted,
    Gone,
    Held,
    OffcloudWatchdError,
    Permanent,
    Transient,
    Waits,
)

NZO_PREFIX: Final = "SABnzbd_nzo_"
"""What every id of SABnzbd's begins with: clients tell them from others by it."""

OURS_WITHIN_S: Final = 60.0
"""So much earlier than our POST a request may be made by the service's clock and still be its effect."""


def judge(  # noqa: PLR0911 - flat, one case a class of errors
    effect: Act, error: BaseException, now: float, policy: Policy
) -> Event | None:
    """Turn a failed effect into the event to record; None when there is nothing to record.

    ``Waits`` charges nobody; why the job waits is recorded once. ``Blocked``, ``Cancelled`` and ``Held``
    charge nobody either; of a submission they mean that nothing was taken, so its intent is closed. An
    exception of no class of ours is a bug: it is charged like a transient failure, so that one item which
    always raises ends as FAILED and the others go on. A look that came to nothing is made again, whatever was
    in the way.
    """
    job = effect.job
    if isinstance(error, Waits):
        reason = bounded(str(error))
        known = job.reason == reason  # a job may wait for weeks, and is asked again and again
        return None if known else Deferred(job.id, now, reason, retry_at=0.0, charged=False)
    if isinstance(error, Held):
        retry_at = now + error.wait_s
        return Deferred(job.id, now, bounded(str(error)), retry_at, charged=False, intent_closed=True)
    is_charged = not isinstance(error, (Blocked, Cancelled))
    if isinstance(effect, Trace) or not (is_charged or isinstance(effect, Submit)):
        return None
    if not is_charged:
        reason = bounded(str(error))
        return Deferred(job.id, now, reason, retry_at=0.0, charged=False, intent_closed=True)
    if isinstance(error, Gone):
        return _lost(effect, error, now)
    if isinstance(error, Permanent):
        return _refused(effect, now, str(error))
    return _tried_in_vain(effect, error, now, policy)


def _refused(effect: Act, now: float, reason: str) -> Event:
    if isinstance(effect, Submit):
        return Failed(effect.job.id, now, bounded(reason), intent_closed=True)
    if isinstance(effect, Adopt) and effect.job.doubtful:  # an account that cannot be searched holds nothing
        return NotFound(effect.job.id, now)
    return _given_up(effect, now, reason)


def _lost(effect: Act, error: Gone, now: float) -> Event:
    """Let a request that is gone be searched for and submitted once more; a second time is enough."""
    job = effect.job
    if Vanished in TRANSITIONS[job.state] and not job.vanished:
        return Vanished(job.id, now)
    advice = "it was deleted in the account; `offcloud-watchd retry` submits it again"
    return _given_up(effect, now, f"{error} ({advice})")


def _tried_in_vain(effect: Act, error: BaseException, now: float, policy: Policy) -> Event:
    job = effect.job
    asked_s = error.retry_after_s if isinstance(error, Transient) else None
    reason = in_words(error)
    most = policy.max_contradictions if isinstance(error, Contradicted) else policy.max_attempts
    if job.attempts + 1 >= most and not isinstance(effect, Report):
        return _given_up(effect, now, f"given up after {job.attempts + 1} attempts, the last: {reason}")
    # A bug may strike after the request went out, so its intent stays open.
    maybe_sent = isinstance(effect, Submit) and (not isinstance(error, Transient) or error.maybe_sent)
    return Deferred(
        job.id,
        now,
        bounded(reason),
        retry_at=now + _delay_s(job, asked_s, policy),
        intent_closed=isinstance(effect, Submit) and not maybe_sent,
        maybe_sent=maybe_sent,
    )


def _given_up(effect: Act, now: float, reason: str) -> Event:
    if isinstance(effect, Report):
        return Reported(effect.job.id, now, bounded(reason))
    if isinstance(effect, Clear):  # the job is done, whatever becomes of the request
        return Cleared(effect.job.id, now, bounded(reason))
    if effect.job.state is JobState.REMOVED or effect.job.doubtful:
        # It cannot fail, only wait: what it left must not be forgotten.
        return Deferred(effect.job.id, now, bounded(reason), retry_at=now + MAX_WAIT_S)
    return Failed(effect.job.id, now, bounded(reason))


def with_report(event: Failed, job: Job, policy: Policy) -> Failed:
    """Say of a failure whether it is to be reported: where a tool can know the release by its hash or name.

    Not what the operator cancelled: nothing is wrong with that release.
    """
    known = job.link.info_hash_v1 or job.link.info_hash_v2 or name_for_tools(job)
    awaited = bool(known) and not event.command and job.destination.category in policy.reported
    return replace(event, report=awaited)


def name_for_tools(job: Job) -> str:
    """Return the name by which an *arr tool can know a release that has no hash; empty where it cannot.

    It is that of the file the tool itself wrote into a drop folder.
    """
    nameable = job.link.kind in (LinkKind.FILE, LinkKind.NZB) and any(drop.folder for drop in job.drops)
    return (job.release or "") if nameable else ""


def nzo_id(job: Job) -> str:
    """Return the id by which clients of the SABnzbd API know a job, and a tool its download."""
    return NZO_PREFIX + job.id


def in_words(error: BaseException | None) -> str:
    """Return what can be shown and recorded of an error.

    The text of a foreign exception may hold a link or a key: it goes to the log, which hides them.
    """
    if isinstance(error, OffcloudWatchdError):
        return bounded(str(error))
    return f"internal error {type(error).__name__}, see the log"


def _delay_s(job: Job, asked_s: float | None, policy: Policy) -> float:
    """Compute the back-off: doubling, capped, jitter down to a half; never sooner than was asked."""
    doubled = policy.backoff_min_s * 2.0 ** min(job.attempts, 30)
    digest = hashlib.sha256(f"{job.id}/{job.attempts}".encode()).digest()
    jitter = 0.5 + int.from_bytes(digest[:4], "big") / 2**33
    own = min(doubled, policy.backoff_max_s) * jitter
    if asked_s is None:
        return own
    return max(own, min(max(asked_s, 1.0), MAX_WAIT_S))


def recalled(job: Job, relatives: Iterable[Job], now: float) -> Event | None:
    """Tell whether another job's POST for the same content must be searched for before this job's own.

    ``relatives`` are the jobs with the same key, in any state and category. The job remembers the latest POST
    it has searched for, so each is searched for once. What makes no item needs no search.
    """
    if not job.destination.route.makes_items:
        return None
    posted = [
        one.posted_at
        for one in relatives
        if one.posted_at is not None and one.id != job.id and one.destination.way == job.destination.way
        if not one.remembered  # what it had sent is known, and not for others
    ]
    if posted and (job.posted_at is None or max(posted) > job.posted_at):
        return Recalled(job.id, now, max(posted))
    return None


def doubted_anew(job: Job, now: float) -> Event | None:
    """Let the waiting of an unsure job begin again; None for a job that is not unsure.

    Wanted whenever the time since its POST cannot be told: the program starts, the clock was set, or a POST
    nobody waited for any more has only now come to its end.
    """
    waits = (job.state is JobState.QUEUED and job.unsure) or job.doubtful
    if waits and job.posted_at is not None:
        return Recalled(job.id, now, job.posted_at)
    return None


def too_late(effect: Submit, outcome: Outcome, job: Job, now: float) -> Event | None:
    """Return what follows from the answer to a POST whose job does not wait for it any more.

    None where it tells nothing for sure: then the account is searched. ``job`` is what it has come to.
    """
    posted, answer = effect.job, outcome.event
    if isinstance(answer, Submitted):
        if job.state is JobState.QUEUED and job.destination.way == posted.destination.way:
            return replace(answer, at=now)  # it began anew, and would look for just this
        ended = job.state in (JobState.FAILED, JobState.REMOVED)
        return Answered(job.id, now, answer.submission) if ended else None
    own = (job.round, job.posted_at) == (posted.round, posted.posted_at)
    if own and job.doubtful and isinstance(outcome.error, OffcloudWatchdError):
        maybe_sent = isinstance(outcome.error, Transient) and outcome.error.maybe_sent
        return None if maybe_sent else NotFound(job.id, now)
    return None


def shared(job: Job, submission: Submission, posted_at: float | None, now: float) -> Event:
    """Let a job use the request that another one holds for the same content."""
    if job.destination.route is Route.INSTANT:
        return Granted(job.id, now, submission, posted_at)
    return Submitted(job.id, now, submission, adopted=True, posted_at=posted_at)


def compared(event: Submitted, job: Job, holders: Iterable[Job]) -> Submitted:
    """Note it when the service gives a request that it gave for other content already.

    ``holders`` are the jobs that have the request.
    """
    others = (one.id for one in holders if one.link.key != job.link.key and one.state is not JobState.REMOVED)
    return replace(event, also_for=next(others, ""))


def foreign(job: Job, made_at: float | None) -> str:
    """Tell why the request of a job must be left to somebody else; empty when it is ours.

    The same link may give a request that was there before, of another program or another life. ``made_at``
    is when the service made it, None where it does not tell: then the journal's word counts that it is ours.
    """
    if job.posted_at is None:
        return "the journal does not say that it was asked for from here"
    if made_at is not None and made_at < job.posted_at - OURS_WITHIN_S:
        return "it was there before it was asked for from here"
    return ""


def meant_for_another(job: Job, rivals: Iterable[float], made_at: float | None) -> bool:
    """Tell whether a request that was found is rather the effect of another open intent than of the job's.

    The account does not tell where it sends a request, but when it was made: it belongs to the latest POST
    before that. ``rivals`` are the times of the other POSTs. By its own clock the service may have made it
    somewhat earlier than our POST. Where the times tell nothing, whoever looks first has it.
    """
    own = job.posted_at
    if made_at is None or own is None:
        return False
    for rival in rivals:
        earlier, later = sorted((own, rival))
        after_both = made_at >= later - min(OURS_WITHIN_S, (later - earlier) / 2)
        if rival != own and after_both is (rival > own):
            return True
    return False


def searched(job: Job, found: Submission | None, as_of: float, now: float, policy: Policy) -> Event:
    """Judge a search of the account for an open intent; ``as_of`` is when the listing was taken.

    The history may lag behind, so an entry that is missing too early proves nothing: the job waits. Nor does
    a listing that seems to be from the future: the clock was set back since.
    """
    if found is not None:
        # Without what the history tells besides: memory holds what is recorded, and no more.
        known = Submission(found.request_id, found.status, found.name, found.url, found.server)
        if job.state is not JobState.QUEUED:
            return Answered(job.id, now, known)
        return Submitted(job.id, now, known, adopted=True)
    if job.doubted_at + policy.history_lag_s <= as_of <= now:
        return NotFound(job.id, now)
    wait_s = min(max(policy.history_lag_s / 4, 1.0), 30.0)
    reason = "it may have been submitted before and is not in the account's history yet; looking again"
    return Deferred(job.id, now, reason, retry_at=now + wait_s, charged=False)
