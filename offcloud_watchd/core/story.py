"""A job in words: its name, a line for each event, fields to filter by. Never a link: it may be secret."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import Final, assert_never

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
from offcloud_watchd.core.model import (
    Delivery,
    Destination,
    Job,
    JobState,
    Lane,
    Link,
    LinkKind,
    Publication,
    RemoteTarget,
)

_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")
_FILE_NAME: Final = re.compile(r".{1,200}\.[0-9A-Za-z]{1,8}")
"""What a file is called; the last part of an address that names none may be the very word that opens it."""

_HANDS: Final[Mapping[JobState, Lane]] = {
    JobState.QUEUED: Lane.API,
    JobState.CLOUD: Lane.API,
    JobState.FETCHING: Lane.FETCH,
    JobState.CHECKING: Lane.DISK,
    JobState.REMOVED: Lane.DISK,
}
"""The lane that carries out what a job in each open state is owed."""


def display_name(job: Job) -> str:
    """Name a job for people: as it was dropped, published or submitted, else by what its link tells of it."""
    published = posixpath.basename(job.publication.path) if job.publication is not None else None
    submitted = job.submission.name if job.submission is not None else None
    return job.release or published or submitted or job.link.name or named_by(job.link)


def named_by(link: Link) -> str:
    """Name what a link leads to: by its info hash; by the file in its address, or else by the host alone.

    The address itself may be a secret.
    """
    key = shown_key(link.key)
    if link.kind is not LinkKind.URL:
        return key
    host, _, path = key.partition("://")[2].partition("/")
    last = path.rpartition("/")[2]
    return last if _FILE_NAME.fullmatch(last) else f"a link to {host}"


def shown_key(key: str) -> str:
    """Return a link's key without what may be secret in it: what follows its ``?``, or its ``#``."""
    return key.partition("?")[0].partition("#")[0]


def size(size_bytes: float) -> str:
    """Write bytes for a person: ``1.4GiB``."""
    exponent = 0
    while size_bytes >= 1024 and exponent < len(_UNITS) - 1:
        size_bytes, exponent = size_bytes / 1024, exponent + 1
    return f"{size_bytes:.0f}{_UNITS[exponent]}" if exponent == 0 else f"{size_bytes:.1f}{_UNITS[exponent]}"


def about(job: Job, lane: Lane | None = None) -> dict[str, str]:
    """Return what a log record about a job can be filtered by; give it as ``extra``. Nothing in it is secret.

    ``lane`` is whose work the record is about; None: that of the lane which has the job in its hands, if any.
    What is not known is empty.
    """
    return {
        "job": job.id,
        "category": job.destination.category,
        "request": "" if job.submission is None else job.submission.request_id,
        "lane": str(lane or _HANDS.get(job.state) or ""),
    }


def whereto(destination: Destination) -> str:
    """Say where the jobs of a destination go."""
    return destination.directory if destination.remote is None else account(destination.remote)


def sent(delivery: Delivery) -> str:
    """Say what was sent where."""
    how_much = f", {size(delivery.size_bytes)}" if delivery.size_bytes is not None else ""
    return f"{delivery.name or 'it'} to {account(delivery)}{how_much}"


def _contents(publication: Publication) -> str:
    files = "1 file" if publication.files == 1 else f"{publication.files} files"
    how = publication.verified
    return f"{files}, {size(publication.size_bytes)}, {how if how == 'unverified' else f'verified: {how}'}"


def account(place: RemoteTarget | Delivery) -> str:
    """Name a remote account, and the folder in it."""
    return f"remote account {place.account}" + (f", folder {place.folder}" if place.folder else "")


def told(event: Event) -> str:  # noqa: C901, PLR0911, PLR0912 - flat, one case an event
    """Say what happened, for the log; empty for what only the machinery needs to know."""
    match event:
        case Queued(drop=drop, destination=destination):
            return f"taken from {drop.name or 'a command'} for {destination.category}"
        case Attached(drop=drop):
            return f"{drop.name or 'a command'} wants the same and joins it"
        case Submitted(submission=submission, adopted=adopted, also_for=also_for):
            how = "found in the account" if adopted else "submitted"
            twice = f", which the service gave job {also_for} for other content" if also_for else ""
            return f"{how} as request {submission.request_id}{twice}"
        case Answered(submission=submission):
            return f"its submission was taken, as request {submission.request_id}: it stays in the account"
        case Granted():
            return "the service gives it at once: fetching"
        case Recalled():
            return "may have been submitted already: looking in the account first"
        case NotFound():
            return "the account does not hold it: submitting"
        case Vanished():
            return "the account does not hold it any more: looking for it, then submitting it once more"
        case CloudReady():
            return "the service has it: fetching"
        case Published(publication=publication):
            return f"published: {publication.path} ({_contents(publication)})"
        case Imported(how=how):
            return f"imported: {how}"
        case Delivered(delivery=delivery):
            return f"sent: {sent(delivery)}"
        case Cleared(reason=reason):
            return f"left in the account: {reason}" if reason else "removed from the account"
        case DroppedAgain(drop=drop):
            return f"dropped again by {drop.name or 'a command'}: looking whether it is still there"
        case Kept(path="", command=""):
            return "dropped again; it was sent there already: `offcloud-watchd retry` sends it again"
        case Kept(path=path):
            return f"dropped again; it is still there: {path}" if path else "left as it is, as was asked for"
        case Deferred(reason=reason, retry_at=retry_at, at=at):
            return f"not now: {reason}" + (f"; again in {retry_at - at:.0f} s" if retry_at > at else "")
        case Failed(reason=reason):
            return f"failed: {reason}"
        case Reported(reason=reason):
            return f"not reported: {reason}" if reason else "the *arr tool knows that it failed"
        case Requeued(drop=None, command=""):
            return "begins anew: what was published is not there any more"
        case Requeued(drop=drop):
            return "begins anew" + (f", because {drop.name} was dropped" if drop is not None else "")
        case Recategorized(destination=destination):
            return f"belongs to the category {destination.category} now"
        case Removed(files=files):
            return "removed" + (" with its files" if files else "")
        case Submitting() | Stirred() | Resumed() | Withdrawn() | Discarded():
            return ""
        case _:  # pragma: no cover - the type checker proves it
            assert_never(event)
