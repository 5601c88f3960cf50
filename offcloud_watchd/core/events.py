"""What happened to a job, in the past tense: recorded first, applied second, and never changed afterwards.

Rules of this file:

* An event holds what was decided, not what is to be computed again: replaying it needs no clock and no luck.
* Members are added with a default and never renamed (``journal.codec``): an old journal must still fold.
* A new event is a line in ``lifecycle.TRANSITIONS``, in ``journal.records.EVENT_KINDS`` and in ``story``.
"""

from __future__ import annotations

from dataclasses import dataclass

from offcloud_watchd.core.model import Delivery, Destination, Drop, Link, Publication, Submission


@dataclass(frozen=True, slots=True)
class Queued:
    """A link was accepted; what its drop holds besides is safe in the spool."""

    job_id: str
    at: float
    link: Link
    drop: Drop
    destination: Destination
    release: str | None


@dataclass(frozen=True, slots=True)
class Attached:
    """A further drop of the same content for the same category joined a job that is still open."""

    job_id: str
    at: float
    drop: Drop


@dataclass(frozen=True, slots=True)
class Submitting:
    """A POST is about to be made: from here on the service may hold the request."""

    job_id: str
    at: float


@dataclass(frozen=True, slots=True)
class Recalled:
    """A POST named ``posted_at`` may have been taken: the account is searched before another one is made.

    It is another job's POST for the same content, or the job's own while the clock or the program was changed
    under it. What a search shows counts from ``at`` on.
    """

    job_id: str
    at: float
    posted_at: float


@dataclass(frozen=True, slots=True)
class Submitted:
    """The service gave the request an id; ``adopted`` when it was found there rather than answered.

    ``posted_at`` names the POST behind a request that another job holds, where there is one. ``also_for`` is
    a job to which the service gave the same request, although it is for other content.
    """

    job_id: str
    at: float
    submission: Submission
    adopted: bool = False
    posted_at: float | None = None
    also_for: str = ""


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of a POST of a job that has ended since: the request is there, and ours.

    Told by its answer, which came too late, or found in the account.
    """

    job_id: str
    at: float
    submission: Submission


@dataclass(frozen=True, slots=True)
class Granted:
    """The service gave links at once. They are secrets with a short life: whoever fetches has them anew.

    ``posted_at`` as in ``Submitted``.
    """

    job_id: str
    at: float
    submission: Submission
    posted_at: float | None = None


@dataclass(frozen=True, slots=True)
class NotFound:
    """An open intent came to nothing: the account was searched late enough, or the POST was never taken."""

    job_id: str
    at: float


@dataclass(frozen=True, slots=True)
class Stirred:
    """The request got further in the cloud; ``mark`` names what it has come to. It works again, too."""

    job_id: str
    at: float
    mark: str


@dataclass(frozen=True, slots=True)
class Vanished:
    """The account does not hold the request any more: it is searched for, then submitted once more."""

    job_id: str
    at: float


@dataclass(frozen=True, slots=True)
class CloudReady:
    """The service has all bytes."""

    job_id: str
    at: float
    submission: Submission


@dataclass(frozen=True, slots=True)
class Published:
    """The release is complete, checked and visible. ``clear``: the account is to be rid of its request.

    ``until_imported``: not yet, but when an *arr tool has imported it; then the entry is to go, too.
    """

    job_id: str
    at: float
    publication: Publication
    clear: bool = False
    until_imported: bool = False


@dataclass(frozen=True, slots=True)
class Imported:
    """An *arr tool has taken the release over; ``how`` that is known. The entry goes at ``leaves_at``."""

    job_id: str
    at: float
    how: str
    leaves_at: float


@dataclass(frozen=True, slots=True)
class Delivered:
    """The remote account has it; nothing is fetched."""

    job_id: str
    at: float
    delivery: Delivery


@dataclass(frozen=True, slots=True)
class Cleared:
    """The account does not hold the request any more; or it is left there, for a ``reason``."""

    job_id: str
    at: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class DroppedAgain:
    """A further drop wants what is done already: the release is looked at before anything is done.

    ``destination`` is where it goes if it is gone, where that is not where the job went before.
    """

    job_id: str
    at: float
    drop: Drop
    destination: Destination | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """What was dropped again is still there, at ``path``; or the look at it was cancelled, by ``command``.

    By none of both: it was sent to a remote account, into which nobody here can look.
    """

    job_id: str
    at: float
    path: str = ""
    command: str = ""


@dataclass(frozen=True, slots=True)
class Deferred:
    """It did not work this time, or it is too early. ``charged`` counts an attempt.

    ``intent_closed``: nothing was posted. ``maybe_sent``: a POST may have been taken as late as now.
    """

    job_id: str
    at: float
    reason: str
    retry_at: float
    charged: bool = True
    intent_closed: bool = False
    maybe_sent: bool = False


@dataclass(frozen=True, slots=True)
class Resumed:
    """Earlier failures no longer count and what is owed is due: it worked again, or by ``command``."""

    job_id: str
    at: float
    command: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """It never will, or the operator cancelled it. ``request_failed``: the service gave its request up.

    ``report``: the *arr tools of its category are to be told. ``intent_closed``: its POST was refused.
    """

    job_id: str
    at: float
    reason: str
    command: str = ""
    request_failed: bool = False
    report: bool = False
    intent_closed: bool = False


@dataclass(frozen=True, slots=True)
class Reported:
    """The *arr tools know that it failed; or there was nothing to tell them, for a ``reason``."""

    job_id: str
    at: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Requeued:
    """It starts again from the beginning: by the operator's wish (``command``) or by a new ``drop``.

    By none of both: it was dropped again, and what was published is not there any more. ``destination`` is
    where the new drop goes, where that is not where the job went before.
    """

    job_id: str
    at: float
    command: str = ""
    drop: Drop | None = None
    destination: Destination | None = None


@dataclass(frozen=True, slots=True)
class Removed:
    """The operator does not want it any more; ``files``: nor what was published."""

    job_id: str
    at: float
    files: bool = False
    command: str = ""


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """What a removed job had published is deleted; something else is still owed before it leaves."""

    job_id: str
    at: float


@dataclass(frozen=True, slots=True)
class Discarded:
    """Everything the job left behind is gone; the job leaves the fold, or (``Job.remembered``) all sight."""

    job_id: str
    at: float


@dataclass(frozen=True, slots=True)
class Recategorized:
    """The job belongs to another category from here on; what is published stays where it is."""

    job_id: str
    at: float
    destination: Destination
    command: str = ""


@dataclass(frozen=True, slots=True)
class CategoryMade:
    """A client named a category; it is known from here on, also while no job is in it."""

    name: str
    at: float


@dataclass(frozen=True, slots=True)
class CategoryDropped:
    """A client does not want a category any more; the jobs in it stay."""

    name: str
    at: float


CategoryEvent = CategoryMade | CategoryDropped

Event = (
    Queued
    | Attached
    | Submitting
    | Recalled
    | Submitted
    | Answered
    | Granted
    | NotFound
    | Stirred
    | Vanished
    | CloudReady
    | Published
    | Imported
    | Delivered
    | Cleared
    | DroppedAgain
    | Kept
    | Deferred
    | Resumed
    | Failed
    | Reported
    | Requeued
    | Removed
    | Withdrawn
    | Discarded
    | Recategorized
)
"""What happens to a job."""

Recorded = Event | CategoryEvent
"""All that is ever recorded."""
