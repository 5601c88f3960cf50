"""One job's page: what it is, how far, and all that happened to it out of the journal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from offcloud_watchd.core.links import remarks
from offcloud_watchd.core.model import Job, Progress
from offcloud_watchd.core.story import display_name, sent, shown_key, size, whereto
from offcloud_watchd.core.views import drop_line
from offcloud_watchd.web.desk import Happening
from offcloud_watchd.web.page.markup import Html, joined, tag
from offcloud_watchd.web.page.rows import bar, buttons, pace, remark
from offcloud_watchd.web.page.words import amount, moment, several, state_of

_QUIET = {"submitting": "about to be submitted", "resumed": "tried again at once", "discarded": "gone"}
"""What the log passes over."""


def head(job: Job, progress: Progress | None, now: float) -> Html:
    """Show how far a job is; this part is live."""
    name = display_name(job)
    return tag(
        "section",
        tag("h2", name),
        tag(
            "p",
            tag("span", state_of(job), class_=f"badge {job.state}"),
            tag("span", remark(job, progress, now), class_="sub"),
        ),
        tag("div", bar(job, progress), class_="way wide"),
        tag("p", " · ".join(part for part in (amount(job, progress), pace(job, progress)) if part)),
        tag("p", buttons(job, name), class_="acts"),
        id="head",
    )


def gone(job_id: str) -> Html:
    """Say that a job is not there any more."""
    text = f"There is no job {job_id}; it may have been forgotten."
    return tag("section", tag("h2", "No such job"), tag("p", text), id="head")


def life(job: Job, history: Sequence[Happening] | str, now: float) -> Html:
    """Show all that is known of a job; ``history`` may say why it cannot be read."""
    facts = [tag("dt", name) + tag("dd", value) for name, value in _facts(job)]
    if isinstance(history, str):
        told = tag("p", history)
    else:
        told = tag("ol", [_entry(one, now) for one in history], class_="life")
    return joined(
        tag("section", tag("h2", "What it is"), tag("dl", [Html(one) for one in facts], class_="facts")),
        tag("section", tag("h2", "What happened"), told),
    )


def _facts(job: Job) -> Iterator[tuple[str, str]]:
    yield "Job", job.id
    yield "Category", job.destination.category
    yield "Goes to", whereto(job.destination)
    yield "Link", f"{job.link.kind}, {shown_key(job.link.key)}"
    yield "Route", str(job.destination.route)
    if job.submission is not None:
        yield "Request", f"{job.submission.request_id or 'none was needed'} ({job.submission.status or '?'})"
    if job.attempts:
        yield "Attempts", f"{several(job.attempts, 'failure')} since the last success"
    if job.reason:
        yield "Reason", job.reason
    if job.publication is not None:
        done = job.publication
        yield "Published", f"{done.path} ({several(done.files, 'file')}, {size(done.size_bytes)})"
        yield "Verified by", done.verified
        for check in done.checks:
            yield f"… by {check.how}", f"{several(check.files, 'file')} {', '.join(check.names)}"
    if job.delivery is not None:
        yield "Sent to", sent(job.delivery)
    yield from _owed(job)
    for drop in job.drops[-5:]:
        line = drop_line(job, drop)
        where = f", line {line}" if line is not None else ""
        place = f"in {drop.folder}" if drop.folder else "by a command"
        yield "Came from", f"{drop.name or 'a link'} {place}{where}"
    for remark_ in remarks(job.link):
        yield "Note", remark_


def _owed(job: Job) -> Iterator[tuple[str, str]]:
    if job.to_clear:
        yield "Account", "the request is still to be removed from it"
    if job.to_import:
        yield "*arr", "request and entry stay until it is imported"
    if job.to_report:
        yield "*arr", "the tool is still to be told that it failed"


def _entry(one: Happening, now: float) -> Html:
    text = one.text or _QUIET.get(one.event) or one.event.replace("_", " ")
    return tag("li", moment(one.at, now), " ", tag("span", text), class_=one.event)
