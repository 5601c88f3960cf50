"""One job on one line: what it is, how far, how fast, how long, and what can be done with it."""

from __future__ import annotations

from typing import Final

from offcloud_watchd.core.model import Job, JobState, Progress, Verb
from offcloud_watchd.core.story import account, display_name
from offcloud_watchd.web.clerk import allowed
from offcloud_watchd.web.page.markup import Html, joined, tag
from offcloud_watchd.web.page.words import STATES, VERBS, amount, moment, rate, span, state_of

_WAYS: Final = 49  # two of them make the bar, with a gap between


def row(job: Job, progress: Progress | None, now: float) -> Html:
    """Show a job as an entry of the list."""
    name = display_name(job)
    return tag(
        "li",
        tag(
            "div",
            tag("a", name, href=f"/jobs/{job.id}", class_="name"),
            tag("span", tag("b", job.destination.category), remark(job, progress, now), class_="sub"),
            class_="what",
        ),
        tag("span", state_of(job), class_=f"badge {job.state}"),
        tag("div", bar(job, progress), class_="way"),
        tag("span", amount(job, progress), class_="size"),
        tag("span", pace(job, progress), class_="pace"),
        tag("div", buttons(job, name), class_="acts"),
        id=f"row-{job.id}",
        class_="job",
    )


def remark(job: Job, progress: Progress | None, now: float) -> Html:
    """Say in a few words what there is to know beside the state."""
    if job.state is JobState.DONE:
        where = f" sent to {account(job.delivery)}" if job.delivery is not None else ""
        return joined(where, " ", moment(job.changed_at, now))
    waits = job.retry_at > now
    if job.reason:
        again = joined("; again at ", moment(job.retry_at, now)) if waits else None
        return joined(" ", job.reason.partition("\n")[0], again)
    if progress is None:
        return joined(" waits for its turn") if job.state is JobState.FETCHING else joined()
    return joined(" ", progress.note) if progress.note else joined()


def pace(job: Job, progress: Progress | None) -> str:
    """Say how fast it comes and how long that takes."""
    if progress is None or job.state not in (JobState.FETCHING, JobState.CLOUD):
        return ""
    left = span(progress.left_s)
    return " · ".join(part for part in (rate(progress.bytes_per_s), f"{left} left" if left else "") if part)


def bar(job: Job, progress: Progress | None) -> Html:
    """Draw how far a job is: the first half is the service's way, the second half is ours.

    What goes to a remote account has the service's way alone.
    """
    theirs, ours = _halves(job, progress)
    done = _said(job, theirs, ours)
    is_sent = job.destination.remote is not None
    picture = tag(
        "svg",
        _part(0, 100 if is_sent else _WAYS, theirs, "theirs"),
        None if is_sent else _part(100 - _WAYS, _WAYS, ours, "ours"),
        viewBox="0 0 100 6",
        preserveAspectRatio="none",
        role="img",
        aria_label=done,
        class_=f"bar {job.state}",
    )
    return joined(picture, tag("span", _percent(job, progress), class_="percent", aria_hidden="true"))


def _part(x: float, width: float, far: float, whose: str) -> Html:
    return joined(
        tag("rect", x=x, y=0, width=width, height=6, class_="track"),
        tag("rect", x=x, y=0, width=round(width * far, 1), height=6, class_=whose),
    )


def _halves(job: Job, progress: Progress | None) -> tuple[float, float]:
    far = (progress.part or 0.0) if progress is not None else 0.0
    match job.state:
        case JobState.CLOUD:
            return far, 0.0
        case JobState.FETCHING:
            return 1.0, far
        case JobState.DONE | JobState.CHECKING:
            return 1.0, 1.0
        case _:
            return 0.0, 0.0


def _percent(job: Job, progress: Progress | None) -> str:
    far = progress.part if progress is not None else None
    return f"{far:.0%}" if far is not None and job.state in (JobState.CLOUD, JobState.FETCHING) else ""


def _said(job: Job, theirs: float, ours: float) -> str:
    match job.state:
        case JobState.CLOUD if job.destination.remote is not None:
            return f"On its way to the remote account: {theirs:.0%}"
        case JobState.CLOUD:
            return f"In the cloud: {theirs:.0%}; not fetched yet"
        case JobState.FETCHING:
            return f"The cloud has it; fetched: {ours:.0%}"
        case _:
            return STATES[job.state].capitalize()


def buttons(job: Job, name: str) -> Html:
    """Offer what can be asked of a job; each leads to a question first."""
    return joined(
        [
            tag(
                "a",
                VERBS[verb],
                tag("span", f" {name}", class_="unseen"),
                href=f"/act/{verb}?job={job.id}",
                class_="act",
                data_ask=True,
            )
            for verb in allowed(job)
            if verb is not Verb.RETRY or job.retry_at or job.state in (JobState.FAILED, JobState.DONE)
        ]
    )
