"""How states, times and sizes are said on the page."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final

from offcloud_watchd.core.model import Job, JobState, Lane, Progress, Verb
from offcloud_watchd.core.story import size
from offcloud_watchd.core.views import clock_time
from offcloud_watchd.web.page.markup import Html, tag

STATES: Final[Mapping[JobState, str]] = {
    JobState.FETCHING: "fetching",
    JobState.CLOUD: "in the cloud",
    JobState.QUEUED: "waiting",
    JobState.FAILED: "failed",
    JobState.DONE: "done",
    JobState.CHECKING: "looked at again",
    JobState.REMOVED: "being removed",
}
LANES: Final[Mapping[Lane, str]] = {
    Lane.API: "Asking the service",
    Lane.FETCH: "Fetching",
    Lane.DISK: "The disk",
}
VERBS: Final[Mapping[Verb, str]] = {Verb.RETRY: "Retry", Verb.CANCEL: "Cancel", Verb.FORGET: "Forget"}


def state_of(job: Job) -> str:
    """Say in which state a job is; what goes to a remote account never comes here from the cloud."""
    is_sent = job.destination.remote is not None and job.state is JobState.CLOUD
    return "being sent" if is_sent else STATES[job.state]


def moment(at: float, now: float) -> Html:
    """Say when something is or was: the time of day, with the date when it is another one."""
    try:
        local, today = time.localtime(at), time.localtime(now)
        same_day = local[:3] == today[:3]
        text = time.strftime("%H:%M:%S" if same_day else "%Y-%m-%d %H:%M", local)
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
    except (OverflowError, ValueError, OSError):  # a clock that was never set wrote this
        return tag("span", f"{at:.0f} s")
    return tag("time", text, datetime=stamp)


def rate(bytes_per_s: float | None) -> str:
    """Say a speed; empty when nothing moves."""
    return f"{size(bytes_per_s)}/s" if bytes_per_s else ""


def span(seconds: float | None) -> str:
    """Say how long something takes; empty when that is not known."""
    return "" if seconds is None or seconds > 100 * 86400 else clock_time(seconds)


def amount(job: Job, progress: Progress | None) -> str:
    """Say how much there is of a job, and of how much of it there is."""
    if job.publication is not None and job.state is JobState.DONE:
        return size(job.publication.size_bytes)
    if job.delivery is not None and job.delivery.size_bytes is not None:
        return size(job.delivery.size_bytes)
    if progress is not None and progress.total_bytes is not None:
        if progress.done_bytes is None:
            return size(progress.total_bytes)
        return f"{size(progress.done_bytes)} of {size(progress.total_bytes)}"
    return size(job.link.size_bytes) if job.link.size_bytes is not None else ""


def several(count: int, one: str, many: str = "") -> str:
    """Say how many there are: ``1 job``, ``2 jobs``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
